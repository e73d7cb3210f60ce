"""One plain sentence for each study's finding: what it says, and that a null effect is told as null."""

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.discoveries import sentences

RUN = {"layer": "layer3", "concept": "door"}
OWN = {"top_units": 8, "removed": 0.48, "removed_low": 0.38, "removed_high": 0.57, "acting_units": 20}
PLACED = {
    **{"concept": "door", "strength": "k", "units": 8, "locations": 1326},
    **{"effect": 0.08, "effect_low": 0.05, "effect_high": 0.11},
    **{"random_effect": 0.0, "random_effect_low": -0.01, "random_effect_high": 0.01},
}
CONTEXTS = pd.DataFrame(
    {
        "strength": ["k", "k", "k", "2k"],
        "context": ["building", "grass", "dome", "sky"],
        "locations": [300, 900, 20, 900],
        "images": [40, 48, 12, 48],
        "row_effect": [0.3, -0.1, 0.9, 0.5],
        "row_effect_low": [0.2, -0.2, 0.5, 0.4],
    }
)


def curve(p: float | None, sets: int | None = 99) -> pd.DataFrame:
    one = {"ranking": "ace", "edit": "ablate", "units": 8, "as_good": p, "compared_sets": sets}
    return pd.DataFrame([one, {**one, "units": 4, "as_good": 0.5}, {**one, "ranking": "iou"}])


def test_a_cause_is_told_with_its_share_its_interval_and_random_sets() -> None:
    assert sentences.causes(RUN, OWN, curve(0.01)) == (
        "Switching off 8 units of layer3 removes **about half** of all door pixels (48%, 38% to 57%). None "
        "of 99 random sets of as many units removes as much."
    )
    no_word = OWN | {"removed": 0.59, "removed_low": 0.51, "removed_high": 0.68}
    assert "**59%** of all door pixels (51% to 68%)" in sentences.causes(RUN, no_word, curve(0.01))
    assert sentences.causes(RUN, OWN, curve(0.03)).endswith("more than most random sets of units (p = 0.03).")


@pytest.mark.parametrize(
    ("own", "p", "said"),
    [
        ({}, 0.3, "but random units may do as much (p = 0.3)"),
        ({}, None, "Random units were not measured"),
        (
            {"removed": 0.02, "removed_low": -0.03, "removed_high": 0.06},
            0.01,
            "removes no door that can be measured",
        ),
        (
            {"removed": -0.5, "removed_low": -0.7, "removed_high": -0.2},
            0.01,
            "adds to door instead of removing it",
        ),
        ({"removed": None}, 0.01, "No unit of layer3 was found to cause door"),
        ({"acting_units": 0}, 0.01, "No unit of layer3 was found to cause door"),
    ],
)
def test_what_is_no_cause_is_not_told_as_one(own: dict[str, Any], p: float | None, said: str) -> None:
    assert said in sentences.causes(RUN, OWN | own, curve(p))


@given(
    removed=st.floats(-2, 1),
    width=st.floats(0.001, 1),
    p=st.none() | st.floats(0.001, 1),
    sets=st.integers(1, 200),
)
def test_no_sentence_boasts_of_an_effect_that_may_be_none(
    removed: float, width: float, p: float | None, sets: int
) -> None:
    own = OWN | {"removed": removed, "removed_low": removed - width, "removed_high": removed + width}
    said = sentences.causes(RUN, own, curve(p, sets))
    sure = removed - width > 0 and p is not None and p <= sentences.CHANCE
    assert ("random sets of" in said or "random set of" in said) == sure


def test_an_insertion_is_told_with_its_size_random_units_and_where_it_works_best() -> None:
    assert sentences.context(RUN, PLACED, CONTEXTS) == (
        "Forcing on 8 units of layer3 at 1,326 places, one by one, makes door appear: +0.08 of a cell each "
        "time, +0.05 to +0.11; random units +0. It appears most easily on **building**."
    )


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"effect": 0.0, "effect_low": 0.0, "effect_high": 0.0}, "makes **no door** that can be measured"),
        ({"effect": 0.01, "effect_low": -0.01}, "random units make none either"),
        ({"random_effect": 0.2, "random_effect_high": 0.3}, "makes no more door than random units do"),
        ({"effect": -0.1, "effect_low": -0.2, "effect_high": -0.05}, "takes door away"),
        ({"random_effect": None}, "random units were not measured"),
    ],
)
def test_an_insertion_that_adds_nothing_is_told_as_null(own: dict[str, Any], said: str) -> None:
    assert said in sentences.context(RUN, PLACED | own, CONTEXTS)


def effects(**last: float | None) -> pd.DataFrame:
    row = {"metric": "FID_inf", "ranking": "ablation", "before": 0.2, "fall_error": 0.01, "as_good": 0.02}
    rows = [
        row | {"units": 1, "after": 0.19, "fall": 0.01},
        row | {"units": 20, "after": 0.1, "fall": 0.1} | last,
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("last", "said"),
    [
        (
            {},
            "Without the 20 most suspect units of layer3 the **images get better** (the distance",
        ),
        ({"as_good": 0.4}, "but random units may do as much (p = 0.4)"),
        ({"as_good": None}, "random units were not measured"),
        ({"fall": 0.015}, "**No artifact units** were found in layer3"),
        (
            {"fall": -0.3, "after": 0.5},
            "the images get worse (the distance to the reference goes from 0.2 to 0.5)",
        ),
    ],
)
def test_artifact_units_are_told_as_such_only_where_images_get_better(
    last: dict[str, float | None], said: str
) -> None:
    assert said in sentences.artifacts(RUN, effects(**last))


def test_names_from_elsewhere_are_no_markdown() -> None:
    said = sentences.causes({"layer": "layer3", "concept": "**[x](y)**"}, OWN, curve(0.01))
    assert r"\*\*\[x\]" in said
