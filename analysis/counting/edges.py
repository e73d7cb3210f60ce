"""Bin edges of every unit: where a unit's values are cut, and the table that finds a value's bin. No torch.

A mask at edge k is `value > edges[k]`, and the bin of a value is the number of edges below it, so the mask is
also `bin >= k + 1`. NaN falls in bin 0, +inf in the last.

The edges are upper-tail quantiles, moved up by less than 1/2000 of a range of values to where a table of
equal steps changes: then a bin is one multiplication and one look-up, and the comparison with the edge is
exact. The range is that of the unit's values, without outliers beside which most edges would become one.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.shared import array_files
from analysis.shared.errors import GanatomyError

F32 = np.float32
STEPS = 2048
OUTLIERS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1)  # the shares of values that may be left out at the lower end
LARGE = (0.99, 0.97, 0.95, 0.92, 0.85, 0.76, 0.68)  # more edges where a concept may take most of the pixels
LOW_END = (0.999, 0.9985, 0.998, 0.997, 0.996, 0.995, 0.993, 0.985, 0.98, 0.96, 0.94, 0.9)  # for low sides
ROUNDING = 4e-6  # relative; interpolating a constant in float32 moves it by less
TAILS = (0.005, 0.01)  # NetDissect's and PNAS 2020's: kept exactly, and their spread is counted too


@dataclass(frozen=True)
class LayerEdges:
    """Edges (units, E) float32, ascending, with the table that finds a value's bin.

    The table has an offset and a scale per unit, both (units,).
    """

    edges: NDArray[np.float32]
    low: NDArray[np.float32]
    scale: NDArray[np.float32]

    @property
    def bins(self) -> int:
        return int(self.edges.shape[1]) + 1

    def table(self) -> NDArray[np.uint8]:
        """(units, STEPS + 5): the bin of each step, up to STEPS + 1; loops read some bytes more."""
        with np.errstate(over="ignore"):
            above = np.nextafter(self.edges, F32(np.inf))
        first = steps(above, self.low[:, None], self.scale[:, None])
        table = np.zeros((len(self.edges), STEPS + 5), np.int64)
        np.add.at(table, (np.arange(len(table))[:, None], first), 1)
        return np.cumsum(table, axis=1).astype(np.uint8)


@dataclass(frozen=True)
class Edges:
    """The edges of every layer of a run, as the pilot found them; `tails` are the quantiles asked for."""

    layers: Mapping[str, LayerEdges]
    tails: tuple[float, ...]

    @property
    def hash(self) -> str:
        """What shards carry, so that counts over other edges are never added."""
        digest = hashlib.sha256()
        for name in sorted(self.layers):
            layer = self.layers[name]
            digest.update(f"{name} {layer.edges.shape}".encode())
            for array in (layer.edges, layer.low, layer.scale):
                digest.update(np.ascontiguousarray(array, "<f4").tobytes())
        return digest.hexdigest()

    def save(self, path: Path | str) -> None:
        """Write one npz file with a checksum."""
        arrays = {
            f"{name}/{part}": getattr(layer, part) for name, layer in self.layers.items() for part in PARTS
        }
        array_files.write(path, {"tails": np.array(self.tails), **arrays})

    @classmethod
    def load(cls, path: Path | str) -> "Edges":
        """Read what `save` wrote.

        Raises:
            GanatomyError: the file is missing or damaged.
        """
        try:
            arrays = array_files.read(path)
            names = [key.removesuffix("/edges") for key in arrays if key.endswith("/edges")]
            layers = {name: LayerEdges(*(arrays[f"{name}/{part}"] for part in PARTS)) for name in names}
            return cls(layers, tuple(float(tail) for tail in arrays["tails"]))
        except (OSError, array_files.DamagedFileError, ValueError, KeyError, TypeError) as error:
            raise GanatomyError(f"{path} holds no bin edges; remove it and run the pilot again.") from error


PARTS = ("edges", "low", "scale")


def tails(bins: int, *more: float) -> tuple[float, ...]:
    """Tail fractions from 1 to .001: even in their logarithm, for large concepts, low sides and fixed tails.

    There are at least bins - 1.
    """
    spread = np.geomspace(1.0, 0.001, bins - 1)
    return tuple(sorted({*map(float, spread), *LARGE, *LOW_END, *TAILS, *more}, reverse=True))


def steps(
    values: NDArray[np.float32], low: NDArray[np.float32], scale: NDArray[np.float32]
) -> NDArray[np.int64]:
    """The table step of each value: 0 up to `low`, then equal steps. Never falls as the value rises."""
    with np.errstate(all="ignore"):
        raw = ((values - low) * scale).astype(F32)
    raw = np.where(raw > 0, np.minimum(raw, F32(STEPS)), F32(0))
    return raw.astype(np.int64) + (values > low)


def from_sample(
    sample: NDArray[np.float32], wanted: tuple[float, ...], kept: tuple[float, ...] = TAILS
) -> LayerEdges:
    """Edges from values (units, n) of a pilot sample. Values that are not finite are ignored.

    A unit whose values differ by rounding only has one edge, above them all.
    """
    ordered = np.sort(np.where(np.isfinite(sample), sample, F32(np.nan)), axis=1)  # NaN sorts last
    known = np.isfinite(ordered).sum(axis=1)
    place = np.ceil((1 - np.array(wanted)) * known[:, None]).astype(np.int64) - 1
    place = np.clip(place, 0, np.maximum(known - 1, 0)[:, None])
    quantiles = np.nan_to_num(np.take_along_axis(ordered, place, axis=1))
    last = np.take_along_axis(ordered, np.maximum(known - 1, 0)[:, None], axis=1)[:, 0]
    least, most = np.nan_to_num(ordered[:, 0]), np.nan_to_num(last)
    rounding = ROUNDING * np.maximum(np.abs(least), np.abs(most))
    quantiles = np.where((most - least <= rounding)[:, None], (most + rounding)[:, None], quantiles)
    return snapped(quantiles.astype(F32), wanted, kept)


def _range(
    quantiles: NDArray[np.float32], wanted: NDArray[np.float64], kept: tuple[float, ...]
) -> NDArray[np.int64]:
    """Positions (units, 2) of the quantiles between which the table's steps lie.

    They are the first and the last, unless a narrower range has more edges that differ: with a few spikes
    among a unit's values, equal steps up to the largest would put all other values into one. The tails that
    are `kept` stay within.
    """
    best = np.tile([0, quantiles.shape[1] - 1], (len(quantiles), 1))
    most = _distinct(quantiles, best)
    for below in OUTLIERS:
        for above in (0.0, min(kept)):
            first = int(np.searchsorted(-wanted, below - 1))  # the first tail of at most 1 - below
            last = int(np.searchsorted(-wanted, -above, side="right")) - 1  # the last one of at least `above`
            if first >= last:
                continue
            tried = np.tile([first, last], (len(quantiles), 1))
            found = _distinct(quantiles, tried)
            better = found > most
            best[better], most[better] = tried[better], found[better]
    return best


def _distinct(quantiles: NDArray[np.float32], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many edges (units,) would differ with the table between two quantiles."""
    low, scale = _scale(quantiles, ends)
    found = steps(quantiles, low[:, None], scale[:, None])
    return (np.diff(found, axis=1) > 0).sum(axis=1)


