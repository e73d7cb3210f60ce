"""The generator and segmenter families, with random or planted weights."""

import numpy as np
import pytest
import torch

from analysis.models import generators, segmenters
from analysis.models.families import planted_shapes
from analysis.models.generator import Generator
from analysis.models.segmentation import bisenet
from analysis.models.segmenter import Segmenter, checked_labels
from analysis.models.vocabularies import FACES, FACES_MERGED
from analysis.shared.concepts import concept_index
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents


@pytest.fixture(scope="module")
def faces_net() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return bisenet.BiSeNet(19).state_dict()


def test_merged_twins_add_their_probabilities(faces_net: dict[str, torch.Tensor]) -> None:
    apart = bisenet.build(faces_net, {"sides": "all"}, "apart", "cpu")
    merged = bisenet.build(faces_net, {"sides": "merged"}, "merged", "cpu")
    assert len(apart.concepts) == 18
    assert [c.name for c in merged.concepts].count("eye") == 1
    images = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        twins = sum(apart.probability(images, f"{side} eye") for side in ("left", "right"))
        torch.testing.assert_close(merged.probability(images, "eye"), twins)
        torch.testing.assert_close(merged.probabilities(images).sum(1), torch.ones(1, 64, 64))
    assert merged.weights_sha256 == apart.weights_sha256


def test_labels_have_the_images_own_size(faces_net: dict[str, torch.Tensor]) -> None:
    segmenter = bisenet.build(faces_net, {"sides": "merged"}, "it", "cpu")
    assert isinstance(segmenter, Segmenter)
    images = torch.rand(1, 3, 48, 64) * 2 - 1
    labels = checked_labels(segmenter, images)
    assert labels.shape == (1, 1, 48, 64)
    with torch.no_grad():
        assert torch.equal(segmenter.probabilities(images).argmax(1, keepdim=True), labels)
    assert segmenter.labels(images[:0]).shape == (0, 1, 48, 64)


def test_probability_is_differentiable_in_the_images(faces_net: dict[str, torch.Tensor]) -> None:
    segmenter = bisenet.build(faces_net, {"sides": "merged"}, "it", "cpu")
    images = (torch.rand(1, 3, 32, 32) * 2 - 1).requires_grad_()
    (slope,) = torch.autograd.grad(segmenter.probability(images, "hair").mean(), images)
    assert slope.abs().sum() > 0


def test_weights_of_another_network_do_not_fit(faces_net: dict[str, torch.Tensor]) -> None:
    with pytest.raises(GanatomyError, match="do not fit a face-parsing BiSeNet"):
        bisenet.build({"a": torch.zeros(1)}, {}, "it", "cpu")
    with pytest.raises(GanatomyError, match="'odd' cannot be the sides of BiSeNet"):
        bisenet.build(faces_net, {"sides": "odd"}, "it", "cpu")


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
