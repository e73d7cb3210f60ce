"""The U-Net names drawn pictures, keeps its maps apart, and has gradients."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from analysis.models import generators, segmenters
from analysis.models.checkpoints import read_state
from analysis.models.segmentation.unet import (
    REACH,
    WORLDS,
    Unet,
    UnetSegmenter,
    build,
    folded,
    largest,
    recognises,
)
from analysis.models.segmenter import Segmenter, checked_labels
from analysis.models.shipped import index
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents
from analysis.training import accuracy
from analysis.training.pictures import draw
from analysis.training.quality import agreement, areas, as_images
from analysis.training.segmenter import NAMES
from analysis.worlds.vocabulary import CONCEPTS, MAPS

REPOSITORY = Path(__file__).parents[3]
DATA = REPOSITORY / "tests" / "data"
SHARES = (0.97, 0.98, 0.98)  # of pixels with the teacher's object, part and material
CLASSES = sum(1 + len(names) for names in MAPS)
shipped = pytest.mark.skipif("church-parts" not in index(), reason="no weights yet")


@pytest.fixture(scope="module")
def untrained() -> UnetSegmenter:
    torch.manual_seed(0)
    return build(Unet(CLASSES).state_dict(), {}, "untrained", "cpu")


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_it_is_a_segmenter(untrained: UnetSegmenter, images: Tensor) -> None:
    assert isinstance(untrained, Segmenter)
    assert checked_labels(untrained, images).shape == (3, 3, 64, 64)
    assert len(untrained.weights_sha256) == 64


def test_labels_are_the_most_probable_concept_of_each_map(untrained: UnetSegmenter, images: Tensor) -> None:
    labels, first = untrained.labels(images), 0
    for level, names in enumerate(MAPS):
        shares = torch.stack([untrained.probability(images, name) for name in names])
        nothing = (1 - shares.sum(0)).unsqueeze(0)
        best = torch.cat([nothing, shares]).argmax(0)
        expected = torch.where(best > 0, best + first, 0)
        assert (expected == labels[:, level]).float().mean() > 0.999
        first += len(names)


def test_largest_is_argmax_with_labels_for_classes() -> None:
    generator = torch.Generator().manual_seed(0)
    # Whole numbers, so that many classes share the largest score: the first of them counts, as in argmax.
    scores = torch.randint(-2, 3, (5, 8, 16, 16), generator=generator).float()
    by_argmax = scores.numpy().argmax(1)
    assert (largest(scores).numpy() == by_argmax).all()
    assert (largest(scores, 7).numpy() == np.where(by_argmax > 0, by_argmax + 7, 0)).all()
    last = scores.contiguous(memory_format=torch.channels_last)
    assert torch.equal(largest(last), largest(scores))


@shipped
def test_folded_norms_change_logits_by_rounding_alone(images: Tensor) -> None:
    network = Unet(CLASSES)
    network.load_state_dict(read_state(segmenters.weights_file("church-parts", None)))
    network.eval()
    quick = folded(network).to(memory_format=torch.channels_last)
    assert not [part for part in quick.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    drawn = as_images(draw("churches", 98, 0, 8)[0])
    for given in (images, drawn):
        with torch.no_grad():
            expected, found = network(given), quick(given)
        assert torch.allclose(found, expected, atol=1e-3), (found - expected).abs().max()


def test_images_of_another_size_are_resized(untrained: UnetSegmenter, images: Tensor) -> None:
    large = torch.nn.functional.interpolate(images, scale_factor=2, mode="bilinear")
    assert untrained.labels(large).shape == (3, 3, 64, 64)


def test_probability_has_a_gradient(untrained: UnetSegmenter, images: Tensor) -> None:
    given = images.clone().requires_grad_()
    untrained.probability(given, CONCEPTS[9]).sum().backward()
    assert given.grad is not None
    assert given.grad.abs().sum() > 0


def test_what_is_unknown_is_refused(untrained: UnetSegmenter, images: Tensor) -> None:
    with pytest.raises(GanatomyError, match="no concept"):
        untrained.probability(images, "nose")
    with pytest.raises(GanatomyError, match="choose one of churches"):
        build({}, {"world": "kitchens"}, "x", "cpu")
    with pytest.raises(GanatomyError, match="U-Net"):
        build({"head.weight": torch.zeros(1)}, {}, "x", "cpu")


def test_one_map_s_scores_are_those_of_all(images: Tensor) -> None:
    torch.manual_seed(1)
    network = Unet(CLASSES).eval()
    with torch.no_grad():
        whole, part = network(images), network.scores(images, slice(8, 13))
    placed = functional.pixel_shuffle(part.flatten(1, 2), 2)
    assert torch.allclose(placed, whole[:, 8:13], atol=1e-5)
    for row, column in ((0, 0), (1, 0), (0, 1), (1, 1)):  # the four pixels of a location, in reading order
        assert torch.equal(part[:, :, 2 * row + column], placed[:, :, row::2, column::2])


def test_a_pixel_is_named_by_those_within_reach() -> None:
    # With weights that are all positive, and inputs too, no ReLU and no sum hides what a score depends on.
    network = Unet(2).eval().double()
    for weight in network.parameters():
        torch.nn.init.constant_(weight, 0.01)
    given = torch.ones(1, 3, 160, 160, dtype=torch.double, requires_grad=True)
    reach = 0
    for place in range(80, 88):  # every position within the cells of the coarsest level
        (gradient,) = torch.autograd.grad(network(given)[0, 0, place, place], given)
        rows = gradient[0].abs().sum((0, 2)).nonzero().flatten()
        reach = max(reach, place - int(rows[0]), int(rows[-1]) - place)
    assert reach == REACH


def agreement_with(found: np.ndarray, exact: np.ndarray, concepts: Sequence[Concept]) -> dict[str, float]:
    return {name: iou for name, iou in agreement(exact, found, concepts).items() if not np.isnan(iou)}


# What is at least expected of a concept on 48 pictures; thin things are hard.
LEAST = {
    "churches": {"dome": 0.6, "other": 0.78},
    "rooms": {"lamp": 0.45, "table": 0.4, "chair": 0.35, "plant": 0.6, "other": 0.65},
}


@shipped
@pytest.mark.parametrize("world", WORLDS)
def test_shipped_weights_name_drawn_pictures_that_they_never_saw(world: str) -> None:
    pictures, labels = draw(world, 99, 0, 48)
    segmenter, concepts = segmenters.load(NAMES[world], None), WORLDS[world].concepts
    assert tuple(segmenter.concepts) == segmenters.describe(NAMES[world]).concepts == concepts
    found = segmenter.labels(as_images(pictures)).numpy()
    for name, iou in agreement_with(found, labels, concepts).items():
        assert iou > LEAST[world].get(name, LEAST[world]["other"]), name
    assert np.allclose(areas(found, concepts).mean(0), areas(labels, concepts).mean(0), rtol=0.2)


@pytest.mark.parametrize("world", WORLDS)
def test_each_world_is_recognised_by_its_number_of_classes(world: str) -> None:
    state = Unet(sum(WORLDS[world].classes)).state_dict()
    assert recognises(state, {"world": world})
    assert build(state, {"world": world}, "untrained", "cpu").maps == WORLDS[world].maps
    (other,) = set(WORLDS) - {world}
    with pytest.raises(GanatomyError):
        build(state, {"world": other}, "untrained", "cpu")


@shipped
def test_shipped_weights_agree_with_their_teacher_on_generated_pictures() -> None:
    with np.load(DATA / "church-parts-teacher.npz") as kept:
        taught, seed = kept["labels"], int(kept["seed"])
    generator = generators.load("churches", None)
    made = generator.images(latents(seed, 0, len(taught), generator.latent_shape))
    found = segmenters.load("church-parts", None).labels(made).numpy()
    for level, share in enumerate(SHARES):
        assert (found[:, level] == taught[:, level]).mean() > share
    assert np.mean(list(agreement_with(found, taught, CONCEPTS).values())) > 0.7


@shipped
@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_shipped_weights_reach_the_accuracy_of_their_card(world: str) -> None:
    card = REPOSITORY / f"docs/models/{NAMES[world]}-accuracy.json"
    told = json.loads(card.read_text())["iou"]["clean"]
    pictures, labels = draw(world, 3, 0, 1000)  # half of what the card was measured on
    segmenter = segmenters.load(NAMES[world], None)
    found = accuracy.labelled(segmenter.logits, as_images(pictures), WORLDS[world])
    for name, iou in agreement_with(found, labels, segmenter.concepts).items():
        rare = name in ("dome", "lamp", "table", "chair", "plant")
        assert iou == pytest.approx(told[name], abs=0.02 if rare else 0.01), name
