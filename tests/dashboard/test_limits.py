"""What a causes run cannot tell, from frames; tests/analysis/causes/test_hard_causes.py asks real runs."""

from typing import Any

import pandas as pd
import pytest

from dashboard.widgets.limits import limits

RUN = {"concept": "tree"}
OWN = {"top_units": 2, "acting_units": 0, "removed": 0.9, "removed_low": 0.8, "ablate_kind": "zero"}
UNITS = pd.DataFrame(
    {
        **{"unit": range(6), "rank": range(1, 7), "alpha": 0.0, "relative_effect": 0.0, "effect_low": -1.0},
        **{"effect_high": 1.0, "choosing_effect": 0.0, "ablate_value": 0.0, "insert_value": 1.0},
    }
)
CURVE = pd.DataFrame({"ranking": "ace", "units": 2, "edit": ["ablate", "insert"], "effect_high": [0.9, 0.1]})


def unit(number: int, **facts: float) -> pd.DataFrame:
    """The units, one of them with other facts."""
    return UNITS.assign(
        **{name: UNITS[name].where(UNITS.unit != number, value) for name, value in facts.items()}
    )


def test_a_plain_run_has_no_limits() -> None:
    assert limits(RUN, OWN, CURVE, UNITS) == []


@pytest.mark.parametrize(
    ("own", "units", "said"),
    [
        ({"shown": 9, "images": 512}, UNITS, "Of 512 test images, all that were drawn, 9 images show tree"),
        ({"shown": 10, "images": 512}, UNITS, ""),
        ({"start_agreement": 0.4}, UNITS, "(agreement of their alphas: 40%)"),
        ({"start_agreement": 0.7}, UNITS, ""),
        ({"top_units": 3}, UNITS, "The layer has 6 units, so random sets of 3 also take"),
        ({"acting_units": 1}, UNITS, "the seeds agree does not say"),
        ({}, unit(4, relative_effect=0.3, effect_low=0.1, choosing_effect=0.2), "leaves out unit 4 (30%)"),
        ({}, unit(4, relative_effect=0.3, effect_low=0.1, choosing_effect=-0.2), ""),  # luck of test images
        ({}, unit(4, relative_effect=0.3, effect_low=-0.1, choosing_effect=0.2), ""),
        (
            {},
            unit(4, relative_effect=-0.3, effect_high=-0.1, choosing_effect=-0.2),
            "unit 4 (30%) alone adds",
        ),
        (
            {"ablate_kind": "off"},
            unit(4, ablate_value=1.0),
            "Unit 4 is the same with the concept and without",
        ),
        ({"ablate_kind": "off"}, unit(4, insert_value=0.0), ""),  # a dead unit
    ],
)
def test_each_limit_is_told_when_it_holds(own: dict[str, Any], units: pd.DataFrame, said: str) -> None:
    found = limits(RUN, OWN | own, CURVE, units)
    assert len(found) == bool(said)
    assert said in "".join(found)


@pytest.mark.parametrize(
    ("alone", "low", "high", "said"),
    [
        (0.45, 0.8, 1.0, "each has a part of its own"),
        (0.1, 0.8, 1.0, "they stand in for each other"),
        (0.9, 0.8, 1.0, "several of them are each needed"),
        (0.9, -0.1, 1.9, ""),  # what they remove together is not certain
        (0.3, 0.8, 1.0, ""),  # neither
    ],
)
def test_lone_effects_are_compared_with_what_is_certain(
    alone: float, low: float, high: float, said: str
) -> None:
    units = UNITS.assign(alpha=[1.0, 0.9, 0, 0, 0, 0], relative_effect=[alone, alone, 0, 0, 0, 0])
    found = limits(RUN, OWN | {"removed_low": low, "removed_high": high}, CURVE, units)
    assert len(found) == bool(said)
    assert said in "".join(found)


def test_an_insertion_that_removes_is_told() -> None:
    (said,) = limits(RUN, OWN, CURVE.assign(effect_high=-0.1), UNITS)
    assert said.startswith("Ablating these units removes tree, and inserting them does too")