def _scale(
    quantiles: NDArray[np.float32], ends: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    low, high = np.take_along_axis(quantiles, ends, axis=1).T
    with np.errstate(all="ignore"):
        scale = (F32(STEPS - 1) / (high - low)).astype(F32)
    scale[~np.isfinite(scale)] = 0
    return low.copy(), scale


def snapped(
    quantiles: NDArray[np.float32],
    wanted: tuple[float, ...] | None = None,
    kept: tuple[float, ...] = TAILS,
) -> LayerEdges:
    """Ascending quantiles (units, E), each moved up to the last float32 within its step of the table.

    `wanted` are the quantiles' tails; with them, outliers may be left out of the table's range, but for the
    tails that are `kept`.
    """
    ends = np.tile([0, quantiles.shape[1] - 1], (len(quantiles), 1))
    if wanted is not None:
        ends = _range(quantiles, np.array(wanted), kept)
    low, scale = _scale(quantiles, ends)
    # Beyond the range there is one more edge, its end: values there are in the first or the last bin.
    quantiles = np.clip(quantiles, low[:, None], np.take_along_axis(quantiles, ends[:, 1:], axis=1))
    target = np.where(scale[:, None] > 0, steps(quantiles, low[:, None], scale[:, None]), 0)
    with np.errstate(all="ignore"):
        beyond = quantiles + 2 / np.where(scale > 0, scale, 1)[:, None]
    bottom, top = _ordered(quantiles), _ordered(np.minimum(beyond, np.finfo(F32).max).astype(F32))
    while (top - bottom > 1).any():  # the largest float that is still within the step
        middle = (bottom + top) // 2
        inside = steps(_float(middle), low[:, None], scale[:, None]) <= target
        bottom, top = np.where(inside, middle, bottom), np.where(inside, top, middle)
    edges = np.where(target == 0, low[:, None], _float(bottom))
    return LayerEdges(edges.astype(F32), low, scale)


def _ordered(values: NDArray[np.float32] | np.float32) -> NDArray[np.int64]:
    """float32 as integers in the same order."""
    bits = np.asarray(values, F32).view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _float(order: NDArray[np.int64]) -> NDArray[np.float32]:
    bits = np.where(order < 0, (-order) | 0x80000000, order)
    return bits.astype(np.uint32).view(F32)
