"""Networks of Hugging Face: the library's own answers, gradients, what is asked and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_segmenters as tiny
import torch
import transformers
from tiny_segmenters import NAMES
from torch import Tensor

from analysis.models import segmenters
from analysis.models.segmentation.hub import missing_package
from analysis.models.segmentation.huggingface import FAMILY
from analysis.models.segmenter import Segmenter, checked_labels
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError

IS_CLASS, IS_BACKGROUND = {"background": "label0-is-a-class"}, {"background": "label0-is-background"}
PROCESSOR: dict[str, Any] = {
    "do_resize": True,
    "size": {"height": 64, "width": 64},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.25, 0.5],
    "resample": 2,
}


def pictures(side: int = 64) -> Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.rand(2, 3, side, side, generator=random) * 2 - 1


def normalised(images: Tensor) -> Tensor:
    mean, deviation = (torch.tensor(PROCESSOR[key]).view(3, 1, 1) for key in ("image_mean", "image_std"))
    return ((images + 1) / 2 - mean) / deviation


def added(folder: Path, models: Path, **options: Any) -> Segmenter:
    segmenters.add("mine", None, folder, models, **options)
    return segmenters.load("mine", models)


@pytest.mark.parametrize("make", [tiny.segformer, tiny.upernet, tiny.dpt])
def test_a_semantic_network_labels_as_the_library_does(tmp_path: Path, make: Callable[..., Any]) -> None:
    network, folder = tiny.saved(make, tmp_path / "net", processor=PROCESSOR)
    segmenter = added(folder, tmp_path / "models", settings=IS_CLASS)
    assert [concept.name for concept in segmenter.concepts] == ["wall", "building", "sky", "tree", "door"]
    images = pictures()
    labels = checked_labels(segmenter, images)
    with torch.no_grad():
        logits = network(pixel_values=normalised(images)).logits
        large = torch.nn.functional.interpolate(logits, (64, 64), mode="bilinear")
    assert labels.shape == (2, 1, 64, 64)
    if logits.shape[2] <= 64:  # larger ones are averaged, which the library does not do
        assert (labels[:, 0] == large.argmax(1) + 1).float().mean() > 0.999
        torch.testing.assert_close(segmenter.probability(images, "sky"), large.softmax(1)[:, 2])
    assert len(labels.unique()) > 1


PROCESSORS: dict[Any, Any] = {
    tiny.mask2former: transformers.Mask2FormerImageProcessor,
    tiny.maskformer: transformers.MaskFormerImageProcessor,
    tiny.oneformer: transformers.OneFormerImageProcessor,
    tiny.eomt: transformers.EomtImageProcessor,
}


@pytest.mark.parametrize("make", list(PROCESSORS), ids=lambda make: str(make.__name__))
def test_a_universal_network_labels_as_the_library_does(tmp_path: Path, make: Callable[..., Any]) -> None:
    side = 32 if make is tiny.eomt else 64
    processor = PROCESSOR | {"size": {"shortest_edge": side, "longest_edge": side}}
    network, folder = tiny.saved(make, tmp_path / "net", processor=processor)
    more = {}
    if make is tiny.oneformer:
        tiny.tokenizer(folder)
        made = transformers.CLIPTokenizer.from_pretrained(folder)
        asked = made(["the task is semantic"], padding="max_length", max_length=8, truncation=True)
        task = torch.tensor(asked["input_ids"]) * torch.tensor(asked["attention_mask"])
        more = {"task_inputs": task.float().expand(2, -1)}
    segmenter = added(folder, tmp_path / "models", settings=IS_CLASS)
    images = pictures(side)
    labels = checked_labels(segmenter, images)[:, 0]
    with torch.no_grad():
        found = network(pixel_values=normalised(images), **more)
    theirs = PROCESSORS[make](**processor).post_process_semantic_segmentation(
        found, target_sizes=[(side, side)] * 2
    )
    assert (labels == torch.stack(theirs) + 1).float().mean() > 0.99
    shares = torch.stack([segmenter.probability(images, concept) for concept in segmenter.concepts])
    assert 0 <= float(shares.min()) <= float(shares.sum(0).max()) <= 1 + 1e-5


@pytest.mark.parametrize(
    "make",
    [tiny.segformer, tiny.upernet, tiny.beit, tiny.mask2former, tiny.eomt],
    ids=lambda make: str(make.__name__),
)
def test_the_probability_is_differentiable(tmp_path: Path, make: Callable[..., Any]) -> None:
    _, folder = tiny.saved(make, tmp_path / "net", processor=PROCESSOR)
    segmenter = added(folder, tmp_path / "models", settings=IS_CLASS)
    images = pictures(48).double().float().requires_grad_()
    mean = segmenter.probability(images, "door").mean()
    (slope,) = torch.autograd.grad(mean, images)
    assert slope.abs().sum() > 0
    # The slope is the change: a small step along it raises the mean by as much as it says.
    step = 1e-2 * slope / slope.norm()
    with torch.no_grad():
        up, down = (segmenter.probability(images + way * step, "door").double().mean() for way in (1, -1))
    assert float((up - down) / 2) == pytest.approx(1e-2 * float(slope.norm()), rel=0.15, abs=2e-7)


def test_whether_class_0_is_a_concept_is_asked(tmp_path: Path) -> None:
    network, folder = tiny.saved(tiny.segformer, tmp_path / "net", processor=PROCESSOR)
    models = tmp_path / "models"
    with pytest.raises(GanatomyError, match=r"class 0 \('wall, brick'\) is a concept .*=label0-is-a-class"):
        segmenters.add("mine", None, folder, models)
    assert not list(models.rglob("*.*"))
    images = pictures()
    with torch.no_grad():
        best = torch.nn.functional.interpolate(
            network(pixel_values=normalised(images)).logits, (64, 64), mode="bilinear"
        ).argmax(1)
    segmenters.add("with", None, folder, models, settings=IS_CLASS)
    segmenters.add("without", None, folder, models, settings=IS_BACKGROUND)
    one, two = (segmenters.load(name, models) for name in ("with", "without"))
    assert [len(each.concepts) for each in (one, two)] == [5, 4]
    assert (one.labels(images)[:, 0] == best + 1).float().mean() > 0.999
    assert (two.labels(images)[:, 0] == best).float().mean() > 0.999
    # Off by one: the same name is the same class in both.
    torch.testing.assert_close(one.probability(images, "tree"), two.probability(images, "tree"))
    assert one.weights_sha256 != two.weights_sha256  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("names", "processor", "concepts"),
    [
        (["background", "cat"], PROCESSOR, ["cat"]),
        (["Unlabeled", "cat", "dog"], PROCESSOR, ["cat", "dog"]),
        (["wall", "cat"], PROCESSOR | {"do_reduce_labels": True}, ["wall", "cat"]),
        (["wall", "cat"], PROCESSOR | {"reduce_labels": True}, ["wall", "cat"]),
    ],
)
def test_what_the_files_say_is_not_asked(
    tmp_path: Path, names: list[str], processor: dict[str, Any], concepts: list[str]
) -> None:
    _, folder = tiny.saved(tiny.segformer, tmp_path / "net", names, processor)
    info = segmenters.add("mine", None, folder, tmp_path / "models")
    assert [concept.name for concept in info.concepts] == concepts


def test_a_vocabulary_merges_names_and_leaves_out(tmp_path: Path) -> None:
    _, folder = tiny.saved(tiny.segformer, tmp_path / "net", processor=PROCESSOR)
    file = tmp_path / "mine.json"
    rows = [{"name": "built", "synonyms": ["brick", "building", "door"], "category": "thing"}, "sky"]
    file.write_text(json.dumps(rows))
    segmenters.add("all", None, folder, tmp_path / "models", settings=IS_CLASS)
    segmenters.add("few", None, folder, tmp_path / "models", vocabulary=file)
    whole, few = (segmenters.load(name, tmp_path / "models") for name in ("all", "few"))
    assert list(few.concepts) == [Concept("built", "thing"), Concept("sky")]
    images = pictures()
    parts = sum(whole.probability(images, name) for name in ("wall", "building", "door"))
    torch.testing.assert_close(few.probability(images, "built"), parts)
    with torch.no_grad():
        rest = whole.probability(images, "tree")
        best = torch.stack([rest, parts, whole.probability(images, "sky")]).argmax(0)
    assert (few.labels(images)[:, 0] == best).float().mean() > 0.999


def test_classes_without_names_need_a_vocabulary(tmp_path: Path) -> None:
    _, folder = tiny.saved(tiny.segformer, tmp_path / "net", None, PROCESSOR, num_labels=19)
    models = tmp_path / "models"
    with pytest.raises(GanatomyError, match="does not name its 19 classes; give --vocabulary"):
        segmenters.add("mine", None, folder, models)
    info = segmenters.add("mine", None, folder, models, vocabulary="cityscapes-19")
    assert len(info.concepts) == 19
    with pytest.raises(GanatomyError, match="names class 150, but the network has 19"):
        segmenters.add("more", None, folder, models, vocabulary="ade20k-150", settings=IS_BACKGROUND)


def test_settings_override_the_processor(tmp_path: Path) -> None:
    network, folder = tiny.saved(tiny.segformer, tmp_path / "net", processor=PROCESSOR)
    told = {"size": "32x48", "mean": "0,0,0", "deviation": "1,1,1", "grid": "16"} | IS_CLASS
    segmenter = added(folder, tmp_path / "models", settings=told)
    images = pictures()
    assert segmenter.labels(images).shape == (2, 1, 16, 16)
    small = torch.nn.functional.interpolate((images + 1) / 2, (32, 48), mode="bilinear", antialias=True)
    with torch.no_grad():
        logits = network(pixel_values=small).logits
    theirs = torch.nn.functional.interpolate(logits, (16, 16), mode="bilinear").softmax(1)
    torch.testing.assert_close(segmenter.probability(images, "door"), theirs[:, 4])
    for name, value in (
        ("size", "big"),
        ("mean", "1,2"),
        ("deviation", "1,1,0"),
        ("grid", "x"),
        ("sice", "1"),
    ):
        with pytest.raises(GanatomyError):
            segmenters.add("other", None, folder, tmp_path / "models", settings=IS_CLASS | {name: value})


def test_a_pinned_revision_is_read_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    revision = "0123456789abcdef0123456789abcdef01234567"
    cache = tmp_path / "cache"
    tiny.saved(
        tiny.segformer,
        cache / "models--somebody--net" / "snapshots" / revision,
        ["background", "cat"],
        PROCESSOR,
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    info = segmenters.add("mine", None, f"hub:somebody/net@{revision}", tmp_path / "models")
    assert info.source == f"added from hub:somebody/net@{revision}"
    assert [concept.name for concept in segmenters.load("mine", tmp_path / "models").concepts] == ["cat"]
    with pytest.raises(GanatomyError, match="neither in the local cache nor to be had"):
        segmenters.add("other", None, f"hub:somebody/other@{revision}", tmp_path / "models")
    for address in ("hub:somebody/net", "hub:somebody/net@main", "hub:../net@" + revision):
        with pytest.raises(GanatomyError, match="no pinned revision; write hub:OWNER/NAME@"):
            segmenters.add("other", None, address, tmp_path / "models")


def changed(folder: Path, **values: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"model_type": "bert"}, "a 'bert', which is no segmentation network"),
        ({"model_type": "__import__"}, "a '__import__', which is no segmentation network"),
        ({"depths": [10**9, 1, 1, 1]}, "says 1,000,000,000 depths"),
        ({"pool_scales": [1, 1200]}, "says 1,200 in pool_scales, and at most 64"),
        ({"num_labels": 10**9}, "says 1,000,000,000 in num_labels"),
        ({"hidden_sizes": [10**5, 8, 16, 16]}, "describes a network of"),
        ({"hidden_sizes": [16, 8, 16, 16]}, "some have other shapes"),
        ({"depths": [2, 1, 1, 1]}, "keys are missing, the first is"),
        ({"hidden_sizes": "x"}, "that can be built"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "quantised"),
        ({"id2label": {str(n): f"c{n}" for n in (0, 1, 2, 3, 7)}}, "does not name every class"),
    ],
)
def test_a_configuration_that_does_not_fit_is_one_sentence(
    tmp_path: Path, values: dict[str, Any], words: str
) -> None:
    _, folder = tiny.saved(tiny.segformer, tmp_path / "net", processor=PROCESSOR)
    changed(folder, **values)
    with pytest.raises(GanatomyError, match=words):
        segmenters.add("mine", None, folder, tmp_path / "models", settings=IS_CLASS)
    assert not list((tmp_path / "models").rglob("*.*"))


def test_no_code_of_a_folder_is_run(tmp_path: Path) -> None:
    _, folder = tiny.saved(tiny.segformer, tmp_path / "net", processor=PROCESSOR)
    changed(
        folder,
        auto_map={"AutoModelForSemanticSegmentation": "evil.Model", "AutoConfig": "evil.Config"},
        attn_implementation="somebody/kernels",
        _name_or_path="somebody/evil",
    )
    (folder / "evil.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: pass\nclass Config: pass\n"
    )
    added(folder, tmp_path / "models", settings=IS_CLASS)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("config.json", "[", "cannot be read as JSON"),
        ("config.json", "[1]", "holds no settings"),
        ("model.safetensors", None, "pickled weights are not opened"),
        ("preprocessor_config.json", '{"size": "x"}', "say nothing about images"),
        ("preprocessor_config.json", '{"image_mean": [1, 2]}', "say nothing about images"),
        ("preprocessor_config.json", '{"image_std": [0, 1, 1]}', "A deviation of 0"),
        ("preprocessor_config.json", '{"size": 1000000}', "cannot be judged"),
    ],
)
def test_a_damaged_folder_is_one_sentence(tmp_path: Path, file: str, content: str | None, words: str) -> None:
    _, folder = tiny.saved(tiny.segformer, tmp_path / "net", processor=PROCESSOR)
    if content is None:
        (folder / file).rename(folder / "pytorch_model.bin")
    else:
        (folder / file).write_text(content)
    with pytest.raises(GanatomyError, match=words):
        segmenters.add("mine", None, folder, tmp_path / "models", settings=IS_CLASS)


@pytest.mark.parametrize("length", [10**9, 0, 7.5, "8", True, None])
def test_the_length_of_a_question_is_checked_before_it_is_tokenized(tmp_path: Path, length: object) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "oneformer", "task_seq_len": length}))
    with pytest.raises(GanatomyError, match=r"task_seq_len \(.*a whole number from 1 to 1,000"):
        FAMILY.read(tmp_path, {})  # type: ignore[misc]


def test_a_missing_package_is_named_with_its_command() -> None:
    assert "`.venv/bin/pip install -e '.[hub]'`" in str(missing_package())


@pytest.mark.real_process
def test_weights_in_parts_are_joined(tmp_path: Path) -> None:
    network, folder = tiny.saved(tiny.segformer, tmp_path / "net", processor=PROCESSOR)
    (folder / "model.safetensors").unlink()
    network.save_pretrained(folder, max_shard_size="50KB")  # type: ignore[operator]
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    (folder / "model.safetensors").unlink(missing_ok=True)
    assert len(added(folder, tmp_path / "models", settings=IS_CLASS).concepts) == len(NAMES)
