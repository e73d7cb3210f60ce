"""torchvision's networks from their state dicts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import segmentation

from analysis.models import segmenters
from analysis.models.segmentation.torchvision_models import FAMILY, architecture
from analysis.models.segmenter import checked_labels
from analysis.shared.errors import GanatomyError

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def network(builder: Callable[..., torch.nn.Module], classes: int = 21, **more: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    made = builder(weights=None, weights_backbone=None, num_classes=classes, **more)
    # Random batch norms leave nothing of an image after so many layers: keep each at the scale of its input.
    made.train()
    with torch.no_grad():
        for _ in range(3):
            made(torch.randn(2, 3, 64, 64))
    return made.eval()


def test_an_lraspp_labels_as_torchvision_does(tmp_path: Path) -> None:
    theirs = network(segmentation.lraspp_mobilenet_v3_large)
    file = tmp_path / "lraspp.pth"
    torch.save(theirs.state_dict(), file)
    told = {"size": "64", "classes": "voc-21"}
    info = segmenters.add("voc", None, file, tmp_path / "models", settings=told)
    assert info.family == "torchvision"
    assert [concept.name for concept in info.concepts][:2] == ["aeroplane", "bicycle"]
    segmenter = segmenters.load("voc", tmp_path / "models")
    images = torch.rand(2, 3, 64, 64) * 2 - 1
    mean, deviation = (torch.tensor(value).view(3, 1, 1) for value in (MEAN, DEVIATION))
    with torch.no_grad():
        out = theirs(((images + 1) / 2 - mean) / deviation)["out"]
    # The network's class 0 is the background, which is label 0 here too: nothing is off by one.
    assert (checked_labels(segmenter, images)[:, 0] == out.argmax(1)).float().mean() > 0.999
    torch.testing.assert_close(segmenter.probability(images, "bicycle"), out.softmax(1)[:, 2])
    given = images.clone().requires_grad_()
    (slope,) = torch.autograd.grad(segmenter.probability(given, "aeroplane").mean(), given)
    assert slope.abs().sum() > 0


def test_each_is_recognised_from_its_keys(tmp_path: Path) -> None:
    with torch.device("meta"):
        states = {
            name: getattr(segmentation, name)(
                weights=None, weights_backbone=None, num_classes=5, aux_loss=True
            ).state_dict()
            for name in (
                "deeplabv3_resnet50",
                "deeplabv3_resnet101",
                "deeplabv3_mobilenet_v3_large",
                "fcn_resnet50",
                "fcn_resnet101",
            )
        }
    for name, state in states.items():
        assert architecture(state) == (name, 5)
    assert architecture({"classifier.4.weight": torch.zeros(2)}) is None
    assert architecture({}) is None


def test_21_classes_are_not_taken_to_be_pascal_vocs(tmp_path: Path) -> None:
    def built(count: int, **config: Any) -> Any:
        state = network(segmentation.lraspp_mobilenet_v3_large, count).state_dict()
        return FAMILY.build(state, config, "own", "cpu")

    with pytest.raises(GanatomyError, match="does not name its 21 classes; say --set classes=voc-21 if"):
        built(21)
    with pytest.raises(GanatomyError, match="class 0 is the background; leave out background=label0-is-a"):
        built(21, classes="voc-21", background="label0-is-a-class")
    with pytest.raises(GanatomyError, match="has 5 classes, and Pascal VOC 21"):
        built(5, classes="voc-21")
    own = {"concepts": [f"c{n}" for n in range(20)]}
    with pytest.raises(GanatomyError, match="Both classes=voc-21 and a vocabulary"):
        built(21, classes="voc-21", vocabulary=own)
    assert len(built(21, classes="voc-21", background="label0-is-background").concepts) == 20
    # The answer has an effect: where class 0 is a concept, the first is class 0, and else class 1.
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    own = {"concepts": [f"c{n}" for n in range(19)]}
    one, two = (
        built(21, vocabulary=own, background=answer, size="64")
        for answer in ("label0-is-a-class", "label0-is-background")
    )
    torch.testing.assert_close(one.probability(images, "c1"), two.probability(images, "c0"))


def test_other_classes_need_a_vocabulary(tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    state = network(segmentation.lraspp_mobilenet_v3_large, 3).state_dict()
    save_file(state, file)
    models = tmp_path / "models"
    with pytest.raises(GanatomyError, match="does not name its 3 classes"):
        segmenters.add("own", None, file, models)
    concepts = tmp_path / "own.json"
    concepts.write_text('["cat", "dog"]')
    with pytest.raises(GanatomyError, match="label0-is-a-class"):
        segmenters.add("own", None, file, models, vocabulary=concepts)
    options: dict[str, Any] = {"vocabulary": concepts}
    told = {"background": "label0-is-background", "size": "64"}
    info = segmenters.add("own", None, file, models, settings=told, **options)
    assert [concept.name for concept in info.concepts] == ["cat", "dog"]
    del state["classifier.cbr.1.weight"]
    save_file(state, file)
    with pytest.raises(GanatomyError, match=r"1 keys are missing, the first is 'classifier\.cbr\.1\.weight'"):
        segmenters.add("other", None, file, models, settings=told, **options)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deeplabv3_mobilenet_v3_large", "fcn_resnet50"])
def test_networks_with_a_second_head_are_read(tmp_path: Path, name: str) -> None:
    theirs = network(getattr(segmentation, name), aux_loss=True)
    file = tmp_path / "net.pth"
    torch.save(theirs.state_dict(), file)
    told = {"size": "64", "classes": "voc-21"}
    segmenters.add("voc", None, file, tmp_path / "models", settings=told)
    segmenter = segmenters.load("voc", tmp_path / "models")
    images = torch.rand(1, 3, 64, 64) * 2 - 1
    mean, deviation = (torch.tensor(value).view(3, 1, 1) for value in (MEAN, DEVIATION))
    with torch.no_grad():
        out = theirs(((images + 1) / 2 - mean) / deviation)["out"]
    torch.testing.assert_close(segmenter.probability(images, "cat"), out.softmax(1)[:, 8])
