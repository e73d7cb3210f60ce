"""One concept over all layers, held against pandas over the whole table; and what a search finds."""

import pandas as pd
import pytest
import sqlalchemy as sa
from full_store import unpacked

from db import store
from db.layout import Layout
from db.queries import concepts, search
from db.schema.dissection import unit_concept, unit_image
from db.store import Snapshot

RUN, CAUSES, CONTEXT = "planted-scenes-b103786cbd", "planted-scenes-59938705c0", "planted-scenes-71b1b2cf9a"


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return unpacked(tmp_path_factory.mktemp("concepts"))


@pytest.fixture
def snapshot(layout: Layout) -> Snapshot:
    return store.open(layout)


@pytest.fixture
def scores(snapshot: Snapshot) -> pd.DataFrame:
    """Every pair of the run, detectors first and then by lift."""
    found = snapshot.read(sa.select(unit_concept).where(unit_concept.c.run_id == RUN))
    found = found.assign(detector=found["detector"].fillna(False).astype(bool))
    order = ["detector", "lift", "layer", "unit"]
    return found.sort_values(order, ascending=[False, False, True, True], na_position="last")


def test_each_concept_has_its_detectors_and_its_best_unit(snapshot: Snapshot, scores: pd.DataFrame) -> None:
    found = concepts.concepts(snapshot, RUN).set_index("concept")
    assert set(found.index) == set(scores["concept"])
    assert found["detectors"].is_monotonic_decreasing
    for name, rows in scores.groupby("concept", sort=False):
        assert found.loc[name, "detectors"] == rows["detector"].sum()
        best = rows.iloc[0]
        assert found.loc[name, ["layer", "unit"]].tolist() == [best["layer"], best["unit"]]


def test_the_units_of_a_concept_are_its_detectors_and_then_the_nearest(
    snapshot: Snapshot, scores: pd.DataFrame
) -> None:
    expected = scores[(scores["concept"] == "door") & scores["iou"].notna()].head(12)
    found = concepts.units(snapshot, RUN, "door", 12)
    pairs = ["layer", "unit", "detector", "lift"]
    pd.testing.assert_frame_equal(found[pairs], expected[pairs].reset_index(drop=True), check_dtype=False)
    assert (found["name"] == "door").sum() == (expected["label"]).sum()


def test_layers_count_the_detectors_of_one_concept(snapshot: Snapshot, scores: pd.DataFrame) -> None:
    found = concepts.by_layer(snapshot, RUN, "door").set_index("layer")
    door = scores[scores["concept"] == "door"].groupby("layer")
    assert found["detectors"].to_dict() == door["detector"].sum().to_dict()
    assert found["best_lift"].to_dict() == door["lift"].max().to_dict()
    assert found["twin_detectors"].isna().all()


def test_pictures_are_those_that_most_detectors_share(snapshot: Snapshot, scores: pd.DataFrame) -> None:
    images = snapshot.read(sa.select(unit_image).where(unit_image.c.run_id == RUN))
    best = scores[(scores["concept"] == "door") & scores["detector"]].head(12)
    seen = images.merge(best[["layer", "unit"]])["latent"].value_counts()
    found = concepts.images(snapshot, RUN, "door", 4)
    assert sorted(seen[found], reverse=True) == seen.nlargest(4).tolist()


def test_a_concept_that_nothing_detects_has_the_pictures_of_its_best_unit(
    snapshot: Snapshot, scores: pd.DataFrame
) -> None:
    best = scores[(scores["concept"] == "grass") & scores["iou"].notna()].iloc[0]
    assert not best["detector"]
    c = unit_image.c
    chosen = sa.select(c.latent).where(c.run_id == RUN, c.layer == best["layer"], c.unit == int(best["unit"]))
    expected = snapshot.read(chosen.order_by(c.rank).limit(4))["latent"].tolist()
    assert concepts.images(snapshot, RUN, "grass", 4) == expected


def test_the_other_studies_of_a_concept(snapshot: Snapshot) -> None:
    causes = concepts.causes(snapshot, RUN, "door")
    assert causes["run_id"].tolist() == [CAUSES]
    assert 0 < causes.loc[0, "removed"] <= 1
    assert concepts.contexts(snapshot, RUN, "door")["run_id"].tolist() == [CONTEXT]
    assert concepts.causes(snapshot, RUN, "sky").empty


def test_the_concept_in_every_run(snapshot: Snapshot, scores: pd.DataFrame) -> None:
    found = concepts.elsewhere(snapshot, "door")
    assert found["run_id"].tolist() == [RUN]
    best = scores[scores["concept"] == "door"].iloc[0]
    assert found.loc[0, ["layer", "unit", "best_lift"]].tolist() == [
        best["layer"],
        best["unit"],
        best["lift"],
    ]


@pytest.mark.parametrize("text", ["layer2 unit 11", "l2/11", "Layer2:u11", "layer2 11"])
def test_a_unit_is_found_however_it_is_written(snapshot: Snapshot, text: str) -> None:
    found = search.units(snapshot, text)
    assert found.loc[0, ["run_id", "layer", "unit"]].tolist() == [RUN, "layer2", 11]
    assert set(found["layer"]) == {"layer2"}
    assert set(found["unit"]) == {11}


def test_a_number_alone_finds_the_unit_in_every_layer(snapshot: Snapshot) -> None:
    found = search.units(snapshot, "11")
    assert {(RUN, "layer1"), (RUN, "layer2")} <= set(zip(found["run_id"], found["layer"], strict=True))


@pytest.mark.parametrize("text", ["door", "100%", "layer2", "unit -1", "1" * 30])
def test_other_text_finds_no_unit(snapshot: Snapshot, text: str) -> None:
    assert search.units(snapshot, text).empty


def test_a_search_takes_every_character_as_it_is(snapshot: Snapshot) -> None:
    assert search.concepts(snapshot, "DOO")["concept"].tolist() == ["door"]
    for text in ("d%r", "d_or", "'", "\\", "%"):
        assert search.concepts(snapshot, text).empty
        assert search.runs(snapshot, text).empty


def test_runs_are_found_by_model_kind_and_owner(snapshot: Snapshot) -> None:
    assert set(search.runs(snapshot, "planted-scenes")["run_id"]) >= {RUN, CAUSES, CONTEXT}
    assert search.runs(snapshot, CAUSES.upper())["run_id"].tolist() == [CAUSES]
    assert set(search.runs(snapshot, "artifacts")["kind"]) == {"artifacts"}
    assert search.named_units(snapshot, "door")["concept"].unique().tolist() == ["door"]
