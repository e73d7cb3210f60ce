"""When a learning rests, what it keeps, and how its penalty is chosen: against scripts of losses."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from analysis.causes.convergence import LADDER, StopLosses, choose_weight, floored, settled
from analysis.causes.settings import CausesSettings
from analysis.shared.arrays import Arrays


def looked(losses: list[float], patience: int = 2, weight: float = 1.0) -> tuple[Arrays, int]:
    """A learning whose stopping losses are these, and how many looks it took to rest.

    A squared penalty of one unit of alpha 1 is the weight, so that the effect is the weight minus the loss.
    """
    script: Iterator[float] = iter([*losses, 0.0])
    settings = CausesSettings(patience=patience, tolerance=0.01, penalty="squared")
    stop = StopLosses(settings, weight, lambda alpha: weight - next(script))
    for count in range(len(losses)):
        stop.add(10 * count, torch.tensor([1.0, 0.001]), float("nan"))
        if stop.flat():
            break
    return stop.result(), count + 1


def test_small_alphas_are_none() -> None:
    assert floored(torch.tensor([0.0, 0.0099, 0.01, 0.7])).tolist() == pytest.approx([0, 0, 0.01, 0.7])


def test_a_learning_rests_after_looks_without_a_gain() -> None:
    found, count = looked([1.0, 0.5, 0.499, 0.498, 0.1])
    assert count == 4  # two looks within .01 of the last gain
    assert found["stopped"].tolist() == [False, False, False, True]
    assert found["stop_loss"].tolist() == pytest.approx([1, 0.5, 0.499, 0.498])
    assert found["alpha"].tolist() == [1, 0]  # what is kept was floored


def test_gains_that_are_small_one_by_one_are_a_gain_together() -> None:
    creeping = [1 - 0.006 * step for step in range(12)]
    assert looked(creeping)[1] == 12  # .012 in two looks is a gain, though .006 is none
    assert looked([1 - 0.004 * step for step in range(12)])[1] == 3  # .008 in two looks is none


def test_the_gain_is_that_of_the_last_alpha() -> None:
    def effect(alpha: Tensor) -> float:
        return float(0.3 * alpha.sum() + 0.05)

    acting, idle = StopLosses(CausesSettings(), 0.1, effect), StopLosses(CausesSettings(), 0.1, effect)
    acting.add(0, torch.tensor([0.5, 0.009]), 0.0)
    idle.add(0, torch.tensor([0.009, 0.009]), 0.0)
    assert acting.gain == pytest.approx(0.15)
    assert idle.gain == 0
    assert not idle.result()["alpha"].any()


@pytest.mark.parametrize(
    ("gains", "chosen", "tried"),
    [
        ([0.5, 0.49, 0.45, 0.4, 0.35], 4, 5),  # each doubling costs less than a sixth
        ([0.303, 0.256, 0.128, 9, 9], 1, 3),
        ([0.3, 0.24, 9, 9, 9], 0, 2),  # the lightest, where doubling it costs a fifth
        ([0.1, 0.1, 0, 9, 9], 1, 3),
        ([0.1, 0.2, 0.3, 0.2, 9], 2, 4),
        ([0, 9, 9, 9, 9], 4, 1),  # nothing is gained, so that alpha shall go to 0
        ([-0.2, 9, 9, 9, 9], 4, 1),
    ],
)
def test_the_heaviest_penalty_that_lets_the_units_act(gains: list[float], chosen: int, tried: int) -> None:
    weight, found = choose_weight(lambda weight: gains[LADDER.index(weight)])
    assert weight == LADDER[chosen]
    assert [weight for weight, _ in found] == list(LADDER[:tried])


@pytest.mark.parametrize(
    ("gains", "enough"),
    [
        ([0.97], True),  # hardly less than the lighter weight's gain of 1
        ([0.9], False),
        ([0.9, 0.88], True),
        ([0.9, 0.86], False),
        ([0.9, 0.86, 0.83], True),  # costs more than a sixth
    ],
)
def test_a_weight_is_learned_until_its_gain_says_enough(gains: list[float], enough: bool) -> None:
    assert settled(gains, 1.0) is enough
