"""The generator and segmenter families, with random or planted weights."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from analysis.models import generators, segmenters
from analysis.models.families import bisenet, dcgan, planted_shapes
from analysis.models.generator import Generator
from analysis.models.segmenter import Segmenter, checked_labels
from analysis.models.vocabularies import FACES, FACES_MERGED
from analysis.shared.concepts import concept_index
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents


def tutorial(widths: list[int]) -> nn.Module:
    """The tutorial's own way to write the module."""
    steps: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise(widths)):
        steps.append(nn.ConvTranspose2d(before, after, 4, *((1, 0) if number == 0 else (2, 1)), bias=False))
        if number < len(widths) - 2:
            steps += [nn.BatchNorm2d(after), nn.ReLU(True)]
    module = nn.Module()
    module.main = nn.Sequential(*steps, nn.Tanh())
    return module


@pytest.mark.parametrize(("widths", "size"), [([100, 64, 32, 16, 8, 3], 64), ([12, 32, 16, 8, 8, 4, 1], 128)])
def test_a_dcgan_is_built_from_its_shapes(widths: list[int], size: int) -> None:
    torch.manual_seed(0)
    theirs = tutorial(widths).eval()
    parts = dcgan.build(theirs.state_dict())
    generator = Generator(parts.module, parts.layers, parts.latent_shape)
    z = latents(1, 0, 2, (widths[0], 1, 1))
    assert generator.image_shape == (3, size, size)
    assert [layer.units for layer in generator.layers] == widths[1:-1]
    assert [layer.path for layer in generator.layers][:2] == ["main.2", "main.5"]
    with torch.no_grad():
        assert torch.equal(generator.images(z)[:, : widths[-1]], theirs.main(z))


def test_other_weights_are_no_dcgan() -> None:
    for module in (nn.Linear(2, 2), nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 3, 3))):
        with pytest.raises(GanatomyError, match="not those of a tutorial DCGAN"):
            dcgan.build(module.state_dict())
    state = tutorial([10, 8, 4, 3]).state_dict()
    with pytest.raises(GanatomyError, match=r"do not fit a tutorial DCGAN: .*main\.1\.bias"):
        dcgan.build({key: value for key, value in state.items() if key != "main.1.bias"})


@pytest.fixture(scope="module")
def faces_net() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return bisenet.BiSeNet(19).state_dict()


def test_merged_twins_add_their_probabilities(faces_net: dict[str, torch.Tensor]) -> None:
    apart = bisenet.build(faces_net, "apart", "all", "cpu")
    merged = bisenet.build(faces_net, "merged", "merged", "cpu")
    assert len(apart.concepts) == 18
    assert [c.name for c in merged.concepts].count("eye") == 1
    images = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        twins = sum(apart.probability(images, f"{side} eye") for side in ("left", "right"))
        torch.testing.assert_close(merged.probability(images, "eye"), twins)
        torch.testing.assert_close(merged.probabilities(images).sum(1), torch.ones(1, 64, 64))
    assert merged.weights_sha256 == apart.weights_sha256


def test_labels_have_the_images_own_size(faces_net: dict[str, torch.Tensor]) -> None:
    segmenter = bisenet.build(faces_net, "it", "merged", "cpu")
    assert isinstance(segmenter, Segmenter)
    images = torch.rand(1, 3, 48, 64) * 2 - 1
    labels = checked_labels(segmenter, images)
    assert labels.shape == (1, 1, 48, 64)
    with torch.no_grad():
        assert torch.equal(segmenter.probabilities(images).argmax(1, keepdim=True), labels)
    assert segmenter.labels(images[:0]).shape == (0, 1, 48, 64)


def test_probability_is_differentiable_in_the_images(faces_net: dict[str, torch.Tensor]) -> None:
    segmenter = bisenet.build(faces_net, "it", "merged", "cpu")
    images = (torch.rand(1, 3, 32, 32) * 2 - 1).requires_grad_()
    (slope,) = torch.autograd.grad(segmenter.probability(images, "hair").mean(), images)
    assert slope.abs().sum() > 0


def test_weights_of_another_network_do_not_fit(faces_net: dict[str, torch.Tensor]) -> None:
    with pytest.raises(GanatomyError, match="do not fit a face-parsing BiSeNet"):
        bisenet.build({"a": torch.zeros(1)}, "it", "merged", "cpu")
    with pytest.raises(GanatomyError, match="no vocabulary 'odd'"):
        bisenet.build(faces_net, "it", "odd", "cpu")


def test_face_vocabularies_cover_every_class_once() -> None:
    for vocabulary in (FACES, FACES_MERGED):
        assert sorted(c for group in vocabulary.groups for c in group) == list(range(1, 19))
        assert len({concept.name for concept in vocabulary.concepts}) == len(vocabulary.groups)


def test_an_unknown_concept_names_those_that_exist() -> None:
    with pytest.raises(GanatomyError, match="There is no concept 'horn'; choose one of skin, brow"):
        concept_index(FACES_MERGED.concepts, "horn")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_planted_unit_does_what_was_planted(seed: int) -> None:
    parts = planted_shapes.build(planted_shapes.weights(seed))
    generator = Generator(parts.module, parts.layers, parts.latent_shape)
    segmenter = segmenters.load("planted", None)
    z = latents(seed, 0, 64, generator.latent_shape)
    for layer in generator.layers:
        cut = generator.cut(z, layer.name)
        before = segmenter.labels(cut.images)
        for unit in planted_shapes.truth(seed)[layer.name]:
            r = cut.r.clone()
            r[:, unit.unit] = 0
            after = segmenter.labels(cut.tail(r))
            changed = (after != before).any().item()
            assert changed == (unit.effect > 0.2 if unit.effect != planted_shapes.SHARES[2] else changed)
            if unit.effect == planted_shapes.SHARES[0]:
                concept = concept_index(segmenter.concepts, str(unit.concept)) + 1
                assert (after == concept).sum() < 0.3 * (before == concept).sum()


def test_planted_copies_have_the_same_map_as_their_painter() -> None:
    generator = generators.load("planted", None)
    _, maps = generator.features(latents(1, 0, 32, generator.latent_shape), ["layer2"])
    flat = maps["layer2"].transpose(0, 1).flatten(1).numpy()
    truth = planted_shapes.truth(1)["layer2"]
    discs = [unit.unit for unit in truth if unit.concept == "disc"]
    assert np.corrcoef(flat[discs]).min() > 0.9999
    assert not flat[[unit.unit for unit in truth if unit.concept is None]].any()


class Odd:
    """A segmenter that returns whatever it was given."""

    concepts = FACES_MERGED.concepts

    def __init__(self, returned: torch.Tensor) -> None:
        self.returned = returned

    def labels(self, images: torch.Tensor) -> torch.Tensor:
        return self.returned

    def probability(self, images: torch.Tensor, concept: object) -> torch.Tensor:
        return self.returned


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (torch.zeros(2, 1, 8, 8), "whole-number labels"),
        (torch.zeros(2, 8, 8, dtype=torch.long), "it must return"),
        (torch.zeros(3, 1, 8, 8, dtype=torch.long), "it must return"),
        (torch.full((2, 1, 8, 8), 15), "labels from 15 to 15"),
        (torch.full((2, 1, 8, 8), -1), "labels from -1 to -1"),
    ],
)
def test_a_wrong_segmenter_is_one_sentence(returned: torch.Tensor, words: str) -> None:
    with pytest.raises(GanatomyError, match=words):
        checked_labels(Odd(returned), torch.zeros(2, 3, 8, 8))
