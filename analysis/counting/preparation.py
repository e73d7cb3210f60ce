"""Compiling all counting loops at once, by counting a block of tiny images: once per machine."""

import logging

import numpy as np
import torch

from analysis.counting.compilation import cold, note_ready
from analysis.counting.counts import Counts, LayerCounts
from analysis.counting.edges import Edges, from_sample, tails
from analysis.counting.passes import sample
from analysis.counting.replicas import CANDIDATES
from analysis.counting.tally import Tally, empty_ceiling
from analysis.counting.thresholds import LayerThresholds, Thresholds
from analysis.counting.top_images import Best, TopImages

log = logging.getLogger(__name__)
MESSAGE = "compiling the counting loops, once per machine"
UNITS, CELLS, GRID, IMAGES, LAYER = 3, 2, (4, 4), 9, "layer"  # one unit's arrays would have another layout


def prepare() -> None:
    """Compile the loops that are still to be compiled, and say so in the log."""
    if not cold():
        return
    log.info(MESSAGE)
    maps = torch.linspace(-1, 1, IMAGES * UNITS * CELLS**2).view(IMAGES, UNITS, CELLS, CELLS)
    maps[0, 0, 0, 0] = torch.nan  # there is a loop for what is not finite
    labels = (np.arange(IMAGES * 16) % 3).reshape(IMAGES, 1, *GRID).astype(np.uint8)
    wanted = tails(16)
    edges = Edges({LAYER: from_sample(sample(maps, GRID, 16), wanted)}, wanted)
    for thresholds in (None, _thresholds(edges)):
        counts = _empty(edges, thresholds)
        tally = Tally(counts, edges, thresholds, 1)
        tally.add(0, {LAYER: maps}, labels, lambda _row: np.zeros((1, 1, 3), np.uint8))
    note_ready()


def _thresholds(edges: Edges) -> Thresholds:
    pair, side = np.ones((UNITS, 2), np.int16), np.ones((UNITS, 2), np.int8)
    candidates = np.full((UNITS, CANDIDATES), -1, np.int16)
    candidates[:, 0] = 1
    nothing = np.full(UNITS, -1, np.int16)
    layer = LayerThresholds(pair, side, pair, np.ones((UNITS, 2)), candidates, nothing)
    return Thresholds({LAYER: layer}, np.ones((2, *GRID), bool), np.zeros(2), IMAGES, edges.hash)


def _empty(edges: Edges, thresholds: Thresholds | None) -> Counts:
    bins = edges.layers[LAYER].bins
    layers = {LAYER: LayerCounts.zeros(UNITS, 2, bins, thresholds is not None)}
    about = {"edges": edges.hash, "replica_rate": 1.0}
    counts = Counts.zeros(about, GRID, 2, layers, thresholds is not None)
    counts.ceiling = empty_ceiling([(CELLS, CELLS)], GRID, 2)
    counts.top_images = TopImages({LAYER: Best.empty(UNITS, CELLS, CELLS)})
    return counts
