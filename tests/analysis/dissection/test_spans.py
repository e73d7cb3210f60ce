"""Spans: a plan covers what is missing exactly once, and any split has the counts of one process."""

from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from analysis.counting.counts import Counts
from analysis.counting.edges import Edges
from analysis.counting.passes import Source, count_from, pilot_from
from analysis.counting.plan import BLOCK, Plan
from analysis.counting.thresholds import Thresholds, choose
from analysis.dissection.spans import Span, missing, plan, size_of
from analysis.models import generators, segmenters

KEY = "0123456789ab" + "0" * 52
blocks = st.integers(0, 40)


def latents(spans: list[Span]) -> list[int]:
    return [number for span in spans for number in range(span.start, span.stop)]


@given(
    st.integers(1, 40 * BLOCK),
    st.lists(st.tuples(blocks, blocks)),
    st.lists(st.tuples(blocks, blocks)),
    st.integers(1, 9),
)
def test_a_plan_has_each_missing_image_once(
    images: int, counted: list[tuple[int, int]], found: list[tuple[int, int]], size: int
) -> None:
    whole = (BLOCK, BLOCK + images)
    ranges = [(BLOCK * min(a, b), min(BLOCK * max(a, b), whole[1])) for a, b in counted if a != b]
    left = [Span("evaluation", KEY, BLOCK * min(a, b), BLOCK * max(a, b)) for a, b in found if a != b]
    known = {number for start, stop in ranges for number in range(start, stop)}
    spans = plan("evaluation", KEY, whole, ranges, left, size * BLOCK)
    assert latents(spans) == [number for number in range(*whole) if number not in known]
    for span in spans:
        assert span.start % BLOCK == 0
        assert span.stop % BLOCK == 0 or span.stop == whole[1]
        assert span.images <= size * BLOCK or span in left
        assert Span.named(span.name) == Span("evaluation", KEY[:12], span.start, span.stop)


def test_what_is_no_span_has_no_name() -> None:
    assert Span.named("evaluation-0123456789ab-000000064") is None


@given(st.floats(0, 1e6), st.floats(0, 1e3))
def test_a_span_has_whole_blocks(seconds: float, pace: float) -> None:
    assert size_of(seconds, pace) % BLOCK == 0
    assert size_of(seconds, pace) >= BLOCK


def test_missing_ranges_end_with_the_whole() -> None:
    assert missing((64, 128), [(0, 640)]) == []
    assert missing((64, 256), [(128, 192)]) == [(64, 128), (192, 256)]


class Case:
    """A run of the planted generator: what one process counts, and what each block counts."""

    def __init__(self) -> None:
        self.plan = Plan.make(images=600, calibration=200, seed=3)
        models = generators.load("planted", None), segmenters.load("planted", None)
        self.source = Source(*models, self.plan, None)
        self.edges: Edges = pilot_from(self.source)
        calibration = count_from(self.source, self.plan.calibration, self.edges)
        self.thresholds: Thresholds = choose(calibration)
        self.whole = {"calibration": calibration, "evaluation": self.count(self.plan.evaluation, True)}

    def count(self, span: tuple[int, int], evaluation: bool) -> Counts:
        return count_from(self.source, span, self.edges, self.thresholds if evaluation else None)


@pytest.fixture(scope="module")
def case() -> Case:
    return Case()


@settings(max_examples=15)
@given(
    st.sampled_from(["calibration", "evaluation"]),
    st.sets(st.integers(1, 9)),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_any_split_in_any_order_has_the_counts_of_one_process(
    case: Case, part: str, cuts: set[int], chance: Random, tree: bool
) -> None:
    evaluation = part == "evaluation"
    start, stop = case.plan.evaluation if evaluation else case.plan.calibration
    places = [start, *(start + BLOCK * cut for cut in sorted(cuts) if start + BLOCK * cut < stop), stop]
    with TemporaryDirectory() as folder:
        parts = []
        for first, last in pairwise(places):
            file = Path(folder) / f"{first}.npz"
            case.count((first, last), evaluation).save(file)
            parts.append(Counts.load(file))
    chance.shuffle(parts)
    while len(parts) > 1:
        merged = parts.pop(0).merge(parts.pop(0))
        parts.insert(len(parts) if tree else 0, merged)
    same(parts[0], case.whole[part])


def same(found: Counts, whole: Counts) -> None:
    """Every array is equal, bit by bit."""
    assert found.ranges == whole.ranges
    assert found.about == whole.about
    arrays = ("places", "odd", "overlap", "areas", "shown", "constant", "constant_replicas")
    for name in arrays:
        np.testing.assert_array_equal(getattr(found, name), getattr(whole, name), err_msg=name)
    for name, layer in whole.layers.items():
        for part, array in vars(layer).items():
            np.testing.assert_array_equal(getattr(found.layers[name], part), array, err_msg=part)
    for name, array in whole.ceiling.items():
        np.testing.assert_array_equal(found.ceiling[name], array, err_msg=name)
    for name, best in whole.top_images.layers.items():
        for part, array in vars(best.ordered()).items():
            ours = vars(found.top_images.layers[name].ordered())[part]
            np.testing.assert_array_equal(ours, array, err_msg=part)
