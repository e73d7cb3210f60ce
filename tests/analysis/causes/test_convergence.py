"""When a learning rests, what it keeps, and how its penalty is chosen: against scripts of losses."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from analysis.causes.convergence import LADDER, StopLosses, choose_weight, floored
from analysis.causes.settings import CausesSettings
from analysis.shared.arrays import Arrays


def looked(losses: list[float], patience: int = 2, weight: float = 1.0) -> tuple[Arrays, int]:
    """A learning whose stopping losses are these, and how many looks it took to rest.

    A squared penalty of one unit of alpha 1 is the weight, so that the effect is the weight minus the loss.
    """
    script: Iterator[float] = iter([*losses, 0.0])
    settings = CausesSettings(patience=patience, penalty="squared")
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


def test_the_gain_is_that_of_what_is_kept() -> None:
    def effect(alpha: Tensor) -> float:
        return float(0.3 * alpha.sum() + 0.05)

    acting, idle = StopLosses(CausesSettings(), 0.1, effect), StopLosses(CausesSettings(), 0.1, effect)
    acting.add(0, torch.tensor([0.5, 0.009]), 0.0)
    idle.add(0, torch.tensor([0.009, 0.009]), 0.0)
    assert float(acting.result()["gain"]) == pytest.approx(0.15)
    assert float(idle.result()["gain"]) == 0
    assert not idle.result()["alpha"].any()


@pytest.mark.parametrize(
    ("gains", "chosen", "tried"),
    [
        ([0.5, 0.55, 9, 9, 9], 0, 2),  # the heaviest, where half of it gains less than a fifth more
        ([0.5, 0.7, 0.8, 9, 9], 1, 3),
        ([0, 0, 0.1, 0.11, 9], 2, 4),  # what gains nothing is no reason to stop
        ([0, -0.1, 0, 0.1, 0.2], 4, 5),
        ([0, 0, 0, 0, 0], 0, 5),
        ([-0.2, 0, 0.1, 0, 9], 2, 4),
    ],
)
def test_the_heaviest_penalty_that_lets_the_units_act(gains: list[float], chosen: int, tried: int) -> None:
    def learned(weight: float) -> Arrays:
        return {"gain": np.array(gains[LADDER.index(weight)]), "weight": np.array(weight)}

    found = choose_weight(learned)
    assert float(found["weight"]) == LADDER[chosen]
    assert [weight for weight, _ in found["tried"]] == list(LADDER[:tried])
