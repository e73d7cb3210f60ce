"""Statistical acceptance: how often a unit is named falsely, a true one is found, an interval covers.

Skewed areas, places that depend on the concept, images of different contrast, concepts in 5 to 100 % of
images.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis import latents
from analysis.counting.counts import Counts, LayerCounts
from analysis.counting.edges import Edges, from_sample, tails
from analysis.counting.passes import sample
from analysis.counting.plan import BLOCK, Plan
from analysis.counting.tally import Tally
from analysis.counting.thresholds import choose
from analysis.counting.top_images import Best, TopImages
from analysis.dissection import significance
from analysis.dissection.dissection import dissect
from analysis.dissection.scores import Scores, score
from analysis.models import generators, segmenters
from analysis.shared.concepts import Concept
from db.schema.naming_rule import NamingRule

pytestmark = pytest.mark.slow

Array = NDArray[Any]
LAYER, SIDE, UNITS = "layer1", 16, 64
PRESENCE = np.array([1, 0.9, 0.6, 0.3, 0.12, 0.05])
PLACES = np.array([[8, 3], [4, 10], [12, 10], [8, 8], [5, 13], [11, 5]], float)
CONCEPTS = len(PRESENCE)
REPEATS = 200


def error(rate: float, repeats: int) -> float:
    """Twice the Monte-Carlo error of a rate."""
    return 2 * float(np.sqrt(rate * (1 - rate) / repeats))


def blobs(random: np.random.Generator, images: int, places: Array, spread: float, size: float) -> Array:
    y, x = np.mgrid[:SIDE, :SIDE]
    middle = places + spread * random.normal(size=(images, *places.shape))
    wide = size * np.exp(0.5 * random.normal(size=(images, len(places))))
    far = (x - middle[..., 0, None, None]) ** 2 + (y - middle[..., 1, None, None]) ** 2
    return np.exp(-far / (2 * wide[..., None, None] ** 2))


def drawn_labels(random: np.random.Generator, images: int) -> Array:
    """Two maps of three concepts each, of skewed area, each about its own place."""
    shown = blobs(random, images, PLACES, 2.0, 1.8) > 0.5
    shown &= (random.random((images, CONCEPTS)) < PRESENCE)[..., None, None]
    labels = np.zeros((images, 2, SIDE, SIDE), np.uint8)
    for concept in range(CONCEPTS):
        labels[:, concept % 2][shown[:, concept]] = concept + 1
    return labels


def drawn_units(random: np.random.Generator, images: int, units: int) -> Array:
    """Maps that know nothing of the labels, but have places of their own and images of different contrast."""
    places = np.random.default_rng(5).uniform(2, 14, (units, 2))
    contrast = np.exp(0.7 * random.normal(size=(images, units)))[..., None, None]
    maps = contrast * blobs(random, images, places, 2.5, 2.0)
    maps += 0.5 * blobs(random, images, places[::-1], 3.0, 1.5) - 0.15
    return np.maximum(maps + 0.02 * random.normal(size=maps.shape), 0).astype(np.float32)


def planted_units(random: np.random.Generator, labels: Array, units: int, strength: float) -> Array:
    """The same, with one of the four commoner concepts faintly added to each."""
    maps = drawn_units(random, len(labels), units)
    for unit in range(units):
        shown = (labels == unit % 4 + 1).any(axis=1)
        maps[:, unit] += strength * shown * np.exp(0.5 * random.normal(size=(len(labels), 1, 1)))
    return maps


@dataclass
class World:
    """One repetition: images drawn anew; the first `planted` units follow a concept."""

    seed: int
    planted: int = 0
    strength: float = 0.5
    images: int = 256

    def scores(self) -> Scores:
        random = np.random.default_rng(self.seed)
        maps, labels = self._drawn(random)
        values = from_sample(sample(torch.from_numpy(maps[:BLOCK]), (SIDE, SIDE), 256), tails(64))
        edges = Edges({LAYER: values}, tails(64))
        calibration = self._empty(edges, evaluation=False)
        self._add(Tally(calibration, edges, None, 1), maps, labels)
        thresholds = choose(calibration)
        evaluation = self._empty(edges, evaluation=True, formulas=len(thresholds.formulas))
        self._add(Tally(evaluation, edges, thresholds, 1), *self._drawn(random))
        plan = Plan.make(self.images, self.images)
        return score(LAYER, plan, edges, thresholds, calibration, evaluation)

    def _drawn(self, random: np.random.Generator) -> tuple[Array, Array]:
        labels = drawn_labels(random, self.images)
        null = drawn_units(random, self.images, UNITS - self.planted)
        if not self.planted:
            return null, labels
        known = planted_units(random, labels, self.planted, self.strength)
        return np.concatenate([known, null], axis=1), labels

    def _empty(self, edges: Edges, evaluation: bool, formulas: int = 0) -> Counts:
        about = {
            "edges": edges.hash,
            "layers": {LAYER: ["", UNITS, SIDE, SIDE, 1]},
            "replica_rate": 1.0 if evaluation else None,
        }
        layers = {LAYER: LayerCounts.zeros(UNITS, CONCEPTS + formulas, edges.layers[LAYER].bins, evaluation)}
        counts = Counts.zeros(about, (SIDE, SIDE), CONCEPTS + formulas, layers, evaluation)
        counts.ranges = [(0, self.images)]
        counts.top_images = TopImages({LAYER: Best.empty(UNITS, SIDE, SIDE)})
        return counts

    def _add(self, tally: Tally, maps: Array, labels: Array) -> None:
        for first in range(0, self.images, BLOCK):
            part = slice(first, first + BLOCK)
            features = {LAYER: torch.from_numpy(maps[part])}
            tally.add(first, features, labels[part], lambda _: np.zeros((1, 1, 3), np.uint8))


def named(scores: Scores) -> Array:
    """Units that are detectors: evaluation images confirm their name."""
    return (scores.label & scores.detector).any(axis=1)


def test_units_that_know_nothing_are_named_in_at_most_one_run_of_twenty() -> None:
    any_named = [named(World(seed).scores()).any() for seed in range(REPEATS)]
    print(f"\nruns with a falsely named unit: {np.mean(any_named):.3f} of {REPEATS}")
    assert np.mean(any_named) <= 0.05 + error(0.05, REPEATS)


def test_among_planted_units_few_names_are_false_and_most_are_found() -> None:
    repeats, planted = REPEATS // 4, 16
    false, found, composed = [], [], []
    for seed in range(repeats):
        scores = World(10_000 + seed, planted).scores()
        units = named(scores)
        composed.append((scores.composition.column >= 0).sum())
        false.append(units[planted:].sum() / max(units.sum(), 1))
        follows = (scores.q_value <= 0.05).any(axis=1)
        found.append((follows[:planted].mean(), units[:planted].mean()))
    follow, detect = np.mean(found, axis=0)
    print(f"\nfalse names: {np.mean(false):.4f}; found to follow: {follow:.4f}, detectors: {detect:.4f}")
    assert np.mean(false) <= 0.05
    assert follow >= 0.9
    assert detect >= 0.75, "a detector has to beat the best constant mask, too"
    assert np.sum(composed) <= 0.01 * repeats * UNITS, "all follow one concept or none, and no formula"


class Strangers:
    """Labels of a generator's images by the latents of another seed: true nulls with the right statistics."""

    def __init__(self, generator: Any, segmenter: Any, seed: int) -> None:
        self._generator, self._segmenter, self._seed, self._next = generator, segmenter, seed, 0
        self.concepts: Sequence[Concept] = segmenter.concepts

    def labels(self, images: Tensor) -> Tensor:
        first, self._next = self._next, self._next + len(images)
        z = latents(self._seed, first, self._next, self._generator.latent_shape)
        return self._segmenter.labels(self._generator.images(z))

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return self._segmenter.probability(images, concept)


