"""Counts against a brute-force twin in plain loops, on random small cases; and numba against torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from numpy.typing import NDArray

from analysis.counting import compilation, torch_counts
from analysis.counting.counts import Counts, LayerCounts
from analysis.counting.edges import Edges, snapped
from analysis.counting.moment_names import MOMENTS, SPREAD, cube_shift
from analysis.counting.plan import partner_offsets
from analysis.counting.tally import Tally, empty_ceiling
from analysis.counting.thresholds import LayerThresholds, Thresholds
from analysis.counting.top_images import Best, TopImages, kept_size
from analysis.shared import array_files
from analysis.shared.bilinear import axis
from analysis.shared.errors import GanatomyError

Array = NDArray[Any]
LAYER = "layer1"


class Case:
    """A random block: maps r (n, U, h, w), labels (n, maps, H, W), unrelated edges and thresholds."""

    def __init__(
        self, seed: int, images: int, maps: int, cells: tuple[int, int], grid: tuple[int, int]
    ) -> None:
        random = np.random.default_rng(seed)
        self.units, self.concepts = int(random.integers(1, 4)), int(random.integers(1, 5))
        self.r = random.normal(size=(images, self.units, *cells)).astype(np.float32)
        if random.random() < 0.5:
            self.r = np.maximum(self.r, 0)
        if random.random() < 0.3:
            self.r[random.random(self.r.shape) < 0.1] = random.choice([np.nan, np.inf, -np.inf])
        self.labels = random.integers(0, self.concepts + 1, (images, maps, *grid)).astype(np.uint8)
        self.labels[random.random(images) < 0.3] = 0
        quantiles = np.sort(random.normal(size=(self.units, 20)).astype(np.float32), axis=1)
        self.edges = Edges({LAYER: snapped(quantiles)}, tuple(range(20)))
        pair = random.integers(-1, 20, (self.units, self.concepts)).astype(np.int16)
        tails = random.integers(-1, 20, (self.units, 2)).astype(np.int16)
        masks = random.random((self.concepts, *grid)) < 0.4
        self.thresholds = Thresholds({LAYER: LayerThresholds(pair, tails)}, masks, self.edges.hash)

    @property
    def layer_edges(self) -> Array:
        return self.edges.layers[LAYER].edges

    def empty(self, evaluation: bool = True) -> Counts:
        grid, bins = self.labels.shape[2:], self.layer_edges.shape[1] + 1
        return Counts(
            about={"edges": self.edges.hash},
            ranges=[(0, len(self.r))],
            layers={LAYER: LayerCounts.zeros(self.units, self.concepts, bins, evaluation)},
            places=np.zeros((self.concepts, *grid), np.int32),
            areas=np.zeros(self.concepts, np.int64),
            shown=np.zeros(self.concepts, np.int64),
            constant=np.zeros((self.concepts, len(SPREAD)), np.int64),
            ceiling=empty_ceiling([self.r.shape[2:]], grid, self.concepts),
            top_images=TopImages({LAYER: Best.empty(self.units, *kept_size(self.r.shape[2:], grid))}),
        )

    def counted(self, threads: int = 1, evaluation: bool = True) -> Counts:
        counts = self.empty(evaluation)
        tally = Tally(counts, self.edges, self.thresholds if evaluation else None, threads)
        tally.add(0, {LAYER: torch.from_numpy(self.r)}, self.labels, lambda _: np.zeros((1, 1, 3), np.uint8))
        return counts

    def upsampled(self) -> Array:
        """Bilinear in float64, (n, U, H, W); where both neighbours are one cell, that cell's value."""
        r = self.r.astype(np.float64)
        for dim, pixels in ((2, self.labels.shape[2]), (3, self.labels.shape[3])):
            first, second, weight = axis(r.shape[dim], pixels)
            w = weight.astype(np.float64).reshape(-1, *[1] * (3 - dim))
            with np.errstate(invalid="ignore"):
                between = (1 - w) * r.take(first, dim) + w * r.take(second, dim)
            r = np.where((first == second).reshape(w.shape), r.take(first, dim), between)
        return r

    def shown(self) -> Array:
        """(n, C, H, W) 0/1."""
        return np.stack([(self.labels == c + 1).any(axis=1) for c in range(self.concepts)], axis=1).astype(
            np.int64
        )


