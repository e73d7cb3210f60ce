"""Adding blocks of images to counts on a GPU.

Everything of a block stays on the device, in few large steps. They wait for the sizes of the label maps, and
for the peaks by which top images are chosen. Sums over blocks stay there too, until `settled` adds them.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import fields

import numpy as np
import torch
from torch import Tensor

from analysis.counting.counts import Counts, LayerCounts
from analysis.counting.edges import Edges
from analysis.counting.gpu import moments, values
from analysis.counting.gpu.block import Block, LabelMaps, add_ceilings
from analysis.counting.gpu.kernels import Loops
from analysis.counting.gpu.layer_counts import Cuts, binned, padded, under_concepts
from analysis.counting.tally import Tally
from analysis.counting.thresholds import Thresholds
from analysis.shared.arrays import Array

MOST_BINS = 2**30  # bytes of a run of units
MOST_OVERLAPS = 2**28  # the same, in steps of 8 bytes
SHARE = 0.05  # of the time may go into adding sums to the counts
AT_ONCE = ("total", "peak")  # small: added to the counts with each block


class GpuTally(Tally):
    """As Tally, with maps on a device where `loops` run. Counts are complete after `settled(True)` only."""

    def __init__(self, counts: Counts, edges: Edges, thresholds: Thresholds | None, loops: Loops) -> None:
        super().__init__(counts, edges, thresholds, 1)
        self._loops = loops
        self._padded = {name: padded(layer.edges) for name, layer in edges.layers.items()}
        self._on_device: dict[str, tuple[Tensor, Cuts | None]] = {}
        self._sums: dict[str, dict[str, Tensor]] = {}
        self._places: dict[str, Tensor] = {}
        self._settled, self._cost = time.monotonic(), 0.0

    @torch.inference_mode()
    def add(
        self, first: int, features: Mapping[str, Tensor], labels: Array, picture: Callable[[int], Array]
    ) -> None:
        """Add one block that begins at latent `first`, see Tally."""
        device = next(iter(features.values())).device
        maps = LabelMaps(labels, device, self._formulas, self._concepts)
        block = Block.of(first, maps, self.counts, self._masks, self._places_on(device))
        columns = block.columns
        sizes, each = torch.from_numpy(self._sizes).to(device), self._units_at_once(block)
        for name, r in features.items():
            r = r.float().contiguous()
            for start in range(0, r.shape[1], each):
                self._count_run(name, r, (start, min(start + each, r.shape[1])), block, columns, sizes)
        if self._cuts:
            self._add_values(first, features, block)
        add_ceilings(first, block, self.counts.ceiling)
        for name, r in features.items():
            self._portray(name, first, r)
        self._picture(first, maps.images, picture)

    @torch.inference_mode()
    def settled(self, last: bool) -> bool:
        """Adds what the device holds to the counts, unless that was done just before; says whether it did."""
        if not last and time.monotonic() - self._settled < self._cost / SHARE:
            return False
        start = time.monotonic()
        held = [(self.counts.layers[name], sums) for name, sums in self._sums.items()]
        for counts, sums in (*held, (self.counts, self._places)):
            for part, total in sums.items():
                array = getattr(counts, part)
                array += total.cpu().numpy()
                total.zero_()
        self._settled = time.monotonic()
        self._cost = self._settled - start
        return True

    def _units_at_once(self, block: Block) -> int:
        spread = max(1, block.images * max(len(block.present), 1) * 9 * 8)
        by_bins = MOST_BINS // max(1, block.images * block.maps.pixels)
        return max(1, min(by_bins, MOST_OVERLAPS // spread if self._cuts else by_bins))

    def _count_run(
        self, name: str, r: Tensor, run: tuple[int, int], block: Block, columns: Tensor, sizes: Tensor
    ) -> None:
        edges, cuts = self._of_layer(name, r.device)
        sums, units = self._sums_of(name, r.device), slice(*run)
        found = binned(self._loops, r, edges, run, self.counts.grid)
        rows = self.edges.layers[name].bins
        sums["pixels"][units] += found.tally.sum(1)[:, :rows]
        own = None if cuts is None else cuts.of(units)
        counted, near = under_concepts(self._loops, found.bins, block, own, rows)
        sums["joint"][units].index_add_(1, columns, counted[:, :, 0].long())
        if own is not None:
            if block.images > 1:  # an image alone in its block has no partners
                sums["null"][units].index_add_(1, columns, counted[:, :, 1].long())
            over, sided = moments.above(found.tally), moments.on_sides(block, near, own, columns)
            masks = moments.masks_of(block, over, sided, own, columns)
            sums["moments"][units] += moments.moments(block, masks, sided, own, columns, sizes)
            sums["fixed"][:, units] += moments.at_tails(block, over, near, own, columns)
            sums["replicas"][units] += moments.in_replicas(block, masks, own)

    def _add_values(self, first: int, features: Mapping[str, Tensor], block: Block) -> None:
        centres = {name: torch.from_numpy(self._centres[name]) for name in features}
        for name, (by_concept, by_unit) in values.sums_of(features, centres, first, block).items():
            sums = self._sums_of(name, by_unit.device)
            sums["values"] += by_concept
            sums["products"] += by_unit

    def _places_on(self, device: torch.device) -> dict[str, Tensor]:
        """Room for the places of concepts, as the counts have them."""
        for name in ("places", "odd"):
            array = getattr(self.counts, name)
            if len(array) and name not in self._places:
                self._places[name] = torch.zeros(array.shape, dtype=torch.int32, device=device)
        return self._places

    def _of_layer(self, name: str, device: torch.device) -> tuple[Tensor, Cuts | None]:
        """Edges and cuts of a layer on the device."""
        if name not in self._on_device:
            cuts = None
            if self._cuts:
                pair, tails, _used, _many = self._cuts[name]
                arrays = (pair, tails, self._sides[name], self._names[name].astype(np.int64))
                cuts = Cuts(*(torch.from_numpy(np.ascontiguousarray(each)).to(device) for each in arrays))
            self._on_device[name] = torch.from_numpy(self._padded[name]).to(device), cuts
        return self._on_device[name]

    def _sums_of(self, name: str, device: torch.device) -> dict[str, Tensor]:
        """Room for a layer's sums on the device."""
        if name not in self._sums:
            layer = self.counts.layers[name]
            arrays = {f.name: getattr(layer, f.name) for f in fields(LayerCounts) if f.name not in AT_ONCE}
            self._sums[name] = {
                part: torch.zeros(array.shape, dtype=_kind(array), device=device)
                for part, array in arrays.items()
                if array.size
            }
        return self._sums[name]


def _kind(array: Array) -> torch.dtype:
    return torch.float64 if array.dtype == np.float64 else torch.int64
