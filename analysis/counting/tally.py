"""Adding blocks of images to counts, on the CPU. `analysis.counting.gpu.tally` does the same on a GPU."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import torch

from analysis.counting import formulas, replicas, values
from analysis.counting.ceiling import EVERY, LEVELS, add_ceiling
from analysis.counting.counts import Counts, LayerCounts
from analysis.counting.edges import Edges
from analysis.counting.kernel import IMAGES, NEVER, TILE
from analysis.counting.moment_names import cube_shift
from analysis.counting.moments import add_moments
from analysis.counting.plan import partner_offsets
from analysis.counting.thresholds import LayerThresholds, Thresholds
from analysis.counting.tiles import (
    count_constant,
    count_overlap,
    count_places,
    padded,
    tile_pixels,
    transpose,
)
from analysis.counting.top_image_kernel import careful, choose_best
from analysis.counting.top_images import kept_size
from analysis.counting.unit_blocks import count_units
from analysis.counting.vector_loops import PAD, WINDOW
from analysis.shared.arrays import Array
from analysis.shared.bilinear import axis

MOST_BYTES = 2**26  # of overlaps a thread may hold
MOST_MAPS = 2**28  # bytes of maps the same
MAPS_AT_ONCE = 1024  # of top images


@dataclass(frozen=True)
class Block:
    """Label maps of a block, arranged once for all layers.

    labels (maps, pixels, 64) are numbered among `present`.
    """

    labels: Array
    present: Array
    areas: Array  # (64, present)
    constant: Array  # (64, present): of each concept, the pixels within its constant control
    weights: Array  # (images, replicas): how often each replica takes each image
    images: int
    offsets: Array
    whole: int  # concepts of which each pixel has exactly one, the first ones; 0: not so

    @classmethod
    def of(cls, first: int, labels: Array, counts: Counts, masks: Array | None, single: int = 1) -> "Block":
        """From labels (n, maps, H, W) of the latents from `first` on, of which `single` are no formulas'.

        Also counts the places of concepts, and with the constant controls (C, H, W) these.
        """
        images, maps, height, width = labels.shape
        flat = np.ascontiguousarray(labels.reshape(images, maps, height * width))
        present = np.flatnonzero(np.bincount(flat.ravel(), minlength=len(counts.areas) + 1)[1:])
        number = np.zeros(len(counts.areas) + 1, np.uint16)
        number[present + 1] = np.arange(1, len(present) + 1)
        arranged = np.zeros((maps, height * width, IMAGES), np.uint16)
        transpose(flat, number, arranged)
        areas = np.zeros((IMAGES, len(present)), np.int64)
        count_places(arranged, images, first, present, *_places(counts), areas)
        counts.areas[present] += areas.sum(axis=0)
        counts.shown[present] += (areas > 0).sum(axis=0)
        if len(counts.overlap):
            count_overlap(arranged, images, present, counts.overlap)
        both = np.zeros((IMAGES, len(present)), np.int64)
        weight = np.zeros((images, 0))
        if masks is not None:
            weight = replicas.weights(first, images, counts.about["replica_rate"])
            flat_masks = masks.reshape(len(masks), -1)
            count_constant(arranged, images, np.ascontiguousarray(flat_masks[present]), both)
            out = (counts.constant, counts.constant_replicas)
            replicas.add_constant(flat_masks.sum(1), present, both[:images], areas[:images], weight, *out)
        offsets, whole = np.array(partner_offsets(images)), 0
        if single == 1 and labels[:, 0].all():
            whole = len(np.unique(arranged[0, :, :images]))
        return cls(arranged, present, areas, both, weight, images, offsets, whole)


def _places(counts: Counts) -> tuple[Array, Array]:
    """The places of all images and, in calibration, of odd latents, with pixels in one dimension."""
    flat = counts.places.reshape(len(counts.areas), -1)
    return flat, counts.odd.reshape(len(counts.odd), flat.shape[1])


class Tally:
    """Adds blocks to the counts of a shard. With thresholds also what only evaluation needs."""

    def __init__(self, counts: Counts, edges: Edges, thresholds: Thresholds | None, threads: int) -> None:
        self.counts, self.edges, self.threads = counts, edges, max(1, threads)
        self._tables = {name: layer.table() for name, layer in edges.layers.items()}
        self._masks = thresholds.masks if thresholds else None
        self._sizes = np.zeros(0, np.int64) if self._masks is None else self._masks.sum(axis=(1, 2))
        self._cuts = {n: cuts_of(layer) for n, layer in thresholds.layers.items()} if thresholds else {}
        self._sides = {n: layer.side for n, layer in thresholds.layers.items()} if thresholds else {}
        self._formulas = thresholds.formulas if thresholds else ()
        self._concepts = len(counts.areas) - len(self._formulas)  # single ones, before the formulas
        self._names = (
            {n: np.column_stack([x.candidates, x.composition]) for n, x in thresholds.layers.items()}
            if thresholds
            else {}
        )
        self._low = {n: layer.named_low for n, layer in thresholds.layers.items()} if thresholds else {}
        self._centres = {n: layer.edges[:, layer.edges.shape[1] // 2] for n, layer in edges.layers.items()}

    def add(
        self, first: int, features: Mapping[str, torch.Tensor], labels: Array, picture: Callable[[int], Array]
    ) -> None:
        """Add one block that begins at latent `first`.

        Maps are (n, U, h, w) by layer, labels (n, maps, H, W), pictures by row.
        """
        more = formulas.stacked(labels, self._formulas, self._concepts)
        block = Block.of(first, more, self.counts, self._masks, labels.shape[1])
        with ThreadPoolExecutor(self.threads) as pool:
            waiting = [
                pool.submit(*job) for name in features for job in self._jobs(name, features[name], block)
            ]
            self._ceilings(first, labels, block)
            for job in waiting:
                job.result()
        for name, r in features.items():
            self._portray(name, first, r)
        if self._cuts:
            layers = {name: self.counts.layers[name] for name in features}
            sums = {name: (layer.values, layer.products) for name, layer in layers.items()}
            values.add(features, self._centres, labels, first, sums)
        self._picture(first, labels.shape[0], picture)

    def settled(self, last: bool) -> bool:
        """Whether the counts hold all blocks that were added: a GPU may keep some back, but not the last."""
        return True

    def _jobs(self, name: str, r: torch.Tensor, block: Block) -> list[tuple[Any, ...]]:
        # A run of units is as many as fit the memory that overlaps may take, and no more than 128, so that
        # all threads have work until the end of the block.
        each = max(16, min(128, MOST_BYTES // (4 * IMAGES * WINDOW * max(1, len(block.present)))))
        each = min(each, max(16, MOST_MAPS // (4 * IMAGES * r.shape[2] * r.shape[3])))
        runs = [(first, min(first + each, r.shape[1])) for first in range(0, r.shape[1], each)]
        return [(self._count, name, r, run, block) for run in runs]

    def _count(self, name: str, r: torch.Tensor, run: tuple[int, int], block: Block) -> None:
        edges, height_width = self.edges.layers[name], self.counts.grid
        evaluation = bool(self._cuts)
        some, concepts = run[1] - run[0], len(block.present)
        # Lanes of a pixel: one per concept on it, in evaluation one more per concept for the partners that
        # show it there (the null), and one for all pixels, unless those of some concepts sum up to them.
        total = -1 if block.whole else concepts * (1 + evaluation)
        lanes = padded(concepts * (1 + evaluation) + (total >= 0))
        joint = np.zeros((some, edges.bins, lanes), np.int64)
        areas, overlaps, cuts = self._evaluation(name, some, block)
        tile = np.zeros((tile_pixels(lanes, TILE), IMAGES, lanes), np.uint16)
        axes = (axis(r.shape[2], height_width[0]), axis(r.shape[3], height_width[1]))
        look_up = (edges.low, edges.scale, self._tables[name])
        maps = images_innermost(r[:, slice(*run)])
        count_units(
            maps, run[0], block.images, block.labels, concepts, axes, look_up, tile, joint, evaluation, total,
            block.offsets, cuts, self._single(block), areas, overlaps,
        )  # fmt: skip
        if evaluation:
            self._add_pixels(name, run, maps, (r.shape[2], r.shape[3]), block.images)
        self._keep(name, run, block, joint, areas, overlaps)

    def _add_pixels(
        self, name: str, run: tuple[int, int], maps: Array, cells: tuple[int, int], images: int
    ) -> None:
        """Add the sums of all pixels, from maps with images innermost."""
        centres, found = self._centres[name][slice(*run)], np.zeros((len(maps), 2))
        maps.reshape(*maps.shape[:2], -1, IMAGES)[..., images:] = centres[
            :, None, None, None
        ]  # there is none
        bands = (values.bands(few, many) for few, many in zip(cells, self.counts.grid, strict=True))
        values.sums_of_pixels(maps, centres, *bands, found)
        # Rounded to float32, so that float64 adds blocks exactly, in any order.
        self.counts.layers[name].values[slice(*run), values.SUM :] += found.astype(np.float32)

    def _single(self, block: Block) -> int:
        """How many of the concepts in the block are single ones."""
        return int(np.searchsorted(block.present, self._concepts))

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
        # A slice is quicker where all concepts are present.
        columns = slice(None) if present == layer.joint.shape[1] else block.present
        whole = block.whole
        total = joint[:, :, :whole].sum(2) if whole else joint[:, :, present * (1 + bool(self._cuts))]
        layer.pixels[units] += total
        layer.joint[units, columns] += joint[:, :, :present].transpose(0, 2, 1)
        if self._cuts:
            if block.images > 1:  # an image alone in its block has no partners
                null = joint[:, :, present : 2 * present]
                layer.null[units, columns] += null.transpose(0, 2, 1)
            self._add_moments(layer, name, run, block, areas, overlaps)

    def _add_moments(
        self, layer: LayerCounts, name: str, run: tuple[int, int], block: Block, areas: Array, overlaps: Array
    ) -> None:
        pair, tails, used, many = self._cuts[name]
        # Concepts that the block does not show have no overlaps, but their pairs still lose an image: -1.
        local = np.full(pair.shape[1], -1, np.int64)
        local[block.present] = np.arange(len(block.present))
        pixels = self.counts.grid[0] * self.counts.grid[1]
        shift, sides = cube_shift(pixels), self._sides[name]
        for k, unit in enumerate(range(*run)):
            add_moments(
                overlaps[k], areas[k], used[unit], many[unit], pair[unit], self._concepts, sides[unit],
                tails[unit], block.areas, local, block.constant, self._sizes, pixels, block.images,
                block.offsets, shift, layer.moments[unit], layer.fixed[:, unit],
            )  # fmt: skip
            self._add_replicas(layer, name, unit, block, local, areas[k], overlaps[k])

    def _add_replicas(
        self,
        layer: LayerCounts,
        name: str,
        unit: int,
        block: Block,
        local: Array,
        areas: Array,
        overlaps: Array,
    ) -> None:
        """Add what the unit's possible names and its formula score in each replica of the block's images."""
        pair, _tails, used, many = self._cuts[name]
        places = np.flatnonzero(self._names[name][unit] >= 0)
        chosen = self._names[name][unit, places]
        if not len(chosen):
            return
        low = self._sides[name][unit, chosen] < 0
        shown, both = np.zeros((2, len(chosen), block.images), np.int64)
        here = local[chosen]
        shown[here >= 0] = block.areas[: block.images, here[here >= 0]].T
        both[here >= 0] = overlaps[here[here >= 0], : block.images, PAD]
        mask = areas[np.searchsorted(used[unit, : many[unit]], pair[unit, chosen]), : block.images]
        pixels = self.counts.grid[0] * self.counts.grid[1]
        both = np.where(low[:, None], shown - both, both)
        mask = np.where(low[:, None], pixels - mask, mask)
        found = np.zeros((len(places), 2, replicas.REPLICAS), np.int64)
        replicas.add(both, mask + shown - both, block.weights, found)
        layer.replicas[unit, places] += found

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
        low = self._low.get(name)
        np.maximum(layer.peak, peaks.max(axis=0), out=layer.peak)
        # Each block's part is rounded to float32, so that float64 adds the parts exactly, in any order.
        layer.total += means.sum(axis=0, dtype=np.float64).astype(np.float32)
        if low is not None and len(low):
            peaks = peaks.copy()
            peaks[:, low] = _lowest(r, low, bool(np.isfinite(means[:, low]).all()))
        chosen = np.full(best.latents.shape, -1)
        choose_best(peaks, first, best.values, best.latents, chosen)
        units, places = np.nonzero(chosen >= 0)
        for some in range(0, len(units), MAPS_AT_ONCE):  # only these leave the device
            at = units[some : some + MAPS_AT_ONCE], places[some : some + MAPS_AT_ONCE]
            best.maps[at] = self._at_most_grid(r, chosen[at], at[0])

    def _at_most_grid(self, r: torch.Tensor, images: Array, units: Array) -> Array:
        """Some images' maps of some units, (k, h, w), no finer than the label maps."""
        rows, columns = (torch.from_numpy(each).to(r.device) for each in (images, units))
        maps, size = r[rows, columns].float(), kept_size((r.shape[2], r.shape[3]), self.counts.grid)
        if size != r.shape[2:]:
            finer = torch.nn.functional.interpolate(maps[:, None], size, mode="bilinear", align_corners=False)
            maps = finer[:, 0]
        found: Array = maps.cpu().numpy()
        return found

    def _picture(self, first: int, images: int, picture: Callable[[int], Array]) -> None:
        top_images = self.counts.top_images
        top_images.prune()
        for latent in sorted(top_images.wanted() & set(range(first, first + images))):
            top_images.keep(latent, partial(picture, latent - first))


