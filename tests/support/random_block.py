"""A random block of images with labels, edges and thresholds, for tests of counting."""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import torch
from numpy.typing import NDArray

from analysis.counting.counts import Counts, LayerCounts
from analysis.counting.edges import Edges, snapped
from analysis.counting.formulas import Formula
from analysis.counting.replicas import CANDIDATES
from analysis.counting.tally import Tally, empty_ceiling
from analysis.counting.thresholds import LayerThresholds, Thresholds
from analysis.counting.top_images import Best, TopImages, kept_size
from analysis.shared.bilinear import axis

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
        if seed % 4 == 0:  # every pixel has a concept
            self.labels = np.maximum(self.labels, 1)
        quantiles = np.sort(random.normal(size=(self.units, 20)).astype(np.float32), axis=1)
        self.edges = Edges({LAYER: snapped(quantiles)}, tuple(range(20)))
        several = int(random.integers(0, 4)) if self.concepts > 1 else 0
        self.formulas = tuple(
            Formula(*random.permutation(self.concepts)[:2].tolist(), bool(random.random() < 0.5))
            for _ in range(several)
        )
        self.columns = self.concepts + several  # of evaluation counts
        pair = random.integers(-1, 20, (self.units, self.columns)).astype(np.int16)
        tails = random.integers(-1, 20, (self.units, 2)).astype(np.int16)
        masks = random.random((self.columns, *grid)) < 0.4
        self.thresholds = chosen(random, pair, tails, masks, self.edges.hash, self.formulas)

    @property
    def layer_edges(self) -> Array:
        return self.edges.layers[LAYER].edges

    def empty(self, evaluation: bool = True) -> Counts:
        grid, bins = self.labels.shape[2:], self.layer_edges.shape[1] + 1
        columns = self.columns if evaluation else self.concepts
        layers = {LAYER: LayerCounts.zeros(self.units, columns, bins, evaluation)}
        about = {"edges": self.edges.hash, "replica_rate": 0.7, "thresholds": "some" if evaluation else None}
        counts = Counts.zeros(about, grid, columns, layers, evaluation)
        counts.ranges = [(0, len(self.r))]
        counts.ceiling = empty_ceiling([self.r.shape[2:]], grid, columns)
        counts.top_images = TopImages({LAYER: Best.empty(self.units, *kept_size(self.r.shape[2:], grid))})
        return counts

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

    def shown(self, evaluation: bool = True) -> Array:
        """(n, C, H, W) 0/1 of the concepts, and in evaluation of the formulas behind them."""
        single = [(self.labels == c + 1).any(axis=1) for c in range(self.concepts)]
        composed = [
            single[a] & ~single[b] if negated else single[a] | single[b] for a, b, negated in self.formulas
        ]
        return np.stack([*single, *(composed if evaluation else [])], axis=1).astype(np.int64)


def chosen(
    random: np.random.Generator,
    pair: Array,
    tails: Array,
    masks: Array,
    edges: str,
    composed: tuple[Formula, ...] = (),
) -> Thresholds:
    """Thresholds as a calibration might choose them, with random sides, possible names and formulas."""
    units, concepts = pair.shape
    side = np.where(pair >= 0, random.choice([-1, 1], pair.shape), 1).astype(np.int8)
    candidates = np.full((units, CANDIDATES), -1, np.int16)
    for unit in range(units):
        some = random.permutation(np.flatnonzero(pair[unit] >= 0))[:CANDIDATES]
        candidates[unit, : len(some)] = some
    score = np.where(pair >= 0, random.random(pair.shape), np.nan)
    composition = np.full(units, -1, np.int16)
    for unit in range(units if composed else 0):
        column = concepts - int(random.integers(1, len(composed) + 1))
        composition[unit] = column if pair[unit, column] >= 0 else -1
    layer = LayerThresholds(pair, side, tails, score, candidates, composition)
    return Thresholds({LAYER: layer}, masks, random.random(concepts), 5, edges, composed)


cases = st.builds(
    Case,
    seed=st.integers(0, 10**6),
    images=st.integers(1, 13),
    maps=st.integers(1, 2),
    cells=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    grid=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
