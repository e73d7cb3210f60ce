"""Counts against a brute-force twin in plain loops, on random small cases."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from numpy.typing import NDArray
from random_block import LAYER, Case, cases, chosen

from analysis.counting import compilation, formulas, replicas
from analysis.counting.counts import Counts
from analysis.counting.edges import Edges, snapped
from analysis.counting.formulas import Formula
from analysis.counting.moment_names import MOMENTS, cube_shift
from analysis.counting.plan import partner_offsets
from analysis.counting.thresholds import Thresholds
from analysis.shared import array_files
from analysis.shared.bilinear import axis
from analysis.shared.errors import GanatomyError

Array = NDArray[Any]


def partners(images: int) -> list[list[int]]:
    if images == 1:
        return [[]]
    offsets = partner_offsets(images)
    return [[(i + way * o) % images for o in offsets for way in (1, -1)] for i in range(images)]


@settings(max_examples=40)
@given(cases)
def test_joint_histograms_are_those_of_plain_comparison(case: Case) -> None:
    layer, up, shown = case.counted().layers[LAYER], case.upsampled(), case.shown()
    with np.errstate(invalid="ignore"):
        bins = (up[..., None] > case.layer_edges[None, :, None, None, :]).sum(axis=-1)
    for unit in range(case.units):
        for b in range(case.layer_edges.shape[1] + 1):
            there = bins[:, unit] == b
            assert layer.pixels[unit, b] == there.sum()
            for concept in range(case.columns):
                own = shown[:, concept]
                assert layer.joint[unit, concept, b] == (there * own).sum()
                others = [
                    [(there[i] * own[j]).sum() for j in row] for i, row in enumerate(partners(len(own)))
                ]
                assert layer.null[unit, concept, b] == sum(map(sum, others))


def overlaps(case: Case, unit: int, concept: int, edge: int, low: bool = False) -> tuple[Array, Array, Array]:
    """X[i, j], the mask's areas and the concept's areas, by image."""
    with np.errstate(invalid="ignore"):
        over = case.upsampled()[:, unit] > case.layer_edges[unit, edge]
    mask = (~over if low else over).reshape(len(case.r), -1).astype(np.int64)
    shown = case.shown()[:, concept].reshape(len(case.r), -1)
    return mask @ shown.T, mask.sum(axis=1), shown.sum(axis=1)


def spread(x: Array, mask: Array, area: Array) -> list[int]:
    a = np.diag(x)
    b = mask + area - a
    return [a.sum(), b.sum(), (a * a).sum(), (a * b).sum(), (b * b).sum()]


@settings(max_examples=40)
@given(cases)
def test_sums_over_images_are_those_of_plain_loops(case: Case) -> None:
    layer, thresholds = case.counted().layers[LAYER], case.thresholds.layers[LAYER]
    for unit in range(case.units):
        for concept in range(case.columns):
            edge = int(thresholds.pair[unit, concept])
            found = dict(zip(MOMENTS, layer.moments[unit, concept], strict=True))
            expected = dict.fromkeys(MOMENTS, 0)
            if edge >= 0:
                low = bool(thresholds.side[unit, concept] < 0)
                expected = moments(*overlaps(case, unit, concept, edge, low))
                expected |= against_constant(case, unit, concept, edge, low)
            assert found == expected
            counted = concept < case.concepts or edge >= 0  # a formula without a threshold is passed over
            assert counted or not layer.fixed[:, unit, concept].any()
            for t in range(2):
                if thresholds.tails[unit, t] >= 0 and counted:
                    at_tail = spread(*overlaps(case, unit, concept, int(thresholds.tails[unit, t])))
                    assert layer.fixed[t, unit, concept].tolist() == at_tail


def constant_mask(case: Case, concept: int) -> tuple[Array, Array]:
    """The intersection and union of each image's concept with its constant mask."""
    shown = case.shown()[:, concept].astype(bool)
    mask = case.thresholds.masks[concept]
    return (shown & mask).sum((1, 2)), (shown | mask).sum((1, 2))


def against_constant(case: Case, unit: int, concept: int, edge: int, low: bool) -> dict[str, int]:
    x, mask, area = overlaps(case, unit, concept, edge, low)
    a = np.diag(x)
    b = mask + area - a
    c, d = constant_mask(case, concept)
    return {"ac": (a * c).sum(), "ad": (a * d).sum(), "bc": (b * c).sum(), "bd": (b * d).sum()}


@settings(max_examples=40)
@given(cases)
def test_the_spread_of_constant_masks_is_that_of_plain_loops(case: Case) -> None:
    counts = case.counted()
    for concept in range(case.columns):
        a, b = constant_mask(case, concept)
        expected = [a.sum(), b.sum(), (a * a).sum(), (a * b).sum(), (b * b).sum()]
        assert counts.constant[concept].tolist() == expected
    assert not case.counted(evaluation=False).constant.any()