cases = st.builds(
    Case,
    seed=st.integers(0, 10**6),
    images=st.integers(1, 13),
    maps=st.integers(1, 2),
    cells=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    grid=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)


def partners(images: int) -> list[list[int]]:
    if images == 1:
        return [[]]
    offsets = partner_offsets(images)
    return [[(i + way * o) % images for o in offsets for way in (1, -1)] for i in range(images)]


@settings(max_examples=40, deadline=None)
@given(cases)
def test_joint_histograms_are_those_of_plain_comparison(case: Case) -> None:
    layer, up, shown = case.counted().layers[LAYER], case.upsampled(), case.shown()
    with np.errstate(invalid="ignore"):
        bins = (up[..., None] > case.layer_edges[None, :, None, None, :]).sum(axis=-1)
    for unit in range(case.units):
        for b in range(case.layer_edges.shape[1] + 1):
            there = bins[:, unit] == b
            assert layer.pixels[unit, b] == there.sum()
            for concept in range(case.concepts):
                own = shown[:, concept]
                assert layer.joint[unit, concept, b] == (there * own).sum()
                others = [
                    [(there[i] * own[j]).sum() for j in row] for i, row in enumerate(partners(len(own)))
                ]
                assert layer.null[unit, concept, b] == sum(map(sum, others))


def overlaps(case: Case, unit: int, concept: int, edge: int) -> tuple[Array, Array, Array]:
    """X[i, j], the mask's areas and the concept's areas, by image."""
    with np.errstate(invalid="ignore"):
        mask = (
            (case.upsampled()[:, unit] > case.layer_edges[unit, edge])
            .reshape(len(case.r), -1)
            .astype(np.int64)
        )
    shown = case.shown()[:, concept].reshape(len(case.r), -1)
    return mask @ shown.T, mask.sum(axis=1), shown.sum(axis=1)


def spread(x: Array, mask: Array, area: Array) -> list[int]:
    a = np.diag(x)
    b = mask + area - a
    return [a.sum(), b.sum(), (a * a).sum(), (a * b).sum(), (b * b).sum()]


@settings(max_examples=40, deadline=None)
@given(cases)
def test_sums_over_images_are_those_of_plain_loops(case: Case) -> None:
    layer, thresholds = case.counted().layers[LAYER], case.thresholds.layers[LAYER]
    for unit in range(case.units):
        for concept in range(case.concepts):
            edge = int(thresholds.pair[unit, concept])
            found = dict(zip(MOMENTS, layer.moments[unit, concept], strict=True))
            expected = dict.fromkeys(MOMENTS, 0)
            if edge >= 0:
                expected = moments(*overlaps(case, unit, concept, edge))
                expected |= against_constant(case, unit, concept, edge)
            assert found == expected
            for t in range(2):
                if thresholds.tails[unit, t] >= 0:
                    at_tail = spread(*overlaps(case, unit, concept, int(thresholds.tails[unit, t])))
                    assert layer.fixed[t, unit, concept].tolist() == at_tail


def constant_mask(case: Case, concept: int) -> tuple[Array, Array]:
    """The intersection and union of each image's concept with its constant mask."""
    shown = case.shown()[:, concept].astype(bool)
    mask = case.thresholds.masks[concept]
    return (shown & mask).sum((1, 2)), (shown | mask).sum((1, 2))


def against_constant(case: Case, unit: int, concept: int, edge: int) -> dict[str, int]:
    x, mask, area = overlaps(case, unit, concept, edge)
    a = np.diag(x)
    b = mask + area - a
    c, d = constant_mask(case, concept)
    return {"ac": (a * c).sum(), "ad": (a * d).sum(), "bc": (b * c).sum(), "bd": (b * d).sum()}


