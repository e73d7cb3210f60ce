"""The U-Net names drawn pictures, keeps its maps apart, and has gradients."""

import numpy as np
import pytest
import torch
from torch import Tensor

from analysis.models import segmenters
from analysis.models.families.unet import Unet, UnetSegmenter, build
from analysis.models.segmenter import Segmenter, checked_labels
from analysis.models.shipped import index
from analysis.shared.errors import GanatomyError
from analysis.training.quality import areas, as_images
from analysis.worlds.churches import draw
from analysis.worlds.vocabulary import CONCEPTS, MAPS

CLASSES = sum(1 + len(names) for names in MAPS)
shipped = pytest.mark.skipif("church-parts" not in index(), reason="no weights yet")


@pytest.fixture(scope="module")
def untrained() -> UnetSegmenter:
    torch.manual_seed(0)
    return build(Unet(CLASSES).state_dict(), "untrained", "churches", "cpu")


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
    with pytest.raises(GanatomyError, match="choose churches"):
        build({}, "x", "kitchens", "cpu")
    with pytest.raises(GanatomyError, match="U-Net"):
        build({"head.weight": torch.zeros(1)}, "x", "churches", "cpu")


@shipped
def test_shipped_weights_name_drawn_pictures_that_they_never_saw() -> None:
    pictures, labels = draw(99, 0, 48)
    segmenter = segmenters.load("church-parts", None)
    assert tuple(segmenter.concepts) == segmenters.describe("church-parts").concepts == CONCEPTS
    found = segmenter.labels(as_images(pictures)).numpy()
    for k, concept in enumerate(CONCEPTS, start=1):
        a, b = (labels == k).any(1), (found == k).any(1)
        assert (a & b).sum() / (a | b).sum() > (0.6 if concept.name == "dome" else 0.75), concept
    assert np.allclose(areas(found).mean(0), areas(labels).mean(0), rtol=0.3)
