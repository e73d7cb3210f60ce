"""CLIPSeg by a list of words: the library's own maps, and a gradient, which its call does not give."""

from pathlib import Path

import pytest
import tiny_segmenters as tiny
import torch
import transformers

from analysis.models import segmenters
from analysis.models.segmentation.clipseg import words_of
from analysis.models.segmenter import Segmenter, checked_labels
from analysis.shared.errors import GanatomyError

MEAN = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 32, "width": 32}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[torch.nn.Module, Path]:
    network, path = tiny.saved(tiny.clipseg, tmp_path_factory.mktemp("clipseg"), None, MEAN)
    tiny.tokenizer(path)
    return network, path


def added(folder: Path, models: Path, **settings: str) -> Segmenter:
    segmenters.add("words", None, folder, models, settings=settings)
    return segmenters.load("words", models)


def test_words_are_found_as_the_library_finds_them(
    folder: tuple[torch.nn.Module, Path], tmp_path: Path
) -> None:
    network, path = folder
    segmenter = added(path, tmp_path / "models", words="sky, a tree", threshold="0.5")
    assert [concept.name for concept in segmenter.concepts] == ["sky", "a tree"]
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    tokens = transformers.CLIPTokenizer.from_pretrained(path)(["sky", "a tree"], padding=True)
    with torch.no_grad():
        theirs = torch.stack(
            [
                network(
                    pixel_values=images,
                    input_ids=torch.tensor([ids] * 2),
                    attention_mask=torch.tensor([mask] * 2),
                ).logits.sigmoid()
                for ids, mask in zip(tokens["input_ids"], tokens["attention_mask"], strict=True)
            ],
            1,
        )
    for row, concept in enumerate(segmenter.concepts):
        torch.testing.assert_close(segmenter.probability(images, concept), theirs[:, row])
    best = torch.where(theirs.amax(1) > 0.5, theirs.argmax(1) + 1, 0)
    assert (checked_labels(segmenter, images)[:, 0] == best).float().mean() > 0.999


def test_the_probability_is_differentiable(folder: tuple[torch.nn.Module, Path], tmp_path: Path) -> None:
    segmenter = added(folder[1], tmp_path / "models", words="door,sky")
    images = (torch.rand(2, 3, 32, 32) * 2 - 1).requires_grad_()
    (slope,) = torch.autograd.grad(segmenter.probability(images, "door").mean(), images)
    assert slope.abs().sum() > 0


def test_what_cannot_be_looked_for_is_one_sentence(
    folder: tuple[torch.nn.Module, Path], tmp_path: Path
) -> None:
    models = tmp_path / "models"
    with pytest.raises(GanatomyError, match="say --set words=sky,tree,door"):
        segmenters.add("words", None, folder[1], models)
    with pytest.raises(GanatomyError, match="no threshold"):
        segmenters.add("words", None, folder[1], models, settings={"words": "sky", "threshold": "2"})
    assert not list(models.rglob("*.*"))
    for text in ("", " , ", "a" * 100, ",".join(map(str, range(100))), "sky,Sky"):
        with pytest.raises(GanatomyError):
            words_of(text)
    other = tmp_path / "bare"
    tiny.saved(tiny.clipseg, other, None, MEAN)
    with pytest.raises(GanatomyError, match="has no tokenizer"):
        segmenters.add("words", None, other, models, settings={"words": "sky"})
