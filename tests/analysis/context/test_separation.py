"""Cells that share a pass: exact for the generator, and measured for the segmenter."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from analysis import insertion_context
from analysis.context import insertions
from analysis.context.passes import IMAGE, Cell, Forced, Passes, box_sums, forced
from analysis.context.separation import Separation, separations
from analysis.context.together import Together
from analysis.models.families.progan import progan
from analysis.models.generator import Generator
from analysis.shared.concepts import Concept
from analysis.shared.latents import latents

IMAGES = 3
EDIT = Forced.same([1, 4], np.array([3.0, -2.0]), IMAGES)


class Bright:
    """One concept: where a picture, averaged over `around` pixels, is bright; 0 is brighter than its mean."""

    concepts = (Concept("bright", "object"),)

    def __init__(self, around: int = 1) -> None:
        self.around = around

    def labels(self, images: Tensor) -> Tensor:
        grey = images.mean(1, keepdim=True)
        if not self.around:
            return (grey > grey.mean((2, 3), keepdim=True)).long()
        near = nn.functional.avg_pool2d(grey, self.around, 1, self.around // 2, count_include_pad=False)
        return (near > 0.02).long()

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return self.labels(images)[:, 0].float()


class Wrapped(nn.Module):
    """What is computed before and after; `after` may be of the whole map."""

    def __init__(self, chain: nn.Module, kind: str) -> None:
        super().__init__()
        self.chain, self.kind = chain, kind

    def forward(self, z: Tensor) -> Tensor:
        if self.kind == "chooses" and float(z.sum()) > 1e9:
            z = -z
        images: Tensor = self.chain(z)
        if self.kind == "global":
            images = images - images.mean((2, 3), keepdim=True)
        return images


def generator(kind: str = "chain") -> Generator:
    torch.manual_seed(3)
    chain = progan((8, 8, 8, 6, 6), 12)
    if kind == "chain":
        return Generator(chain, ["blocks.2.6", "blocks.3.6", "blocks.4.6"], (12,))
    places = [f"chain.blocks.{k}.6" for k in (2, 3, 4)]
    return Generator(Wrapped(chain, kind), places, (12,))


def passes(kind: str = "chain", layer: str = "layer1") -> Passes:
    made = generator(kind)
    return Passes(made, made.layer(layer), latents(1, 0, IMAGES, made.latent_shape))


def separation(made: Passes, patch: int) -> Separation:
    return separations(made, patch)[0]


def every(grid: tuple[int, int]) -> list[Cell]:
    return [(row, column) for row in range(grid[0]) for column in range(grid[1])]


@pytest.mark.parametrize(("layer", "patch"), [("layer1", 1), ("layer1", 3), ("layer2", 1), ("layer2", 2)])
def test_regions_are_as_if_each_cell_were_forced_alone(layer: str, patch: int) -> None:
    made = passes(layer=layer)
    apart, edit = separation(made, patch), Forced(EDIT.units, EDIT.values, patch)
    assert apart.together
    groups = apart.groups(every(made.grid))
    assert sorted(cell for group in groups for cell in group) == every(made.grid)
    random, one = np.random.default_rng(0), torch.tensor([0])
    for number in random.choice(len(groups), 4, replace=False):
        cells = groups[number]
        assert len(cells) > 1
        together = made.places(one, forced(made.r[:1], edit, [cells]))
        plain = made.places(one, made.r[:1])
        covered = {name: torch.zeros(value.shape[2:]) for name, value in plain.items()}
        for cell in cells:
            alone = made.places(one, forced(made.r[:1], edit, [[cell]]))
            for name, value in alone.items():
                size = (value.shape[2], value.shape[3])
                top, bottom, left, right = apart.regions(name, cells, size)[cells.index(cell)]
                covered[name][top:bottom, left:right] += 1
                inside = (..., slice(top, bottom), slice(left, right))
                assert torch.equal(together[name][inside], value[inside])
                rest = value.clone()
                rest[inside] = plain[name][inside]
                assert torch.equal(rest, plain[name])  # nothing of it lies elsewhere
        assert all((value == 1).all() for value in covered.values())


def brute_force(made: Passes, segmenter: Bright, edit: Forced, cells: Sequence[Cell]) -> np.ndarray:
    """One image and one cell at a time, through whole passes of the tail."""
    found = np.full((len(made), *made.grid), np.nan)
    for image in range(len(made)):
        row = torch.tensor([image])
        before = segmenter.labels(made.tail(row, made.r[row])).sum()
        for cell in cells:
            r = forced(made.r[row], edit.of(np.array([image])), [[cell]])
            after = segmenter.labels(made.tail(row, r)).sum()
            found[image][cell] = float(after - before) / (64 * 64 / (made.grid[0] * made.grid[1]))
    return found


def test_effects_are_those_of_single_cells() -> None:
    made, segmenter = passes(), Bright()
    tried = insertions.tried_cells(made.layer, 3, 0)
    found = insertions.cell_effects(made, segmenter, 1, [EDIT, EDIT], tried, separation(made, 1))
    wanted = brute_force(made, segmenter, EDIT, tried)
    assert np.nanstd(wanted) > 0.1
    for effect in found:
        assert np.array_equal(effect, wanted.astype(np.float32), equal_nan=True)


def test_a_module_that_cannot_be_kept_takes_the_long_way() -> None:
    made, segmenter = passes("chooses"), Bright()
    assert made.kept is None
    apart = separation(made, 1)
    assert not apart.together
    tried = insertions.tried_cells(made.layer, 16, 0)
    found = insertions.cell_effects(made, segmenter, 1, [EDIT], tried, apart)
    chain = passes()
    assert np.allclose(found[0], brute_force(chain, segmenter, EDIT, tried), atol=0.07, equal_nan=True)


def test_cells_that_meet_somewhere_are_alone() -> None:
    apart = separation(passes("global"), 1)
    assert not apart.together
    assert (apart.rows, apart.columns) == (16, 16)
    assert [len(group) for group in apart.groups(every((16, 16)))] == [1] * 256


def test_traces_are_those_of_single_cells() -> None:
    made = passes()
    apart, tried = separation(made, 1), insertions.tried_cells(made.layer, 2, 0)
    together = insertions.cell_traces(made, EDIT, tried, apart, 2)
    alone = insertions.cell_traces(made, EDIT, tried, apart.alone(), 2)
    assert list(together) == ["layer1", "layer2", "layer3", IMAGE]
    for name, values in together.items():
        assert values.shape == (2, 2, 16, 16)
        assert np.nanmax(values[0]) > 0.01
        assert np.allclose(values, alone[name], rtol=1e-4, atol=1e-6, equal_nan=True)
    row, column = tried[40]  # and a trace by hand
    one = torch.tensor([1])
    change = made.places(one, forced(made.r[one], EDIT.of(np.array([1])), [[(row, column)]]))[IMAGE]
    squares = (change - made.places(one, made.r[one])[IMAGE]).square().mean(1)[0]
    box = squares[max(4 * row - 4, 0) : 4 * row + 8, max(4 * column - 4, 0) : 4 * column + 8]
    assert together[IMAGE][0, 1, row, column] == pytest.approx(float(box.mean().sqrt()), rel=1e-4)
    outside = 1 - float(box.sum() / squares.sum())
    assert together[IMAGE][1, 1, row, column] == pytest.approx(outside, abs=1e-4)


def context(around: int) -> Together:
    settings = {"strengths": ("k",), "controls": (), "measuring": 16, "traced": 0, "images": 4}
    found = insertion_context(
        generator(),
        Bright(around),
        layer="layer1",
        concept="bright",
        units=[1, 4],
        values=[3.0, -2.0],
        **settings,  # type: ignore[arg-type]
    )
    row = found.tables()["context_summary"].iloc[0]
    check = found.measured.together
    assert row.cells_together == check.cells
    assert row.tail_passes == check.passes + 4 * 256 / check.cells
    return check


def test_what_the_segmenter_sees_of_other_cells_is_measured() -> None:
    exact = context(1)
    assert exact.cells == pytest.approx(4, abs=0.7)
    assert exact.checked > 100
    assert not exact.spread.any()
    near = context(9)
    assert near.cells > 3
    assert near.spread[0] > 0
    far = context(0)
    assert far.cells == 1  # each cell was then forced alone
    assert far.passes > 0


def test_a_check_is_that_of_a_loop() -> None:
    random = np.random.default_rng(0)
    alone = random.normal(size=(2, 50))
    together = alone + 0.1 * random.normal(size=(2, 50)) + 0.05
    check = Together.of(together, alone, 2.5, 140)
    gaps = [[a - b for a, b in zip(x, y, strict=True)] for x, y in zip(together, alone, strict=True)]
    for number, gap in enumerate(gaps):
        assert check.difference[number] == pytest.approx(sum(gap) / 50)
        assert check.spread[number] ** 2 == pytest.approx(sum(x * x for x in gap) / 50)
    squares = sum(x * x for gap in gaps for x in gap)
    assert check.lost == pytest.approx(squares / float((alone**2).sum()))
    assert check.cells == 2.5
    assert check.close
    assert not Together.of(together + 9, alone, 2.5, 140).close
    assert Together.of(0 * alone, 0 * alone, 2.5, 140).close
    assert not Together.of(0 * alone + 1, 0 * alone, 2.5, 140).close


def test_box_sums_are_those_of_slices() -> None:
    random = torch.Generator().manual_seed(0)
    for values in (torch.randn(3, 7, 5, generator=random), torch.randint(-1, 2, (3, 7, 5)).to(torch.int8)):
        rows, boxes = [0, 2, 2, 1], [(0, 7, 0, 5), (2, 3, 1, 4), (4, 4, 0, 5), (6, 7, 4, 5)]
        wanted = [float(values[n, a:b, c:d].sum()) for n, (a, b, c, d) in zip(rows, boxes, strict=True)]
        assert box_sums(values, rows, boxes).tolist() == pytest.approx(wanted)


def test_separation_needs_neighbours_apart() -> None:
    near, far, alone = separations(passes(), 1)
    assert near.rows < far.rows < alone.rows == 16
    for made, margin in ((near, 4), (far, 12)):  # pixels
        down, _across = made.extents[IMAGE]
        gaps = [down.first[row + made.rows] - down.stop[row] for row in range(len(down.first) - made.rows)]
        assert min(gaps) >= margin


def test_a_generator_of_few_images_a_pass_has_the_same_places() -> None:
    made, whole = generator("chain"), passes()
    made.images_per_pass = 2
    few = Passes(made, made.layer("layer1"), latents(1, 0, IMAGES, made.latent_shape))
    rows = torch.tensor([0, 2, 1, 0, 2])
    edited = 0.5 * whole.r[rows]
    found, wanted = few.places(rows, edited), whole.places(rows, edited)
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        assert torch.allclose(found[name], values, atol=1e-5), name
    near, far = separations(few, 1)[0], separations(whole, 1)[0]
    assert (near.rows, near.columns) == (far.rows, far.columns)
