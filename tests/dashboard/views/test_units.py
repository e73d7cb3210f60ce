"""Units: filters change which units are shown."""

import hashlib
import json
import shutil
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from pages import Page

from dashboard.widgets import url
from db.layout import Layout

RUN = {"run": "planted-1839cfec24", "layer": "layer1"}
SCENES = {"run": "planted-scenes-b103786cbd", "layer": "layer1"}


def test_an_empty_store_says_what_to_do(empty: Callable[..., Page]) -> None:
    assert "There is no run in this store yet" in empty("units").text


def test_the_newest_run_is_shown_first(full: Callable[..., Page]) -> None:
    page = full("units")
    assert page.address["run"] == "planted-scenes-b103786cbd"
    assert "13 units of 13, 10 detectors, 9 distinct concepts" in page.text
    page.choose("Names by", "paper")
    assert "13 units of 13, 11 named, 11 distinct concepts" in page.text


def test_filters_change_what_is_shown(full: Callable[..., Page]) -> None:
    page = full("units").choose("Show", "named")
    assert "10 units of 13" in page.text
    assert page.address["show"] == "named"
    page.choose("Unit number", "2-4")
    assert page.address["find"] == "2-4"
    assert "2 units of 13" in page.text  # unit 3 has no name


def shown(page: Page) -> list[int]:
    """The numbers of the units whose cards are shown, in order."""
    return [int(each.label.rpartition(" ")[2]) for each in links(page) if " unit " in each.label]


def links(page: Page) -> list[Any]:
    return [element.proto for element in page.test.get("page_link")]


def test_units_that_detect_several_concepts_are_shown_alone(full: Callable[..., Page]) -> None:
    page = full("units", **SCENES).choose("Show", "several")
    assert page.address["show"] == "several"
    # as the rows of the store say: plaster, windows and doors stand in each other, and brick is not confirmed
    assert "8 units of 32, 7 detectors, 3 distinct concepts" in page.text
    assert sorted(shown(page)) == [1, 2, 4, 17, 18, 27, 29, 30]
    told = [str(each.help) for each in page.test.markdown if each.help and "Also detects" in str(each.help)]
    assert len(told) == 8


def test_units_without_a_name_are_shown_alone(full: Callable[..., Page]) -> None:
    page = full("units", **SCENES).choose("Show", "unnamed")
    assert "15 units of 32, 0 detectors, 0 distinct concepts" in page.text
    assert all("no name" in each.label for each in links(page) if " unit " in each.label)
    page.choose("Names by", "paper")
    assert "several" not in page.widget("Show").options
    assert page.widget("Show").value == "all"


def test_a_concept_finds_units_that_detect_it_beside_their_name(full: Callable[..., Page]) -> None:
    page = full("units", **SCENES).choose("Concept", "building")
    assert page.address["concept"] == "building"
    # no unit is named building; two that are named window detect it
    assert sorted(shown(page)) == [2, 29]
    assert all("window" in each.label for each in links(page) if " unit " in each.label)
    assert sorted(shown(page.choose("Concept", "door"))) == [1, 4, 17, 18, 27, 30]


def test_a_run_that_an_earlier_version_counted_says_so(full: Callable[..., Page]) -> None:
    for page in (full("units"), full("units", rule="paper"), full("units", tail="1 %")):
        assert "This run was counted by an earlier version." in page.text
        assert "It has no intervals of the lift" in page.text


@pytest.mark.parametrize("tail", ["scored", "5 %"])
def test_a_run_of_today_does_not(inverted: Callable[..., Page], tail: str) -> None:
    assert "earlier version" not in inverted("units", tail=tail).text


def test_a_run_of_an_earlier_version_may_have_intervals(
    layout: Layout, full_store: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(full_store.bundles / SCENES["run"], layout.bundles / SCENES["run"])
    (table,) = (layout.bundles / SCENES["run"]).glob("*/tables/unit_concept.parquet")
    rows = pd.read_parquet(table)
    above = rows["iou"] - rows["mask_iou"]
    rows.assign(over_mask_low=above - 0.01, over_mask_high=above + 0.01).to_parquet(table)
    manifest = table.parents[1] / "manifest.json"
    facts = json.loads(manifest.read_text())
    content = table.read_bytes()
    seal = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    facts["files"]["tables/unit_concept.parquet"] = seal
    manifest.write_text(json.dumps(facts))
    monkeypatch.setenv("GANATOMY_STORE", str(layout.root))
    text = Page.open("units", **SCENES).text
    assert "This run was counted by an earlier version." in text
    assert "It has no intervals of the lift" not in text


def test_a_threshold_for_all_units_changes_the_scores(full: Callable[..., Page]) -> None:
    page = full("units", **RUN).choose("Threshold", "1 %")
    assert page.address["tail"] == "1 %"
    assert page.errors == []
    # q-values are those of the scored thresholds: nobody tested this one
    assert "24 with a lift over 0 (not tested at this threshold), 4 distinct concepts" in page.text


def test_filters_that_leave_nothing_say_so(full: Callable[..., Page]) -> None:
    assert "No unit is left" in full("units", find="9999").text


def test_wrong_parameters_give_a_sentence(full: Callable[..., Page]) -> None:
    page = full("units", run="gone-1", layer="nowhere", page="x", sort="?", tail="?", cut="?")
    assert any("Run gone-1 is not in this store" in error for error in page.errors)


def test_the_filter_offers_every_concept_that_a_unit_detects_with_its_count(
    full: Callable[..., Page],
) -> None:
    page = full("units", **SCENES)
    offered = page.widget("Concept").options
    assert "building (2)" in offered
    assert "door (6)" in offered
    for label in offered[1:]:
        name, _, count = label.removesuffix(")").rpartition(" (")
        assert len(shown(full("units", **SCENES, concept=name))) == int(count), label


def test_an_unknown_concept_is_said_and_not_replaced(full: Callable[..., Page]) -> None:
    page = full("units", **SCENES, concept="unicorn")
    assert "cannot be unicorn; choose" in page.text
    assert page.address["concept"] == "unicorn"
    assert shown(page) == []


def test_pictures_are_links_to_their_unit_and_have_the_size_that_is_chosen(full: Callable[..., Page]) -> None:
    page = full("units", **SCENES)
    images = [element.proto for element in page.test.get("image")]
    assert images[0].link == url.address("unit", **SCENES, unit=shown(page)[0])
    assert len(images) == len(shown(page))
    page.choose("Picture size", 96)
    assert page.widget("Picture size").value == 96


def test_a_card_says_how_far_its_unit_is_above_the_strongest_control(inverted: Callable[..., Page]) -> None:
    page = inverted("units", run="inverted-1", layer="layer1")
    assert any("x a fixed spot" in str(each.value) for each in page.test.markdown)


def test_the_map_places_each_unit_and_says_where_it_was_not_measured(inverted: Callable[..., Page]) -> None:
    page = inverted("units", run="inverted-1", layer="layer1", **{"as": "map"})
    assert "Units that fire together are near." in page.text
    (chart,) = page.test.get("vega_lite_chart")
    rows = max(
        (pa.ipc.open_stream(d.data.data).read_all().to_pandas() for d in chart.proto.datasets), key=len
    )
    assert sorted(rows["unit"]) == [0, 1]  # unit 2 never varies
    assert shown(page) == []


def test_a_run_of_an_earlier_version_has_no_map(full: Callable[..., Page]) -> None:
    assert "did not measure which units fire together" in full("units", **SCENES, **{"as": "map"}).text