@settings(max_examples=30)
@given(cases)
def test_replicas_are_those_of_plain_loops(case: Case) -> None:
    counts, thresholds = case.counted(), case.thresholds.layers[LAYER]
    weight = replicas.weights(0, len(case.r), 0.7)
    for unit in range(case.units):
        names = [*thresholds.candidates[unit], thresholds.composition[unit]]
        for place, concept in enumerate(names):
            expected = np.zeros((2, replicas.REPLICAS), np.int64)
            if concept >= 0:
                low = bool(thresholds.side[unit, concept] < 0)
                edge = int(thresholds.pair[unit, concept])
                x, mask, area = overlaps(case, unit, int(concept), edge, low)
                a = np.diag(x)
                expected = np.stack([a @ weight, (mask + area - a) @ weight]).astype(np.int64)
            np.testing.assert_array_equal(counts.layers[LAYER].replicas[unit, place], expected)
    for concept in range(case.columns):
        a, b = constant_mask(case, concept)
        np.testing.assert_array_equal(counts.constant_replicas[concept], [a @ weight, b @ weight])


@settings(max_examples=30)
@given(cases)
def test_sums_of_activations_are_those_of_the_pixels(case: Case) -> None:
    layer, shown = case.counted().layers[LAYER], case.shown()
    centre = case.layer_edges[:, 10]
    with np.errstate(invalid="ignore"):
        moved = case.r - centre[None, :, None, None]
    finite = np.where(np.isfinite(moved), moved, 0)
    case.r = finite.astype(np.float32)
    up = case.upsampled()
    expected = [*(np.einsum("nuhw,nhw->u", up, shown[:, c]) for c in range(case.concepts))]
    expected += [np.zeros(case.units)] * len(case.formulas)  # nobody reads these
    expected += [up.sum((0, 2, 3))]
    np.testing.assert_allclose(layer.values[:, :-1], np.stack(expected, 1), rtol=2e-4, atol=2e-3)
    np.testing.assert_allclose(layer.values[:, -1], (up**2).sum((0, 2, 3)), rtol=2e-4, atol=2e-3)
    cells = np.concatenate([finite[::8].transpose(1, 0, 2, 3).reshape(case.units, -1)])
    cells = np.concatenate([cells, np.ones_like(cells[:1])])
    np.testing.assert_allclose(layer.products, cells @ cells.T, rtol=2e-4, atol=2e-3)


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


@settings(max_examples=20)
@given(cases)
def test_places_areas_and_images_of_concepts(case: Case) -> None:
    counts, shown = case.counted(evaluation=False), case.shown(evaluation=False)
    np.testing.assert_array_equal(counts.places, shown.sum(axis=0))
    np.testing.assert_array_equal(counts.odd, shown[1::2].sum(axis=0))
    np.testing.assert_array_equal(counts.areas, shown.sum(axis=(0, 2, 3)))
    np.testing.assert_array_equal(counts.shown, shown.any(axis=(2, 3)).sum(axis=0))
    for one in range(case.concepts):
        for other in range(case.concepts):
            assert counts.overlap[one, other] == (shown[:, one] & shown[:, other]).sum()
    assert case.counted().overlap.shape == (0, 0)


def test_more_formulas_than_a_byte_has_labels() -> None:
    labels = np.array([1, 254, 0], np.uint8).reshape(1, 1, 1, 3)
    found = formulas.stacked(labels, [Formula(0, 253, False), Formula(0, 1, True)], 254)
    assert found.reshape(3, 3).tolist() == [[1, 254, 0], [255, 255, 0], [256, 0, 0]]


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_do_not_change_counts(threads: int) -> None:
    random = np.random.default_rng(3)
    case = Case(5, 64, 2, (4, 4), (8, 8))
    case.units = 150
    case.r = random.normal(size=(64, 150, 4, 4)).astype(np.float32)
    case.edges = Edges(
        {LAYER: snapped(np.sort(random.normal(size=(150, 20)).astype(np.float32), axis=1))}, ()
    )
    pair = random.integers(-1, 20, (150, case.columns)).astype(np.int16)
    more = (case.thresholds.masks, case.edges.hash, case.formulas)
    case.thresholds = chosen(random, pair, pair[:, [0, 0]], *more)
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


@settings(max_examples=20)
@given(cases)
def test_masks_are_those_of_torch_interpolate(case: Case) -> None:
    case.r = np.nan_to_num(case.r, nan=0, posinf=1, neginf=-1)
    r, grid = torch.from_numpy(case.r).double(), tuple(case.labels.shape[2:])
    expected = torch.nn.functional.interpolate(r, grid, mode="bilinear", align_corners=False).numpy()
    np.testing.assert_allclose(case.upsampled(), expected, atol=2e-5)


@settings(max_examples=50)
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


def test_what_is_still_to_be_compiled_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compilation, "_folder", lambda: tmp_path)
    assert compilation.cold()
    (tmp_path / "loop.py311.1.nbc").touch()  # one loop of many
    assert compilation.cold()
    compilation.note_ready()
    assert not compilation.cold()
    monkeypatch.setattr(compilation, "_folder", lambda: None)  # nowhere to keep it: not said again and again
    assert not compilation.cold()


@given(
    kind=st.sampled_from(["counts", "edges", "thresholds"]),
    where=st.floats(0, 1),
    bit=st.none() | st.integers(0, 7),
)
@settings(max_examples=300)
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
