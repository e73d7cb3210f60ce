"""The Compare page's charts are built from what may come, gaps included, and hold no number that is none."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest

from dashboard.charts import compare as charts
from dashboard.charts import palette
from dashboard.charts.structures import Drawing

RUNS = (("a", "#3661e9"), ("b", "#f46702"))
ORDER = ["a · layer1", "a · layer2"]


def built(drawing: Drawing) -> dict[str, Any]:
    """The structure, right by the schema and without NaN, which an expression would hold as text."""
    alt.LayerChart.from_dict(drawing.spec)
    assert "nan" not in drawing.structure.lower().replace("nanoseconds", "")
    return drawing.spec


@pytest.fixture
def tally() -> pd.DataFrame:
    frame = pd.DataFrame({"arm": ORDER, "layer": ["layer1", "layer2"], "units": 20, "named": [0, 5]})
    frame = frame.assign(share=[0.0, 0.25], share_low=[0.0, 0.11], share_high=[0.16, 0.47], detectors=0)
    frame = frame.assign(surely=[0, 4], perhaps=[0, 6], concepts=[0, 3], concepts_low=[0, 2], vocabulary=14)
    frame = frame.assign(concepts_high=[4.0, np.nan], training_steps=[1, 2])
    frame = frame.assign(
        training_images=[32.0, np.nan], row=["4x4", "8x8"], run="a", key=["a:layer1", "a:layer2"]
    )
    return frame.assign(twin_share=[0.1, np.nan])


@pytest.fixture
def concepts() -> pd.DataFrame:
    frame = pd.DataFrame({"arm": np.repeat(ORDER, 2), "concept": ["tree", "sky"] * 2, "unit": 1})
    frame = frame.assign(score=[0.3, np.nan, 0.5, 0.9], iou=0.3, detects=["yes", "", "perhaps", "no"])
    frame = frame.assign(state=["has", "", "perhaps", "lacks"], run="a", key="a:layer1")
    frame = frame.assign(score_low=np.nan, score_high=np.nan, mask_score=[0.2, np.nan, 0.2, 0.95])
    bounds = ["lift", "lift_low", "lift_high", "iou_low", "iou_high"]
    named = [*bounds, "always_on", "mask_iou", "null_iou", "ceiling_iou", "over_ceiling"]
    frame = frame.assign(**dict.fromkeys(named, np.nan), training_steps=[1, 1, 2, 2])
    return frame.assign(training_images=[32, 32, 64, 64])


@pytest.mark.parametrize("value", ["share", "concepts"])
def test_bars_have_room_for_the_longest_interval(tally: pd.DataFrame, value: str) -> None:
    spec = built(charts.bars(tally, value, "units", RUNS[:1], charts.top(tally, value)))
    domain = spec["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert domain[0] == 0
    assert domain[1] > tally[f"{value}_high"].max()
    assert spec["height"] == 2 * (charts.BAR + charts.GAP) + charts.AXIS


def test_charts_beside_each_other_have_one_axis(tally: pd.DataFrame) -> None:
    end = charts.top(tally, "share")
    half = [charts.bars(tally[k : k + 1], "share", "units", RUNS[:1], end).spec for k in (0, 1)]
    assert half[0]["layer"][0]["encoding"]["x"] == half[1]["layer"][0]["encoding"]["x"]


def test_arms_of_one_row_stand_beside_each_other_in_their_runs_colours(tally: pd.DataFrame) -> None:
    both = tally.assign(row="4x4", run=["a", "b"])
    spec = built(charts.bars(both, "share", "units", RUNS, 0.5, "a:layer2"))
    bar = spec["layer"][0]["encoding"]
    assert bar["yOffset"]["field"] == "run"
    assert bar["color"]["scale"] == {"domain": ["a", "b"], "range": ["#3661e9", "#f46702"]}
    assert charts.bars(both, "share", "units", RUNS, 0.5, "a:layer2").rows["rows"]["chosen"].tolist() == [
        False,
        True,
    ]


@pytest.mark.parametrize("value", ["share", "concepts"])
def test_a_bar_can_be_clicked_and_the_twin_is_a_tick(tally: pd.DataFrame, value: str) -> None:
    spec = built(charts.bars(tally, value, "units", RUNS[:1], 1.0))
    assert [param["name"] for param in spec["params"]] == ["arm"]
    marks = [layer["mark"]["type"] for layer in spec["layer"]]
    assert ("tick" in marks) == (value == "share")


def test_the_heat_map_orders_concepts_by_their_best_score(concepts: pd.DataFrame) -> None:
    drawing = charts.heat(concepts, ORDER, "IoU", RUNS, False, "sky")
    assert built(drawing)["layer"][0]["encoding"]["y"]["sort"] == ["sky", "tree"]
    assert drawing.rows["rows"]["mark"].tolist() == ["●", "", "○", ""]
    assert drawing.rows["rows"]["chosen"].tolist() == [False, True, False, True]


@pytest.mark.parametrize("dark", [False, True])
def test_the_heat_map_follows_the_theme_and_has_a_legend(concepts: pd.DataFrame, dark: bool) -> None:
    spec = built(charts.heat(concepts, ORDER, "IoU", RUNS, dark))
    colour = spec["layer"][0]["encoding"]["color"]
    assert colour["scale"]["range"] == list(palette.heat(dark))
    assert colour["legend"] is not None
    assert [param["name"] for param in spec["params"]] == ["cell"]


def test_no_label_is_pushed_off_its_row(tally: pd.DataFrame, concepts: pd.DataFrame) -> None:
    for drawing in (
        charts.bars(tally, "share", "units", RUNS, 1.0),
        charts.heat(concepts, ORDER, "IoU", RUNS, False),
    ):
        assert drawing.spec["layer"][0]["encoding"]["y"]["axis"]["labelFlush"] is False


def test_growth_falls_back_to_steps_where_images_are_not_known(tally: pd.DataFrame) -> None:
    assert built(charts.growth(tally, 0.5))["layer"][0]["encoding"]["x"]["field"] == "training_steps"
    known = tally.assign(training_images=[32, 64])
    assert built(charts.growth(known, 0.5))["layer"][0]["encoding"]["x"]["field"] == "training_images"


def test_concepts_of_a_training_share_their_scales(concepts: pd.DataFrame) -> None:
    tree = concepts[concepts["concept"] == "tree"]
    spec = built(charts.concept_growth(tree, concepts, "tree"))
    assert spec["layer"][0]["encoding"]["y"]["scale"]["domain"] == [0, 0.95]
