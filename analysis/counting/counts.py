"""Counts of a shard: what every number of a dissection is computed from. They add over images. No torch.

Per layer with U units, C concepts, B bins (all int64):

- joint (U, C, B): pixels of concept c on which unit u falls in bin b; pixels (U, B): of all pixels;
- null (U, C, B): the same for the label maps of each image's eight partners, summed over them;
- moments (U, C, 18), fixed (2, U, C, 5): sums over images, see analysis.counting.moments;
- replicas (U, 9, 2, 200): intersections and unions of the unit's eight possible names, and of its formula, in
  bootstraps of the images.

Sums of activations are float64: values (U, C + 2), products (U + 1, U + 1), see analysis.counting.values.

Of each concept's constant control there is constant (C, 5), the same sums over images as of a unit, and
constant_replicas (C, 2, 200). Calibration counts keep the places of concepts in images of odd latents (odd),
and the pixels on which two concepts both lie (overlap). In evaluation counts the run's formulas follow the
single concepts (see analysis.counting.formulas). A unit has moments and fixed for its own formula only, and
what nobody reads of formulas, values and ceilings, stays 0.

Memory: 8 U (C (2 B + 29) + U + 3600) bytes a layer, 4 C pixels for the places, and the pictures of
analysis.counting.top_images. It does not grow with the number of images. A file holds only the concepts that
occur, in the smallest type that fits, and no pictures: these can be made again from their latents.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis.counting.moment_names import MOMENTS, SPREAD
from analysis.counting.replicas import CANDIDATES, REPLICAS
from analysis.counting.top_images import TopImages
from analysis.shared import array_files
from analysis.shared.errors import GanatomyError


class CountedLayer(NamedTuple):
    """A layer that was counted: module path, size, and place in the generator, from 1."""

    path: str
    units: int
    height: int
    width: int
    position: int


FORMAT = 4
COUNTED_WHERE_SHOWN = ("joint", "null")  # 0 for a concept that no image shows
I64 = NDArray[np.int64]


@dataclass
class LayerCounts:
    """One layer's counts; the arrays of a calibration shard that only evaluation needs are empty."""

    joint: I64
    pixels: I64
    null: I64
    moments: I64
    fixed: I64
    replicas: I64
    values: NDArray[np.float64]
    products: NDArray[np.float64]
    total: NDArray[np.float64]  # (U,) sum over images of the mean activation
    peak: NDArray[np.float32]  # (U,) the largest activation

    @classmethod
    def zeros(cls, units: int, concepts: int, bins: int, evaluation: bool) -> "LayerCounts":
        some = units if evaluation else 0
        return cls(
            joint=np.zeros((units, concepts, bins), np.int64),
            pixels=np.zeros((units, bins), np.int64),
            null=np.zeros((some, concepts, bins), np.int64),
            moments=np.zeros((some, concepts, len(MOMENTS)), np.int64),
            fixed=np.zeros((2, some, concepts, len(SPREAD)), np.int64),
            replicas=np.zeros((some, CANDIDATES + 1, 2, REPLICAS), np.int64),
            values=np.zeros((some, concepts + 2), np.float64),
            products=np.zeros((some + evaluation, some + evaluation), np.float64),
            total=np.zeros(units, np.float64),
            peak=np.full(units, -np.inf, np.float32),
        )

    def plus(self, other: "LayerCounts") -> "LayerCounts":
        sums = {name: getattr(self, name) + getattr(other, name) for name in vars(self) if name != "peak"}
        return LayerCounts(**sums, peak=np.maximum(self.peak, other.peak))


