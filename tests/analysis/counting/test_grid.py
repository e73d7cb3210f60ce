"""Large images: counted on a grid that suits the layers, of at most 256 a side, and made a few at a time."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from analysis.counting import passes
from analysis.counting.passes import Source, on_grid
from analysis.counting.plan import Plan
from analysis.models.generator import Generator
from analysis.shared.concepts import Concept


def test_a_grid_of_label_maps_takes_the_pixels_at_the_cells_centres() -> None:
    labels = np.arange(512 * 1024).reshape(1, 1, 512, 1024)
    found = on_grid(labels, 256)
    assert found.shape == (1, 1, 128, 256)
    assert found[0, 0, 0, 0] == 2 * 1024 + 2
    assert found[0, 0, 127, 255] == (508 + 2) * 1024 + 1020 + 2
    small = np.zeros((2, 1, 256, 200), np.uint8)
    assert on_grid(small, 256) is small


def test_concepts_keep_their_share() -> None:
    labels = (np.random.default_rng(0).random((4, 1, 1000, 700)) < 0.03).astype(np.uint8)
    found = on_grid(labels, 256)
    assert found.shape == (4, 1, 256, 179)
    assert found.mean() == pytest.approx(0.03, abs=0.002)


class Halves:
    """Names bright pixels, at the images' own size."""

    concepts = (Concept("bright", "part"),)
    seen: list[int]

    def labels(self, images: Tensor) -> Tensor:
        self.seen.append(len(images))
        return (images.mean(1, keepdim=True) > 0).long()

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return images.mean(1).sigmoid()


def test_a_block_of_large_images_is_made_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    draw = nn.Sequential(nn.ConvTranspose2d(4, 6, 4), nn.ReLU(), nn.Conv2d(6, 3, 1), nn.Upsample((384, 512)))
    generator, segmenter = Generator(draw, ["1"], (4, 1, 1)), Halves()
    segmenter.seen = []
    source = Source(generator, segmenter, Plan.make(20, 20), None)
    whole = source.block(0, 20)
    monkeypatch.setattr(passes, "HELD", 8 * 3 * 384 * 512)
    parts = Source(generator, segmenter, Plan.make(20, 20), None).block(0, 20)
    assert segmenter.seen == [20, 8, 8, 4]
    assert whole.labels.shape == parts.labels.shape == (20, 1, 96, 128)
    assert (whole.labels == parts.labels).all()
    assert torch.allclose(whole.features["layer1"], parts.features["layer1"], atol=1e-6)
    assert parts.images.shape == (20, 3, 192, 256)
    assert (whole.picture(7) == parts.picture(7)).all()


@pytest.mark.parametrize(("cells", "grid"), [(4, 128), (64, 128), (96, 192), (256, 256), (512, 256)])
def test_the_grid_has_two_cells_for_each_of_the_finest_layers(cells: int, grid: int) -> None:
    torch.manual_seed(0)
    draw = nn.Sequential(nn.Upsample(cells), nn.Conv2d(2, 3, 1), nn.Upsample(512))
    segmenter = Halves()
    segmenter.seen = []
    made = Source(Generator(draw, ["0"], (2, 1, 1)), segmenter, Plan.make(20, 20), None).block(0, 2)
    assert made.labels.shape == (2, 1, grid, grid)
