"""The tab Trainings of Compare: a comparison is opened, and what is said follows from its dissections."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from full_store import left
from streamlit.testing.v1 import AppTest

from analysis.comparison import trainings
from dashboard.comparison import recipes
from db import store
from db.layout import Layout
from db.queries import comparison as queries
from db.queries import runs
from db.store import bundles

APP = Path(__file__).parents[2] / "dashboard" / "app.py"
NAMES = ("one-1", "one-2", "two-1", "two-2")
ROTATED = ("one-1-rotated", "one-2-rotated")


def tallied(snapshot: store.Snapshot) -> pd.DataFrame:
    detecting = (queries.detecting(snapshot, NAMES, rotated) for rotated in (False, True))
    return trainings.tally(queries.layers(snapshot, NAMES), *detecting)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A store with four trainings, copies of one dissection of which two lack its last layer's detectors.

    The rotated units of the other two lack them as well.
    """
    layout = left(tmp_path_factory.mktemp("recipes") / "store")
    store.publish(layout)
    run = str(runs.runs(store.open(layout), "dissection")["run_id"].iloc[-1])
    whole = bundles.latest(layout, run)
    tables = {name: whole.table(name) for name in whole.names("tables") if name != "run"}
    last = tables["layer"]["layer"].iloc[-1]
    for name in (*NAMES, *ROTATED):
        own = {each: table.copy() for each, table in tables.items()}
        generator = name.removesuffix("-rotated")
        if name not in ("one-1", "one-2"):
            own["unit_concept"].loc[own["unit_concept"]["layer"] == last, "detector"] = False
        settings = {"generator": generator, "control": "none" if name == generator else "rotation"}
        about = {"run_id": name, "generator": name, "revision": 1, "settings": json.dumps(settings)}
        bundles.write(layout, {**whole.run, **about}, own)
    store.publish(layout)
    snapshot = store.open(layout)
    counted = tallied(snapshot)
    found = trainings.Comparison(counted, queries.best(snapshot, NAMES))
    row = {"run_id": "comparison-1", "kind": "comparison", "state": "final", "started_at": "2026-01-01"}
    bundles.write(layout, row, found.tables())
    store.publish(layout)
    return layout


def opened(layout: Layout, monkeypatch: pytest.MonkeyPatch, **parameters: str) -> AppTest:
    monkeypatch.setenv("GANATOMY_STORE", str(layout.root))
    app = AppTest.from_file(str(APP), default_timeout=60).switch_page("views/compare.py")
    for name, value in parameters.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def test_a_comparison_opens_with_what_its_recipes_differ_in(
    compared: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(compared, monkeypatch, run="comparison-1")
    assert app.query_params["runs"] == ",".join(NAMES)
    assert (app.query_params["tab"], "run" in app.query_params) == ("recipes", False)
    values = trainings.measured(tallied(store.open(compared)))
    some = values.query("layer != 'all' and category == 'all' and measure == 'detectors'")
    share = some.set_index(["generator", "layer"])["value"]
    fall = float(share["one-1"].iloc[-1] - share["two-1"].iloc[-1])
    assert fall > 0
    said = next(each.value for each in app.markdown if "one minus two" in each.value)
    last = share.index.get_level_values("layer")[-1]
    assert said.startswith(f"1 of 2 layers tell one and two apart by {recipes.TITLES['detectors']}: ")
    assert f"**{last}**: {100 * fall:+.1f} points (the same in each training)" in said  # copies do not vary
    assert any(re.search(r"In \*\*100%\*\* of \d+ pairs,", each.value) for each in app.markdown)


def test_what_is_beyond_rotated_units_is_said_for_each_recipe(
    compared: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(compared, monkeypatch, run="comparison-1", of="beyond_rotation")
    snapshot = store.open(compared)
    layers = queries.layers(snapshot, NAMES).query("generator == 'one-1'")
    last, units = layers["layer"].iloc[-1], int(layers["units"].iloc[-1])
    own = (
        queries.detecting(snapshot, NAMES).query("generator == 'one-1' and layer == @last")["detectors"].sum()
    )
    said = next(each.value for each in app.markdown if "rotated units: " in each.value)
    assert said.startswith(f"1 of 2 layers of one differ from rotated units: **{last}**: ")
    assert f"{100 * own / units:+.1f} points (the same in each training)" in said
    assert "two" not in said  # nobody rotated its units


def test_a_dissection_opens_alone(compared: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(compared, monkeypatch, run="one-1")
    assert (app.query_params["runs"], "run" in app.query_params) == ("one-1", False)


def test_generators_that_were_trained_once_are_told_so(
    compared: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(compared, monkeypatch, runs="one-1,two-1", tab="recipes")
    assert any("No recipe was trained more than once here" in each.value for each in app.info)


def test_an_unknown_comparison_is_said_and_nothing_is_put_in_its_place(
    compared: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = opened(compared, monkeypatch, run="comparison-2")
    told = " ".join(str(each.value) for each in (*app.error, *app.warning, *app.info))
    assert "comparison-2" in told
    assert "runs" not in app.query_params
    assert not app.tabs


def test_the_stored_means_are_those_of_the_trainings(compared: Layout) -> None:
    snapshot = store.open(compared)
    means = queries.means(snapshot, "comparison-1")
    counted = tallied(snapshot)
    for row in means[means["measure"] == "concepts"].to_dict("records"):
        own = counted[
            (counted["recipe"] == row["recipe"])
            & (counted["layer"] == row["layer"])
            & (counted["category"] == row["category"])
        ]
        assert row["mean"] == pytest.approx(np.mean(own["concepts"]))
        assert row["trainings"] == 2
