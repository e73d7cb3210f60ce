"""Adding blocks of images to counts, on the CPU or on a GPU."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch

from analysis.counting import torch_counts
from analysis.counting.ceiling import EVERY, LEVELS, add_ceiling
from analysis.counting.counts import Counts, LayerCounts
from analysis.counting.cuts import cuts_of
from analysis.counting.edges import Edges
from analysis.counting.kernel import IMAGES, TILE
from analysis.counting.moment_names import cube_shift
from analysis.counting.moments import add_moments
from analysis.counting.plan import partner_offsets
from analysis.counting.thresholds import Thresholds
from analysis.counting.tiles import count_constant, count_places, padded, tile_pixels, transpose
from analysis.counting.top_image_kernel import careful, keep_best
from analysis.counting.top_images import kept_size
from analysis.counting.unit_blocks import count_units
from analysis.counting.vector_loops import WINDOW
from analysis.shared.arrays import Array
from analysis.shared.bilinear import axis

MOST_BYTES = 2**26  # of overlaps a thread may hold


@dataclass(frozen=True)
class Block:
    """Label maps of a block, arranged once for all layers.

    labels (maps, pixels, 64) are numbered among `present`.
    """

    labels: Array
    present: Array
    areas: Array  # (64, present)
    constant: Array  # (64, present): of each concept, the pixels within its best constant mask
    images: int
    offsets: Array

    @classmethod
    def of(cls, labels: Array, counts: Counts, masks: Array | None) -> "Block":
        """From labels (n, maps, H, W); also counts the places of concepts, and with masks (C, H, W) these."""
        images, maps, height, width = labels.shape
        flat = np.ascontiguousarray(labels.reshape(images, maps, height * width))
        present = np.flatnonzero(np.bincount(flat.ravel(), minlength=len(counts.areas) + 1)[1:])
        number = np.zeros(len(counts.areas) + 1, np.uint16)
        number[present + 1] = np.arange(1, len(present) + 1)
        arranged = np.zeros((maps, height * width, IMAGES), np.uint16)
        transpose(flat, number, arranged)
        areas = np.zeros((IMAGES, len(present)), np.int64)
        count_places(arranged, images, present, counts.places.reshape(len(counts.areas), -1), areas)
        counts.areas[present] += areas.sum(axis=0)
        counts.shown[present] += (areas > 0).sum(axis=0)
        both = np.zeros((IMAGES, len(present)), np.int64)
        if masks is not None:
            flat_masks = masks.reshape(len(masks), -1)
            count_constant(arranged, images, np.ascontiguousarray(flat_masks[present]), both)
            _add_constant(counts, flat_masks.sum(1), present, both[:images], areas[:images])
        return cls(arranged, present, areas, both, images, np.array(partner_offsets(images)))


def _add_constant(counts: Counts, sizes: Array, present: Array, both: Array, areas: Array) -> None:
    """Add a block of images to the spread of the constant masks."""
    a = np.zeros((len(both), len(sizes)), np.int64)
    shown = a.copy()
    a[:, present], shown[:, present] = both, areas
    b = sizes + shown - a
    counts.constant += np.stack([a, b, a * a, a * b, b * b], axis=-1).sum(axis=0)


class Tally:
    """Adds blocks to the counts of a shard. With thresholds also what only evaluation needs."""

    def __init__(self, counts: Counts, edges: Edges, thresholds: Thresholds | None, threads: int) -> None:
        self.counts, self.edges, self.threads = counts, edges, max(1, threads)
        self._tables = {name: layer.table() for name, layer in edges.layers.items()}
        self._masks = thresholds.masks if thresholds else None
        self._sizes = np.zeros(0, np.int64) if self._masks is None else self._masks.sum(axis=(1, 2))
        self._cuts = {n: cuts_of(layer) for n, layer in thresholds.layers.items()} if thresholds else {}

    def add(
        self, first: int, features: Mapping[str, torch.Tensor], labels: Array, picture: Callable[[int], Array]
    ) -> None:
        """Add one block that begins at latent `first`.

        Maps are (n, U, h, w) by layer, labels (n, maps, H, W), pictures by row.
        """
        block = Block.of(labels, self.counts, self._masks)
        with ThreadPoolExecutor(self.threads) as pool:
            waiting = [
                pool.submit(*job) for name in features for job in self._jobs(name, features[name], block)
            ]
            self._ceilings(first, labels, block)
            for job in waiting:
                job.result()
        for name, r in features.items():
            self._portray(name, first, r)
        self._picture(first, labels.shape[0], picture)

    def _jobs(self, name: str, r: torch.Tensor, block: Block) -> list[tuple[Any, ...]]:
        # A run of units is as many as fit the memory that overlaps may take, and no more than 128, so that
        # all threads have work until the end of the block.
        each = max(16, min(128, MOST_BYTES // (4 * IMAGES * WINDOW * max(1, len(block.present)))))
        runs = [(first, min(first + each, r.shape[1])) for first in range(0, r.shape[1], each)]
        if r.device.type != "cpu":
            return [(self._count_on_device, name, r, run, block) for run in runs]
        array = np.ascontiguousarray(r.float().numpy())
        return [(self._count, name, array, run, block) for run in runs]

    def _count(self, name: str, r: Array, run: tuple[int, int], block: Block) -> None:
        edges, height_width = self.edges.layers[name], self.counts.grid
        evaluation = bool(self._cuts)
        some, concepts = run[1] - run[0], len(block.present)
        # Lanes of a pixel: one for all pixels, one per concept on it, and in evaluation one more per concept
        # for the partners that show it there (the null).
        lanes = padded(1 + concepts * (1 + evaluation))
        joint = np.zeros((some, edges.bins, lanes), np.int64)
        areas, overlaps, cuts = self._evaluation(name, some, block)
        tile = np.zeros((tile_pixels(lanes, TILE), IMAGES, lanes), np.uint16)
        axes = (axis(r.shape[2], height_width[0]), axis(r.shape[3], height_width[1]))
        look_up = (edges.low, edges.scale, self._tables[name])
        count_units(
            r, run, block.labels, concepts, axes, look_up, tile, joint, evaluation, block.offsets,
            cuts, areas, overlaps,
        )  # fmt: skip
        self._keep(name, run, block, joint, areas, overlaps)

    def _count_on_device(self, name: str, r: torch.Tensor, run: tuple[int, int], block: Block) -> None:
        pair, tails, used, _many = self._cuts_of(name, block)
        cuts = (pair[slice(*run)], tails[slice(*run)], used[slice(*run)]) if self._cuts else None
        labels = block.labels[:, :, : block.images]
        joint, areas, overlaps = torch_counts.count(
            r[:, slice(*run)], labels, len(block.present), self.edges.layers[name].edges[slice(*run)],
            self.counts.grid, block.offsets, cuts,
        )  # fmt: skip
        self._keep(name, run, block, joint, areas, overlaps)

    def _evaluation(self, name: str, some: int, block: Block) -> tuple[Array, Array, Any]:
        cuts = self._cuts_of(name, block)
        many, concepts = (some, len(block.present)) if self._cuts else (0, 0)
        areas = np.zeros((many, cuts[2].shape[1], IMAGES), np.int32)
        return areas, np.zeros((many, concepts, IMAGES, WINDOW), np.int32), cuts

    def _cuts_of(self, name: str, block: Block) -> tuple[Array, Array, Array, Array]:
        if not self._cuts:
            nothing = np.zeros((0, 0), np.uint8)
            return nothing, nothing, nothing, nothing[0:0].reshape(0)
        pair, tails, used, many = self._cuts[name]
        return np.ascontiguousarray(pair[:, block.present]), tails, used, many

    def _keep(
        self, name: str, run: tuple[int, int], block: Block, joint: Array, areas: Array, overlaps: Array
    ) -> None:
        layer, units, present = self.counts.layers[name], slice(*run), len(block.present)
        layer.pixels[units] += joint[:, :, 0]
        layer.joint[units, block.present] += joint[:, :, 1 : 1 + present].transpose(0, 2, 1)
        if self._cuts:
            if block.images > 1:  # an image alone in its block has no partners
                null = joint[:, :, 1 + present : 1 + 2 * present]
                layer.null[units, block.present] += null.transpose(0, 2, 1)
            self._add_moments(layer, name, run, block, areas, overlaps)

    def _add_moments(
        self, layer: LayerCounts, name: str, run: tuple[int, int], block: Block, areas: Array, overlaps: Array
    ) -> None:
        pair, tails, used, many = self._cuts[name]
        # Concepts that the block does not show have no overlaps, but their pairs still lose an image: -1.
        local = np.full(pair.shape[1], -1, np.int64)
        local[block.present] = np.arange(len(block.present))
        shift = cube_shift(self.counts.grid[0] * self.counts.grid[1])
        for k, unit in enumerate(range(*run)):
            add_moments(
                overlaps[k], areas[k], used[unit], many[unit], pair[unit], tails[unit], block.areas, local,
                block.constant, self._sizes, block.images, block.offsets, shift, layer.moments[unit],
                layer.fixed[:, unit],
            )  # fmt: skip

    def _ceilings(self, first: int, labels: Array, block: Block) -> None:
        """On every eighth latent, for each of the layers' grids that is coarser than the label maps."""
        height, width = self.counts.grid
        for name, counts in self.counts.ceiling.items():
            h, w = (int(side) for side in name.split("x"))
            h, w = min(h, height), min(w, width)
            cells, axes = (_cells(h, height), _cells(w, width)), (axis(h, height), axis(w, width))
            for image in range(-first % EVERY, block.images, EVERY):
                flat = np.ascontiguousarray(labels[image]).reshape(labels.shape[1], -1).astype(np.uint16)
                present = np.flatnonzero(np.bincount(flat.ravel()))
                add_ceiling(flat, present[present > 0], cells, axes, counts)

    def _portray(self, name: str, first: int, r: torch.Tensor) -> None:
        layer, best = self.counts.layers[name], self.counts.top_images.layers[name]
        peaks, means = _survey(r)
        np.maximum(layer.peak, peaks.max(axis=0), out=layer.peak)
        # Each block's part is rounded to float32, so that float64 adds the parts exactly, in any order.
        layer.total += means.sum(axis=0, dtype=np.float64).astype(np.float32)
        maps = np.ascontiguousarray(self._at_most_grid(r).numpy())
        keep_best(peaks, maps, first, best.values, best.latents, best.maps)

    def _at_most_grid(self, r: torch.Tensor) -> torch.Tensor:
        size = kept_size((r.shape[2], r.shape[3]), self.counts.grid)
        if size == r.shape[2:]:
            return r.float().cpu()
        return torch.nn.functional.interpolate(r.float(), size, mode="bilinear", align_corners=False).cpu()

    def _picture(self, first: int, images: int, picture: Callable[[int], Array]) -> None:
        top_images = self.counts.top_images
        top_images.prune()
        for latent in sorted(top_images.wanted() & set(range(first, first + images))):
            top_images.keep(latent, partial(picture, latent - first))


def _survey(r: torch.Tensor) -> tuple[Array, Array]:
    """Each image's largest and mean value of each unit, (n, U) float32, of finite values."""
    peaks = r.float().amax(dim=(2, 3)).cpu().numpy()
    means = r.float().mean(dim=(2, 3)).cpu().numpy()
    if not np.isfinite(means).all():
        careful(np.ascontiguousarray(r.float().cpu().flatten(2).numpy()), peaks, means)
    return peaks, means


@cache
def _cells(cells: int, pixels: int) -> Array:
    return np.arange(pixels) * cells // pixels


def empty_ceiling(layers: list[tuple[int, int]], grid: tuple[int, int], concepts: int) -> dict[str, Array]:
    """Room for the ceiling of each layer grid that is coarser than the label maps."""
    coarse = {(h, w) for h, w in layers if h < grid[0] or w < grid[1]}
    return {f"{h}x{w}": np.zeros((concepts, LEVELS + 1, 2), np.int64) for h, w in sorted(coarse)}