def test_label_maps_of_an_independent_latent_stream_name_nothing() -> None:
    generator = generators.load("planted", Path("unused"))
    segmenter = segmenters.load("planted", Path("unused"))
    false = {"paper": 0.0, "lift": 0.0}
    for seed in range(REPEATS):
        strangers = Strangers(generator, segmenter, seed=50_000 + seed)
        frame = dissect(generator, strangers, images=128, calibration=64, seed=seed).frame()
        names, largest = frame[frame["label"]], frame[frame["largest_iou"]]
        false["paper"] += NamingRule("paper").of_frame(largest).any() / REPEATS
        sure = NamingRule("lift").of_frame(names).groupby(names["layer"]).any()
        false["lift"] += sure.sum() / frame["layer"].nunique() / REPEATS
    print(f"\nlayers with a falsely named unit: {false}")
    assert false["lift"] <= 0.05 + error(0.05, REPEATS)
    assert false["paper"] > 0.5, "place alone passes the paper's rule"


def pairs(
    random: np.random.Generator, images: int, presence: float, skew: float
) -> tuple[Array, Array, Array]:
    """Intersections and unions of images with log-normal areas; absent concepts have a union too."""
    shown = random.random(images) < presence
    area = shown * np.minimum(np.exp(4 + skew * random.normal(size=images)), 3000)
    both = np.floor(area * random.beta(2, 2, images))
    false = np.minimum(np.exp(3 + skew * random.normal(size=images)), 1000)
    false *= random.random(images) < 0.7
    return both.astype(np.int64), (np.floor(area) + np.floor(false)).astype(np.int64), shown


def spreads(repeats: int, images: int, presence: float, skew: float) -> Iterator[tuple[Array, int]]:
    random = np.random.default_rng(1)
    for _ in range(repeats):
        a, b, shown = pairs(random, images, presence, skew)
        yield np.array([a.sum(), b.sum(), (a * a).sum(), (a * b).sum(), (b * b).sum()]), int(shown.sum())


@pytest.mark.parametrize(
    ("images", "presence", "skew", "least", "most"),
    [
        (200, 1.0, 0.5, 0.93, 0.97),
        (200, 1.0, 1.0, 0.93, 0.97),
        (400, 0.5, 1.0, 0.93, 0.97),
        (1000, 0.2, 1.0, 0.93, 0.97),
        (1000, 1.0, 1.3, 0.93, 0.97),
        (50, 1.0, 1.0, 0.9, 1.0),
        (100, 0.5, 1.3, 0.9, 1.0),
        (500, 0.1, 1.0, 0.9, 1.0),
    ],
)
def test_intervals_cover(images: int, presence: float, skew: float, least: float, most: float) -> None:
    a, b, _ = pairs(np.random.default_rng(0), 4_000_000, presence, skew)
    truth, repeats = a.sum() / b.sum(), 2000
    sums, shown = zip(*spreads(repeats, images, presence, skew), strict=True)
    low, high = significance.interval(np.stack(sums), np.array(shown))
    known = np.isfinite(low)
    covered = float(((low <= truth) & (truth <= high))[known].mean())
    print(f"\n{images} images, {presence:.0%} with the concept, skew {skew}: {covered:.4f} covered")
    assert least - error(least, repeats) <= covered <= most + error(most, repeats)