@settings(max_examples=40, deadline=None)
@given(cases)
def test_the_spread_of_constant_masks_is_that_of_plain_loops(case: Case) -> None:
    counts = case.counted()
    for concept in range(case.concepts):
        a, b = constant_mask(case, concept)
        expected = [a.sum(), b.sum(), (a * a).sum(), (a * b).sum(), (b * b).sum()]
        assert counts.constant[concept].tolist() == expected
    assert not case.counted(evaluation=False).constant.any()


def moments(x: Array, mask: Array, area: Array) -> dict[str, int]:
    images = len(x)
    sums = dict.fromkeys(MOMENTS, 0) | dict(zip(MOMENTS, spread(x, mask, area), strict=False))
    if images == 1 or not area.any():
        return sums
    for i in range(images):
        for o in partner_offsets(images):
            j = (i + o) % images
            q = x[i, i] + x[j, j] - x[i, j] - x[j, i]
            sums["q"] += q
            sums["qq"] += q * q
        for j in partners(images)[i]:
            if area[i] and area[j] and max(area[i], area[j]) <= 2 * min(area[i], area[j]):
                sums["pi"] += x[j, i]
                sums["pu"] += mask[j] + area[i] - x[j, i]
                sums["pn"] += 1
    for first in range(0, images - 3, 4):
        part = x[first : first + 4, first : first + 4]
        centred = 16 * part - 4 * part.sum(0) - 4 * part.sum(1)[:, None] + part.sum()
        sums["g"] += np.trace(part)
        sums["gt"] += part.sum()
        sums["gv"] += (centred**2).sum()
        sums["gs"] += (centred**3).sum()
    return sums


@settings(max_examples=25, deadline=None)
@given(cases, st.booleans())
def test_torch_counts_as_numba_does(case: Case, evaluation: bool) -> None:
    counts, expected = case.empty(evaluation), case.counted(evaluation=evaluation)
    tally = Tally(counts, case.edges, case.thresholds if evaluation else None, 1)
    tally._jobs = lambda name, r, block: [(tally._count_on_device, name, r, (0, case.units), block)]  # type: ignore[method-assign]
    tally.add(0, {LAYER: torch.from_numpy(case.r)}, case.labels, lambda _: np.zeros((1, 1, 3), np.uint8))
    for part, value in vars(expected.layers[LAYER]).items():
        np.testing.assert_array_equal(getattr(counts.layers[LAYER], part), value, err_msg=part)


@settings(max_examples=20, deadline=None)
@given(cases)
def test_places_areas_and_images_of_concepts(case: Case) -> None:
    counts, shown = case.counted(evaluation=False), case.shown()
    np.testing.assert_array_equal(counts.places, shown.sum(axis=0))
    np.testing.assert_array_equal(counts.areas, shown.sum(axis=(0, 2, 3)))
    np.testing.assert_array_equal(counts.shown, shown.any(axis=(2, 3)).sum(axis=0))


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_do_not_change_counts(threads: int) -> None:
    random = np.random.default_rng(3)
    case = Case(5, 64, 2, (4, 4), (8, 8))
    case.units = 150
    case.r = random.normal(size=(64, 150, 4, 4)).astype(np.float32)
    case.edges = Edges(
        {LAYER: snapped(np.sort(random.normal(size=(150, 20)).astype(np.float32), axis=1))}, ()
    )
    pair = random.integers(-1, 20, (150, case.concepts)).astype(np.int16)
    layers = {LAYER: LayerThresholds(pair, pair[:, [0, 0]])}
    case.thresholds = Thresholds(layers, case.thresholds.masks, case.edges.hash)
    one, many = case.counted(1), case.counted(threads)
    for part, value in vars(one.layers[LAYER]).items():
        np.testing.assert_array_equal(getattr(many.layers[LAYER], part), value, err_msg=part)


