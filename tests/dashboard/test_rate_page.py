"""The Ratings page: blind, by keys, with undo; the results beside the scores."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from analysis.dissection.ratings import Item
from dashboard.team import ratings
from db import store, workspace
from db.layout import Layout

APP = Path(__file__).parents[2] / "dashboard" / "app.py"


@pytest.fixture
def app(layout: Layout, write_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The Ratings page over a run of 13 units, 12 of which have a name."""
    write_run("run-1", units=13, grid_height=8, grid_width=8)
    store.publish(layout)
    monkeypatch.setenv("GANATOMY_STORE", str(layout.root))
    app = AppTest.from_file(str(APP), default_timeout=60).switch_page("views/rate.py")
    app.session_state["cookie-ganatomy-name"] = "Ada"
    return app.run()


def press(app: AppTest, label: str) -> AppTest:
    next(each for each in app.button if each.label == label).click().run()
    assert not app.exception
    return app


def test_nobody_rates_without_a_name(app: AppTest) -> None:
    app.session_state["cookie-ganatomy-name"] = ""
    app.run()
    assert "Say who you are first" in app.info[0].value
    assert not [each for each in app.button if each.label == "Yes"]


def test_answers_are_kept_taken_back_and_shown(app: AppTest, layout: Layout) -> None:
    units = ratings.named_units(store.open(layout), "run-1")
    items = ratings.shown(units, "run-1", "Ada", "", 60)
    assert len(items) == 12
    press(press(app, "Yes"), "No")
    rows = workspace.open(layout).rows("rating")
    assert rows["answer"].tolist() == ["yes", "no"]
    assert rows["unit"].tolist() == [items[0].unit, items[1].unit]
    assert rows["seed"].tolist() == [ratings.seed("run-1")] * 2
    press(app, "Undo")
    assert workspace.open(layout).rows("rating")["answer"].tolist() == ["yes"]
    field = next(each for each in app.text_input if each.label == "No, rather")
    field.set_value("a gargoyle").run()
    rows = workspace.open(layout).rows("rating")
    assert (rows["answer"].tolist(), rows["better"].fillna("").tolist()) == (
        ["yes", "no"],
        ["", "a gargoyle"],
    )
    app.query_params["show"] = "results"
    app.run()
    assert not app.exception
    assert any("2 ratings by 1 person" in each.value for each in app.caption)
    assert any("10 units are left" in each.value for each in app.caption)
    shown = app.dataframe[0].value  # the list says which names are random, so it has only what Ada rated
    assert set(zip(shown["layer"], shown["unit"], strict=True)) == {
        (each.layer, each.unit) for each in items[:2]
    }


@pytest.mark.parametrize("layer", ["", "layer1"])
def test_nobody_sees_which_names_are_random_before_rating_them(
    app: AppTest, layout: Layout, layer: str
) -> None:
    units = ratings.named_units(store.open(layout), "run-1")
    for item in ratings.shown(units, "run-1", "Bob", "", 60):
        ratings_of(layout, item, "Bob")
    app.query_params["show"] = "results"
    app.query_params["layer"] = layer
    app.run()
    assert not app.exception
    assert not app.dataframe
    app.toggle(key="rated-all").set_value(True).run()
    assert len(app.dataframe[0].value) == 12


def ratings_of(layout: Layout, item: Item, rater: str) -> None:
    """One answer of somebody else."""
    values = {"layer": item.layer, "unit": item.unit, "shown": item.shown, "own": item.own}
    workspace.open(layout).add("rating", rater, run_id="run-1", answer="yes", seed=1, **values)


def test_a_lift_between_two_bins_counts_once() -> None:
    count = 32
    frame = pd.DataFrame(
        {
            "layer": "layer1",
            "unit": range(count),
            "lift": [0.1] * 8 + [0.2] * 8 + [0.3] * 8 + [0.4] * 8,
            "own": True,
            "value": 1.0,
        }
    )
    assert ratings.shares(frame)["units"].sum() == count


def test_the_page_gives_nothing_away(app: AppTest, layout: Layout) -> None:
    units = ratings.named_units(store.open(layout), "run-1")
    item = ratings.shown(units, "run-1", "Ada", "", 60)[0]
    told = " ".join(str(each.value) for each in (*app.markdown, *app.caption, *app.header))
    keys = " ".join(str(each.key) for each in app.button)
    for text in (told, keys, str(app.query_params)):
        assert f"unit {item.unit}" not in text
        assert "random" not in text.replace("About a third of the names are random", "")
    assert str(item.own) not in keys