@dataclass
class Counts:
    """The counts of some ranges of latents, with what they depend on.

    `about` says of what these are counts (seed, generator, segmenter, concepts, grid, edges and thresholds by
    hash); counts about different things are never added. `alone` counts images of one-image blocks, which
    have no partners.
    """

    about: Mapping[str, Any]
    ranges: list[tuple[int, int]]
    layers: dict[str, LayerCounts]
    places: NDArray[np.int32]  # (C, H, W): images with the concept at the pixel
    odd: NDArray[np.int32]  # the same of odd latents only; (0, H, W) in evaluation counts
    overlap: I64  # (C, C): pixels on which two concepts lie; (0, 0) in evaluation counts
    areas: I64  # (C,) pixels of each concept
    shown: I64  # (C,) images with the concept
    constant: I64  # (C, 5) the spread of the constant control, evaluation only
    constant_replicas: I64  # (C, 2, 200), evaluation only
    ceiling: dict[str, I64] = field(
        default_factory=dict
    )  # "4x4" -> (C, levels, 2), see analysis.counting.ceiling
    top_images: TopImages = field(default_factory=TopImages)

    @classmethod
    def zeros(
        cls,
        about: Mapping[str, Any],
        grid: tuple[int, int],
        concepts: int,
        layers: dict[str, LayerCounts],
        evaluation: bool,
    ) -> "Counts":
        """Counts of no image yet."""
        return cls(
            about=about,
            ranges=[],
            layers=layers,
            places=np.zeros((concepts, *grid), np.int32),
            odd=np.zeros((0 if evaluation else concepts, *grid), np.int32),
            overlap=np.zeros((0, 0) if evaluation else (concepts, concepts), np.int64),
            areas=np.zeros(concepts, np.int64),
            shown=np.zeros(concepts, np.int64),
            constant=np.zeros((concepts, len(SPREAD)), np.int64),
            constant_replicas=np.zeros((concepts, 2, REPLICAS), np.int64),
        )

    @property
    def images(self) -> int:
        return sum(stop - start for start, stop in self.ranges)

    @property
    def grid(self) -> tuple[int, int]:
        return self.places.shape[1], self.places.shape[2]

    @property
    def counted_layers(self) -> dict[str, CountedLayer]:
        """What was counted, by layer name."""
        return {name: CountedLayer(*values) for name, values in self.about["layers"].items()}

    @property
    def concepts(self) -> list[tuple[str, str]]:
        """Names and categories."""
        return [(name, category) for name, category in self.about["concepts"]]

    @property
    def hash(self) -> str:
        """Hash of what these are counts of; equal for shards that can be merged."""
        return hashlib.sha256(json.dumps(self.about, sort_keys=True).encode()).hexdigest()

    def merge(self, other: "Counts") -> "Counts":
        """The counts of both shards together, as a new object. In any order, the same.

        Raises:
            GanatomyError: they are counts of different things, or an image is in both.
        """
        self._check(other)
        return replace(
            self,
            ranges=joined(self.ranges, other.ranges),
            layers={name: layer.plus(other.layers[name]) for name, layer in self.layers.items()},
            places=self.places + other.places,
            odd=self.odd + other.odd,
            overlap=self.overlap + other.overlap,
            areas=self.areas + other.areas,
            shown=self.shown + other.shown,
            constant=self.constant + other.constant,
            constant_replicas=self.constant_replicas + other.constant_replicas,
            ceiling={name: array + other.ceiling[name] for name, array in self.ceiling.items()},
            top_images=self.top_images.merge(other.top_images),
        )

    def _check(self, other: "Counts") -> None:
        differing = [key for key in self.about if self.about[key] != other.about.get(key)]
        if differing or len(self.about) != len(other.about):
            raise GanatomyError(
                f"These shards differ in {', '.join(differing) or 'kind'} and cannot be added; "
                "count them again with the same edges, thresholds and settings."
            )

    def save(self, path: Path | str) -> None:
        """Write one npz file with a checksum, without the pictures of the top images."""
        header = {
            "format": FORMAT,
            "about": dict(self.about),
            "ranges": self.ranges,
            "layers": list(self.layers),
        }
        shown = np.flatnonzero(self.areas)
        arrays: dict[str, NDArray[Any]] = {
            "places": self.places[shown],
            "odd": self.odd[shown] if len(self.odd) else self.odd,
            "overlap": self.overlap[np.ix_(shown, shown)] if len(self.overlap) else self.overlap,
            "areas": self.areas,
            "shown": self.shown,
            "constant": self.constant,
            "constant_replicas": self.constant_replicas,
        }
        for name, layer in self.layers.items():
            for part, value in vars(layer).items():
                arrays[f"layer/{name}/{part}"] = value[:, shown] if part in COUNTED_WHERE_SHOWN else value
        arrays |= {f"ceiling/{name}": array[shown] for name, array in self.ceiling.items()}
        arrays |= {f"top_images/{name}": array for name, array in self.top_images.arrays().items()}
        text = np.frombuffer(json.dumps(header).encode(), np.uint8)
        array_files.write(path, {"header": text} | {name: _narrow(a) for name, a in arrays.items()})

    @classmethod
    def load(cls, path: Path | str) -> "Counts":
        """Read what `save` wrote.

        Raises:
            GanatomyError: the file is missing, damaged or of another version.
        """
        try:
            arrays = array_files.read(path)
            header = json.loads(arrays.pop("header").tobytes())
            if header["format"] != FORMAT:
                raise GanatomyError(f"{path} holds counts of another version; remove it and count again.")
            return cls._from(header, arrays)
        except (OSError, array_files.DamagedFileError, ValueError, KeyError, TypeError) as error:
            raise GanatomyError(f"{path} holds no counts; remove it and count that shard again.") from error

    @classmethod
    def _from(cls, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> "Counts":
        areas = arrays["areas"].astype(np.int64)
        shown = np.flatnonzero(areas)

        def under(prefix: str) -> dict[str, NDArray[Any]]:
            return {
                name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)
            }

        def wide(array: NDArray[Any], kind: type[np.integer], axis: int) -> NDArray[Any]:
            """The array with the concepts that do not occur, along `axis`."""
            shape = (*array.shape[:axis], len(areas), *array.shape[axis + 1 :])
            found = np.zeros(shape, kind)
            found[(slice(None),) * axis + (shown,)] = array
            return found

        def layer(name: str) -> LayerCounts:
            parts = under(f"layer/{name}/")
            for part, array in parts.items():
                if part in COUNTED_WHERE_SHOWN:
                    parts[part] = wide(array, np.int64, 1)
                elif array.dtype.kind == "i":
                    parts[part] = array.astype(np.int64)
            return LayerCounts(**parts)

        calibration = header["about"]["thresholds"] is None
        overlap = arrays["overlap"].astype(np.int64)
        return cls(
            about=header["about"],
            ranges=[(int(a), int(b)) for a, b in header["ranges"]],
            layers={name: layer(name) for name in header["layers"]},
            places=wide(arrays["places"], np.int32, 0),
            odd=wide(arrays["odd"], np.int32, 0) if calibration else arrays["odd"],
            overlap=wide(wide(overlap, np.int64, 0), np.int64, 1) if calibration else overlap,
            areas=areas,
            shown=arrays["shown"].astype(np.int64),
            constant=arrays["constant"].astype(np.int64),
            constant_replicas=arrays["constant_replicas"].astype(np.int64),
            ceiling={name: wide(array, np.int64, 0) for name, array in under("ceiling/").items()},
            top_images=TopImages.of(under("top_images/")),
        )


def _narrow(array: NDArray[Any]) -> NDArray[Any]:
    """The same whole numbers in half of the bytes, where they fit; any other array as it is."""
    if array.dtype != np.int64:
        return array
    low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
    fits = low <= array.min(initial=0) and array.max(initial=0) <= high
    return array.astype(np.int32) if fits else array


def joined(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The ranges of both, in order, those that touch as one.

    Raises:
        GanatomyError: an image is in both.
    """
    ordered = sorted([*first, *second])
    found: list[tuple[int, int]] = []
    for start, stop in ordered:
        if found and start < found[-1][1]:
            raise GanatomyError(
                f"Latents {start} to {found[-1][1]} are in both shards; count each image once."
            )
        if found and start == found[-1][1]:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((start, stop))
    return found