def test_large_images_are_counted_in_tiles() -> None:
    """Over 240 pixels a tile: a grid of 300 x 41, whose tiles end within rows."""
    case = Case(11, 9, 1, (3, 7), (41, 300))
    layer, up = case.counted().layers[LAYER], case.upsampled()
    with np.errstate(invalid="ignore"):
        bins = (up[..., None] > case.layer_edges[None, :, None, None, :]).sum(axis=-1)
    for unit in range(case.units):
        counted = np.bincount(bins[:, unit].ravel(), minlength=layer.pixels.shape[1])
        np.testing.assert_array_equal(layer.pixels[unit], counted)


@settings(max_examples=20, deadline=None)
@given(cases)
def test_masks_are_those_of_torch_interpolate(case: Case) -> None:
    case.r = np.nan_to_num(case.r, nan=0, posinf=1, neginf=-1)
    r, grid = torch.from_numpy(case.r).double(), tuple(case.labels.shape[2:])
    expected = torch.nn.functional.interpolate(r, grid, mode="bilinear", align_corners=False).numpy()
    np.testing.assert_allclose(case.upsampled(), expected, atol=2e-5)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
def test_upsampling_is_torch_bilinear_without_aligned_corners(cells: int, pixels: int, seed: int) -> None:
    values = torch.from_numpy(np.random.default_rng(seed).normal(size=(1, 1, cells)).astype(np.float32))
    expected = torch.nn.functional.interpolate(values, pixels, mode="linear", align_corners=False)[0, 0]
    first, second, weight = axis(cells, pixels)
    found = (1 - weight) * values[0, 0].numpy()[first] + weight * values[0, 0].numpy()[second]
    np.testing.assert_allclose(found, expected.numpy(), atol=2e-5)


def test_cubes_fit_in_64_bits() -> None:
    for side in (8, 32, 256, 1024):
        pixels = side * side
        largest = (32 * pixels) >> cube_shift(pixels)
        assert largest**3 * 16 * 2000 < 2**63


def test_bins_of_a_device_are_edges_below() -> None:
    r = torch.tensor([0.0, 1.0, 1.5, torch.nan, torch.inf]).view(1, 1, 1, 5)
    bins = torch_counts.bin_numbers(r, torch.tensor([[0.0, 1.0, 2.0]]), (1, 5))
    assert bins.flatten().tolist() == [0, 1, 2, 0, 3]


def test_what_is_still_to_be_compiled_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compilation, "_folder", lambda: tmp_path)
    assert compilation.cold()
    (tmp_path / "analysis_1").mkdir()
    (tmp_path / "analysis_1" / "loop.py311.1.nbc").touch()
    assert not compilation.cold()
    monkeypatch.setattr(compilation, "_folder", lambda: None)  # nowhere to keep it: not said again and again
    assert not compilation.cold()


@given(
    kind=st.sampled_from(["counts", "edges", "thresholds"]),
    where=st.floats(0, 1),
    bit=st.none() | st.integers(0, 7),
)
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_is_refused_or_gives_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    damaged: Callable[..., bytes],
    kind: str,
    where: float,
    bit: int | None,
) -> None:
    """Counts, edges and thresholds, cut at any byte (at 0: empty) or with any bit flipped."""
    case = Case(3, 4, 1, (2, 2), (8, 8))
    whole: Counts | Edges | Thresholds
    whole = {"counts": case.counted(), "edges": case.edges, "thresholds": case.thresholds}[kind]
    file, again = (tmp_path_factory.getbasetemp() / f"{kind}-{name}.npz" for name in ("first", "again"))
    whole.save(file)
    content = file.read_bytes()
    file.write_bytes(damaged(content, where, bit))
    try:
        found = type(whole).load(file)
    except GanatomyError:
        return
    # Only a damaged checksum does no harm.
    found.save(again)
    file.write_bytes(content)
    arrays, saved = array_files.read(again), array_files.read(file)
    assert arrays.keys() == saved.keys()
    for name, array in saved.items():
        np.testing.assert_array_equal(arrays[name], array)
    assert found.hash == whole.hash