def images_innermost(r: torch.Tensor) -> Array:
    """Maps (n, U, h, w) as (U, h, w * 64) float32, as the loops read them."""
    images, units, height, width = r.shape
    found = torch.zeros(units * height * width, IMAGES)
    found[:, :images] = r.flatten(1).T
    array: Array = found.numpy().reshape(units, height, width * IMAGES)
    return array


def cuts_of(thresholds: LayerThresholds) -> tuple[Array, Array, Array, Array]:
    """Thresholds as the kernel wants them: a bin is in the mask at or over its cut.

    Pair (U, C), tails (U, 2), used (U, K) ascending, how many are used (U,); all uint8.
    """
    pair = np.where(thresholds.pair >= 0, thresholds.pair + 1, NEVER).astype(np.uint8)
    tails = np.where(thresholds.tails >= 0, thresholds.tails + 1, NEVER).astype(np.uint8)
    rows = [np.unique(np.concatenate(both)) for both in zip(pair, tails, strict=True)]
    used = np.zeros((len(rows), max((len(row) for row in rows), default=1)), np.uint8)
    for row, cuts in zip(used, rows, strict=True):
        row[: len(cuts)] = cuts
    return pair, tails, used, np.array([len(row) for row in rows], np.uint8)


def _survey(r: torch.Tensor) -> tuple[Array, Array]:
    """Each image's largest and mean value of each unit, (n, U) float32, of finite values."""
    cells = r.float().flatten(2)
    peaks, means = cells.amax(2).cpu().numpy(), cells.mean(2).cpu().numpy()
    if not np.isfinite(means).all():
        careful(np.ascontiguousarray(cells.cpu().numpy()), peaks, means)
    return peaks, means


def _lowest(r: torch.Tensor, units: Array, finite: bool) -> Array:
    """The largest value of some units' opposites in each image, (n, units)."""
    if finite:
        found: Array = -r.float().flatten(2).amin(2).cpu().numpy()[:, units]
        return found
    return _survey(-r[:, torch.from_numpy(units).to(r.device)])[0]


@cache
def _cells(cells: int, pixels: int) -> Array:
    return np.arange(pixels) * cells // pixels


def empty_ceiling(layers: list[tuple[int, int]], grid: tuple[int, int], concepts: int) -> dict[str, Array]:
    """Room for the ceiling of each layer grid that is coarser than the label maps."""
    coarse = {(h, w) for h, w in layers if h < grid[0] or w < grid[1]}
    return {f"{h}x{w}": np.zeros((concepts, LEVELS + 1, 2), np.int64) for h, w in sorted(coarse)}
