"""What one edit does to one image, held against a count by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analysis.editing import measurements
from analysis.editing.edits import Edit
from analysis.editing.interventions import edited_images
from analysis.editing.measurements import edited_pixels, measure
from analysis.models import generators, segmenters
from analysis.models.generator import Generator
from analysis.models.segmenter import Segmenter
from analysis.shared.latents import latents

EDIT = "insert layer2 1=6,2=6 at 4-9:2-7"


@pytest.fixture(scope="module")
def pair() -> tuple[Generator, Segmenter]:
    return generators.load("planted-scenes", None), segmenters.load("scene-colours", None)


def test_shares_in_the_stroke_and_elsewhere(pair: tuple[Generator, Segmenter]) -> None:
    generator, segmenter = pair
    z = latents(1, 0, 1, generator.latent_shape)
    edit = Edit.parse(EDIT)
    found = measure(generator, segmenter, edit, z)
    layer = generator.layer("layer2")
    height, width = generator.image_shape[-2:]
    rows, columns = np.indices((height, width))
    cells = (rows * layer.height // height, columns * layer.width // width)
    where = (cells[0] >= 4) & (cells[0] <= 9) & (cells[1] >= 2) & (cells[1] <= 7)
    assert (edited_pixels(generator, edit).numpy() == where).all()
    before, after = edited_images(generator, edit, z)
    for images, shares in ((before, found.before), (after, found.after)):
        labels = segmenter.labels(images)[0].numpy()
        for number, concept in enumerate(segmenter.concepts, 1):
            there = (labels == number).any(0)
            wanted = (there.mean(), there[where].mean(), there[~where].mean())
            assert shares[concept.name] == pytest.approx(wanted, abs=1e-6)
    square = ((after - before) ** 2).mean(1)[0].numpy()
    assert found.change_in_stroke == pytest.approx(square[where].mean() ** 0.5, rel=1e-5)
    assert found.change_elsewhere == pytest.approx(square[~where].mean() ** 0.5, rel=1e-5)
    assert found.stroke == pytest.approx(where.mean())
    assert found.change_in_stroke != 0


def test_an_edit_everywhere_has_no_elsewhere(pair: tuple[Generator, Segmenter]) -> None:
    generator, segmenter = pair
    z = latents(1, 3, 4, generator.latent_shape)
    found = measure(generator, segmenter, Edit.parse("ablate layer1 3"), z)
    assert found.stroke == 1
    assert all(share.elsewhere is None for share in found.after.values())


def test_no_edit_changes_nothing(pair: tuple[Generator, Segmenter]) -> None:
    generator, segmenter = pair
    found = measure(generator, segmenter, Edit(), latents(1, 3, 4, generator.latent_shape))
    assert found.change_elsewhere == found.stroke == 0
    assert found.change_in_stroke is None
    assert torch.equal(torch.tensor(found.labels_before), torch.tensor(found.labels_after))


@given(
    maps=st.integers(1, 3),
    seed=st.integers(0, 10**6),
    count=st.integers(1, 4),
)
def test_shares_are_those_of_pixel_after_pixel(maps: int, seed: int, count: int) -> None:
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, count + 1, (maps, 3, 4), generator=random)
    where = torch.rand((3, 4), generator=random) < 0.4
    for number, shares in enumerate(measurements._shares(labels, where, count), 1):
        there = [[any(labels[m, i, j] == number for m in range(maps)) for j in range(4)] for i in range(3)]
        inside = [there[i][j] for i in range(3) for j in range(4) if where[i, j]]
        outside = [there[i][j] for i in range(3) for j in range(4) if not where[i, j]]
        assert shares.image == pytest.approx(sum(map(sum, there)) / 12)
        assert shares.stroke == (pytest.approx(sum(inside) / len(inside)) if inside else None)
        assert shares.elsewhere == (pytest.approx(sum(outside) / len(outside)) if outside else None)
