"""The sentences of the Causes page, and which rows it shows."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from dashboard.widgets import findings
from dashboard.widgets.rows import rows

RUN = {"run_id": "a-1", "parent_run_id": "p", "layer": "layer3", "concept": "tree", "images": 64}
OWN = {
    **{"effect": 0.2, "effect_low": 0.1, "effect_high": 0.3, "removed": 0.9, "removed_low": 0.8},
    **{"removed_high": 1.0, "uniform_effect": None, "uniform_low": None, "uniform_high": None},
    **{"top_units": 8, "seeds": 3, "acting_units": 5, "acting_most": 4, "ablate_kind": "zero"},
}


ALPHAS = pd.DataFrame({"rank": range(1, 8), "alpha": [1.0, 0.9, 0.5, 0.4, 0.01, 0.01, 0.0]})


def curve(**p_values: float | None) -> pd.DataFrame:
    """The rows of the first eight units, and of one; p-values by edit."""
    rows = [
        {
            **{"ranking": ranking, "units": units, "edit": edit, "as_good": p_values.get(edit)},
            **{"compared_sets": 50, "effect": 0.2, "effect_low": 0.1, "effect_high": 0.3},
        }
        for ranking in ("ace", "iou")
        for units in (1, 8)
        for edit in ("ablate", "insert", "both")
    ]
    return pd.DataFrame(rows)


def test_the_finding_tells_removed_and_added_each_beside_random_sets() -> None:
    said = findings.sentence(RUN, OWN, curve(ablate=1 / 51, insert=0.4))
    assert (
        "Switching off the first **8 units** (to 0) removes **90% (80% to 100%)** of all tree pixels, more "
        "than any of 50 random sets (p = 0.02)." in said
    )
    assert "adds 20.0% (10.0% to 30.0%) of all pixels, but random sets do as much (p = 0.4)" in said
    assert "At one random cell" not in said  # it was not measured
    some = findings.sentence(RUN, OWN, curve(ablate=2.5 / 51, insert=None))
    assert "more than most random sets (p = 0.049)" in some
    assert "of all pixels. It was" in some
    few = curve(ablate=1 / 5, insert=0.9).assign(compared_sets=4.0)
    few.loc[few.edit == "insert", "effect"] = -0.3
    said = findings.sentence(RUN, OWN, few)
    assert "more than any of 4 random sets, too few to be sure (p = 0.2)" in said
    assert "adds nothing: the change is -30.0%" in said


def test_a_null_is_told_as_one() -> None:
    none = {"removed": 0.01, "removed_low": -0.02, "removed_high": 0.03}
    none |= {"uniform_effect": -0.0001, "uniform_low": -0.001, "uniform_high": 0.002}
    rows = curve(ablate=1 / 51, insert=0.4).assign(effect=0.00005, effect_low=-0.00086, effect_high=0.00095)
    said = findings.sentence(RUN, OWN | none, rows)
    assert "removes **no tree that can be measured**: 1.0% (-2.0% to 3.0%) of its pixels." in said
    assert "adds none that can be measured: 0.0050% (-0.0860% to 0.0950%) of all pixels" in said
    assert "of the cell, so none can be measured." in said
    assert "-0%" not in said
    assert "p = " not in said


def test_the_finding_says_what_is_missing_with_a_dash_and_when_0_is_not_off() -> None:
    none = curve()
    added = findings.sentence(RUN, OWN | {"removed": -1.5}, none)
    assert added.endswith("queue the job again with `--ablate off`.")
    off = findings.sentence(RUN, OWN | {"removed": -1.5, "ablate_kind": "off"}, none)
    assert off.endswith("So to ablate these units adds to the concept.")
    assert "off state" not in findings.sentence(RUN, OWN | {"removed": -1.5, "ablate_kind": "mean"}, none)
    nothing = OWN | {"removed": None, "removed_low": None, "removed_high": None, "ablate_kind": "mean"}
    said = findings.sentence(RUN, nothing, none[:0])
    assert "Setting the first **8 units** to their means removes **-** of all tree pixels. It was" in said


@pytest.mark.parametrize(
    ("facts", "stopped", "overlap", "sure", "word"),
    [
        ({}, 3, 0.75, True, "which share 75% of the first 4 units"),  # not of 8, of which four act at most
        ({}, 3, 0.5, False, "unreliable"),
        ({}, 2, 0.9, False, "more steps"),
        ({}, 3, 1.0, True, "Learned from 3 random starts, which agree on the first 4 units"),
        ({}, 3, np.nan, False, "unreliable"),
        ({"acting_units": 0, "acting_most": 0}, 3, 0.0, False, "No unit acts"),
    ],
)
def test_doubt_is_about_the_units_that_act(
    facts: dict[str, Any], stopped: int, overlap: float, sure: bool, word: str
) -> None:
    table = pd.DataFrame({"units": [4, 8], "overlap": [overlap, 0.1]})
    found, said = findings.reliability(OWN | facts, stopped, table, ALPHAS)
    assert found is sure
    assert word in said


def test_random_sets_that_do_as_much_are_counted() -> None:
    facts = {"units": 8, "sets": [1, 1, 50], "energy": [1, 1.2, 0.63], "as_good": [1 / 51, 11.5 / 51, np.nan]}
    facts["compared_sets"] = [50, np.nan, np.nan]
    part = pd.DataFrame({"ranking": ["ace", "iou", "random"], **facts})
    said = findings.random_sets(part, 8)
    assert said.startswith("Random sets of 8 units that do as much")
    assert "learned (ACE): 0 of 50 (p = 0.02); IoU: 10.5 of 50 (p = 0.23)" in said
    assert "0.63 times that of the learned" in said
    assert "p cannot be smaller than 0.02" in said
    few = part.assign(compared_sets=[4, 4, np.nan], as_good=[1 / 5, 1 / 5, np.nan])
    assert "p cannot be smaller than 0.2." in findings.random_sets(few, 8)
    assert "show" in findings.random_sets(part.assign(as_good=np.nan), 8)
    assert findings.random_sets(part[:2], 8) == "No random sets were measured."


def test_random_sets_are_compared_with_marked_units_at_their_own_number() -> None:
    part = pd.DataFrame({"ranking": ["ace", "ace", "hand", "hand"], "units": [2, 8, 0, 2]})
    assert findings.numbers_of_units(part, 8) == [2, 8]
    assert findings.numbers_of_units(part[:2], 8) == [8]


def test_a_concept_has_one_row_in_the_matrix() -> None:
    found = pd.DataFrame(
        {
            "run_id": ["a-2", "a-1", "b-2", "b-1", "c-1", "d-1"],  # newest first
            "concept": ["tree", "tree", "door", "door", "dome", "window"],
            "parent_run_id": ["p", "p", "p", "p", "p", "q"],
            "layer": ["layer3", "layer3", "layer3", "layer3", "layer2", "layer3"],
        }
    )
    assert findings.newest_per_concept(RUN, found) == ["a-1", "b-2"]


def test_of_two_numbers_as_near_the_smaller_is_shown() -> None:
    frame = pd.DataFrame({"run_id": list("aaaabb"), "units": [4, 4, 8, 8, 2, 7], "affected": list("xyxyxx")})
    shown = rows(findings.nearest(frame, 6))
    assert [(row["run_id"], row["units"]) for row in shown] == [("a", 4), ("a", 4), ("b", 7)]
