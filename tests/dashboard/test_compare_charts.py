"""The Compare page's charts are built from what may come, gaps included, and hold no number that is none."""

import json
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest

from dashboard.charts import compare as charts

ORDER = ["a · layer1", "a · layer2"]


def built(chart: alt.LayerChart) -> dict[str, Any]:
    """The chart as JSON, which has no NaN; an expression would hold it as text."""
    text = json.dumps(chart.to_dict(), allow_nan=False)
    assert "nan" not in text.replace("nanoseconds", "")
    return dict(json.loads(text))


@pytest.fixture
def tally() -> pd.DataFrame:
    frame = pd.DataFrame({"arm": ORDER, "layer": ["layer1", "layer2"], "units": 20, "named": [0, 5]})
    frame = frame.assign(share=[0.0, 0.25], share_low=[0.0, 0.11], share_high=[0.16, 0.47], detectors=0)
    frame = frame.assign(surely=[0, 4], perhaps=[0, 6], concepts=[0, 3], concepts_low=[0, 2], vocabulary=14)
    frame = frame.assign(concepts_high=[4.0, np.nan], training_steps=[1, 2])
    return frame.assign(training_images=[32.0, np.nan])


@pytest.fixture
def concepts() -> pd.DataFrame:
    frame = pd.DataFrame({"arm": np.repeat(ORDER, 2), "concept": ["tree", "sky"] * 2, "unit": 1})
    frame = frame.assign(score=[0.3, np.nan, 0.5, 0.9], iou=0.3, beats_mask=["yes", "", "perhaps", "no"])
    frame = frame.assign(score_low=np.nan, score_high=np.nan, mask_score=[0.2, np.nan, 0.2, 0.95])
    named = ["iou_low", "iou_high", "always_on", "mask_iou", "null_iou", "ceiling_iou", "over_ceiling"]
    frame = frame.assign(**dict.fromkeys(named, np.nan), training_steps=[1, 1, 2, 2])
    return frame.assign(training_images=[32, 32, 64, 64])


@pytest.mark.parametrize("value", ["share", "concepts"])
def test_bars_have_room_for_the_longest_interval(tally: pd.DataFrame, value: str) -> None:
    spec = built(charts.bars(tally, ORDER, value, "units"))
    domain = spec["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert domain[0] == 0
    assert domain[1] > tally[f"{value}_high"].max()
    assert spec["height"] == 2 * charts.ROW + charts.AXIS


def test_the_heat_map_orders_concepts_by_their_best_score(concepts: pd.DataFrame) -> None:
    spec = built(charts.heat(concepts, ORDER, "IoU"))
    assert spec["layer"][0]["encoding"]["y"]["sort"] == ["sky", "tree"]
    marks = next(rows for rows in spec["datasets"].values() if "mark" in rows[0])
    assert [row["mark"] for row in marks] == ["●", "", "○", ""]


def test_growth_falls_back_to_steps_where_images_are_not_known(tally: pd.DataFrame) -> None:
    assert built(charts.growth(tally))["layer"][0]["encoding"]["x"]["field"] == "training_steps"
    known = tally.assign(training_images=[32, 64])
    assert built(charts.growth(known))["layer"][0]["encoding"]["x"]["field"] == "training_images"


def test_concepts_of_a_training_share_their_scales(concepts: pd.DataFrame) -> None:
    tree = concepts[concepts["concept"] == "tree"]
    spec = built(charts.concept_growth(tree, concepts))
    assert spec["layer"][0]["encoding"]["y"]["scale"]["domain"] == [0, 0.95]
