"""Few images that stand for all of a sample, and units that were scored on some of them."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from analysis.causes import statistics
from analysis.causes.effects import EditScores
from analysis.causes.single_units import Alone
from analysis.causes.spread import spread


@given(st.integers(0, 10_000), st.integers(2, 40), st.floats(0, 1))
@settings(max_examples=100)
def test_rows_are_different_and_their_weights_are_one_in_all(seed: int, count: int, share: float) -> None:
    shown = np.random.default_rng(seed).random(30) < share
    images = spread(shown, count)
    assert len(set(images.rows)) == len(images) == min(count, 30)
    assert np.array_equal(images.shown, shown[images.rows])
    for first in range(1, len(images) + 1):
        weights = images.weights(first)
        assert weights.sum() == pytest.approx(1)
        part = images.shown[:first]
        if shown.mean() >= 0.5:
            assert images.rows[:first].tolist() == list(range(first))
            assert np.ptp(weights) == 0
        elif part.any() and not part.all():
            assert (part @ weights) == pytest.approx(shown.mean())
            few = min(shown.sum(), first // 2)
            assert few <= part.sum() <= few + 1


def test_the_mean_of_few_images_is_that_of_all_on_average() -> None:
    """A rare concept: what is lost is lost where it is; elsewhere something else changes."""
    random, found = np.random.default_rng(1), []
    population = np.where(np.arange(400) < 40, 1.0, 0.02) * random.gamma(2, size=400)
    for _ in range(3000):
        drawn = random.permutation(400)[:128]
        images = spread(drawn < 40, 16)
        assert images.shown.sum() == min(8, (drawn < 40).sum())
        found.append(population[drawn[images.rows]] @ images.weights(16))
    assert np.mean(found) == pytest.approx(population.mean(), abs=4 * np.std(found) / np.sqrt(3000))


def alone(counts: list[int], shown: np.ndarray, random: np.random.Generator) -> Alone:
    """Units that were scored on the first few images; two concepts."""
    images = spread(shown, 12)
    before = np.where(images.shown, random.random(len(images)), 0)
    before = np.stack([before, random.random(len(images))], 1)[None]
    after = random.random((2, len(counts), len(images), 2))
    for unit, count in enumerate(counts):
        after[:, unit, count:] = np.nan
    one = after[..., 0]
    return Alone(EditScores(before=before, after=after, created=one, distance=one, realism=one), images)


@pytest.mark.parametrize("share", [0.2, 0.8])
def test_units_are_averaged_over_their_own_images(share: float) -> None:
    random = np.random.default_rng(3)
    shown = random.random(60) < share
    counts = [4, 12, 12, 4, 8]
    found = alone(counts, shown, random)
    assert found.images.tolist() == counts
    for unit, count in enumerate(counts):
        weights = found.spread.weights(count)
        before = found.scores.before[0, :count, 0]
        lost = before - found.scores.after[0, unit, :count, 0]
        assert found.effect("ablate", 0)[unit] == pytest.approx(lost @ weights)
        assert found.before(0)[unit] == pytest.approx(before @ weights)
        assert found.shown(0)[unit] == found.spread.shown[:count].sum()
        estimate = statistics.mean(lost * weights * count, found.shown(0)[unit])
        for value, expected in zip(found.estimate("ablate", 0), estimate, strict=True):
            assert value[unit] == pytest.approx(float(expected), nan_ok=True)


def test_intervals_of_a_rare_concept_cover_its_mean() -> None:
    """The concept is in a tenth of the images, and half of those that are scored show it."""
    random, inside = np.random.default_rng(5), []
    for _ in range(800):
        shown = random.random(256) < 0.1
        images = spread(shown, 32)
        lost = np.where(images.shown, random.lognormal(0, 0.7, len(images)), 0)
        if images.shown.sum() < 10:
            continue
        truth = shown.mean() * np.exp(0.7**2 / 2)
        scores = EditScores(
            before=lost[None, :, None],
            after=np.zeros((2, 1, len(images), 1)),
            created=np.zeros((2, 1, len(images))),
            distance=np.zeros((2, 1, len(images))),
            realism=np.zeros((2, 1, len(images))),
        )
        _, low, high = Alone(scores, images).estimate("ablate", 0)
        inside.append(low[0] <= truth <= high[0])
    assert len(inside) > 700
    assert np.mean(inside) >= 0.93


def test_scores_of_more_images_are_added() -> None:
    random = np.random.default_rng(7)
    few = alone([4, 4, 4], np.ones(20, bool), random)
    more = alone([12, 0, 12], np.ones(20, bool), random)
    joined = few.joined(more.scores)
    assert joined.images.tolist() == [12, 4, 12]
    assert np.array_equal(joined.scores.after[:, :, :4], few.scores.after[:, :, :4])
    assert np.array_equal(joined.scores.after[:, 0, 4:], more.scores.after[:, 0, 4:])
