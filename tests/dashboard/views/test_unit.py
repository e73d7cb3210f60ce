"""Unit: one unit's threshold, concepts and effects."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from inverted import RUN as INVERTED
from inverted import Store
from pages import Page
from PIL import Image

from analysis.editing import masks
from dashboard.charts import palette
from dashboard.viewer import links
from dashboard.widgets import pictures
from jobs.queue.client import Client
from jobs.render.client import Activations, ActivationsRequest

RUN = {"run": "planted-scenes-b103786cbd", "layer": "layer1"}


def test_an_empty_store_says_what_to_do(empty: Callable[..., Page]) -> None:
    assert "There is no run in this store yet" in empty("unit").text


def test_a_unit_is_shown_at_its_scored_threshold(full: Callable[..., Page]) -> None:
    page = full("unit", **RUN, unit="1")
    assert "layer1 unit 1" in page.text
    assert "The scored threshold" in page.text
    assert "Agrees with" in [header.value for header in page.test.header]


def test_another_threshold_has_no_interval_and_a_way_back(full: Callable[..., Page]) -> None:
    page = full("unit", **RUN, unit="1")
    scored = page.widget("Threshold").value
    page = full("unit", **RUN, unit="1", t=str(scored - 1))
    assert "Not the scored threshold" in page.text
    page.click("Back to the scored threshold")
    assert "t" not in page.address
    assert page.widget("Threshold").value == scored
    assert "The scored threshold" in page.text


def test_effects_stand_beside_the_agreement_where_they_were_measured(full: Callable[..., Page]) -> None:
    assert "when only this unit is off" in full("unit", **RUN, unit="1").text
    assert "No causes have been" in full("unit", **{**RUN, "layer": "layer2"}, unit="1").text


def test_a_unit_that_is_low_on_its_concept_is_scored_on_that_side(
    inverted: Callable[..., Page], inverted_store: Store
) -> None:
    page = inverted("unit", **INVERTED, unit="1")
    stored = inverted_store.dissection.frame().set_index("unit").loc[1]
    assert stored.side == "low"
    assert page.test.header[0].value == "shape (low)"
    assert "The scored threshold" in page.text
    curve = drawn(page, "here")
    (at,) = curve[curve["here"] & (curve["score"] == "IoU")].to_dict("records")
    assert (
        at["value"]
        == pytest.approx(stored.iou)
        == pytest.approx(inverted_store.iou_under(1, stored.threshold))
    )
    assert at["share"] == pytest.approx(stored["tail"])
    assert 0.8 < stored.iou < 0.99
    (null,) = curve[curve["here"] & (curve["score"] == "null")]["value"]
    assert null == pytest.approx(stored.null_iou)
    # and so at every other threshold
    edges = inverted_store.dissection.edges.layers["layer1"].edges[1]
    counted = [inverted_store.iou_under(1, edge) for edge in edges[::-1]]
    shares = [(inverted_store.maps[:, 1] <= edge).mean() for edge in edges[::-1]]
    scores = curve[curve["score"] == "IoU"]
    there = [k for k, share in enumerate(shares) if share > 0]
    assert scores["value"].tolist() == pytest.approx([counted[k] for k in there])
    assert scores["share"].tolist() == pytest.approx([shares[k] for k in there])


def test_the_outline_of_such_a_unit_is_of_the_low_side(
    inverted: Callable[..., Page], inverted_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlines: list[tuple[Any, ...]] = []

    def recorded(
        shown: pictures.Shown, threshold: float, grid: tuple[int, int], width: int, low: bool, colour: str
    ) -> Any:
        outlines.append((shown, masks.mask(shown.map, threshold, *grid, low)))
        return drawn_as_ever(shown, threshold, grid, width, low, colour)

    drawn_as_ever = pictures.outlined
    monkeypatch.setattr(pictures, "outlined", recorded)
    monkeypatch.setattr(pictures, "unit_strip", lambda *_: b"")  # of the units beside it
    monkeypatch.setattr(links, "picture", lambda *_: None)
    pictures.unit_images.clear()  # another test may have drawn them
    page = inverted("unit", **INVERTED, unit="1")
    stored = inverted_store.dissection.frame().set_index("unit").loc[1]
    first = inverted_store.dissection.evaluation[0]
    assert len(outlines) == 8
    for shown, mask in outlines:
        activation = inverted_store.maps[shown.latent - first, 1]
        np.testing.assert_array_equal(mask, activation <= np.float32(stored.threshold))
        assert 0 < mask.mean() < 1
    outlines.clear()
    scored = page.widget("Threshold").value
    inverted("unit", **INVERTED, unit="1", t=str(scored - 3))
    wider = inverted_store.dissection.edges.layers["layer1"].edges[1][::-1][scored - 3]
    assert wider > stored.threshold
    for shown, mask in outlines:
        activation = inverted_store.maps[shown.latent - first, 1]
        np.testing.assert_array_equal(mask, activation <= wider)


def test_a_unit_that_never_varies_has_no_name(inverted: Callable[..., Page]) -> None:
    page = inverted("unit", **INVERTED, unit="2")
    assert page.test.header[0].value == "no name"
    assert "It detects no concept." in page.text
    assert "Its activation never varies." in page.text


def drawn(page: Page, column: str) -> pd.DataFrame:
    """The rows behind the chart on the page that has this column."""
    for chart in page.test.get("vega_lite_chart"):
        for data in chart.proto.datasets:
            rows = pa.ipc.open_stream(data.data.data).read_all().to_pandas()
            if column in rows and "score" in rows:
                return rows
    raise AssertionError(f"no chart has a column {column!r}")


def test_wrong_parameters_give_a_sentence(full: Callable[..., Page]) -> None:
    page = full("unit", **RUN, unit="9999", t="x", concept="?")
    assert page.errors == ["layer1 has units 0 to 31; there is no unit 9999."]
    assert "cannot be x" in full("unit", **RUN, unit="x").errors[0]


def test_a_units_address_is_short_and_stays_so(full: Callable[..., Page]) -> None:
    assert full("unit", **RUN, unit="1").address == {**RUN, "unit": "1"}


def test_the_neighbour_is_a_key_away(full: Callable[..., Page]) -> None:
    page = full("unit", **RUN, unit="1", by="random").click("Next")
    assert page.address == {**RUN, "unit": "2", "by": "random"}
    keys = {
        each.label: each.proto.shortcut for each in page.test.button if each.label in ("Previous", "Next")
    }
    assert keys == {"Previous": "left", "Next": "right"}
    assert full("unit", **RUN, unit="0").test.button(key="previous").disabled


def test_units_that_fire_together_stand_beside_it(
    inverted: Callable[..., Page], inverted_store: Store
) -> None:
    page = inverted("unit", **INVERTED, unit="0")
    (r,) = inverted_store.dissection.tables()["unit_neighbour"].query("unit == 0")["correlation"]
    assert r < -0.7
    labels = [element.proto.label for element in page.test.get("page_link")]
    (shown,) = [re.search(r"unit 1: (-\d\.\d\d)$", label) for label in labels if "unit 1:" in label]
    assert shown
    assert float(shown[1]) == pytest.approx(r, abs=0.0051)


def test_a_run_of_an_earlier_version_says_that_they_were_not_measured(full: Callable[..., Page]) -> None:
    assert "Not measured in this run" in full("unit", **RUN, unit="1").text


def test_the_unit_in_other_runs(full: Callable[..., Page]) -> None:
    assert "No other run dissected this layer" in full("unit", **RUN, unit="1").text


def test_the_histogram_holds_all_pixels_and_its_colour_begins_at_the_threshold(
    inverted: Callable[..., Page], inverted_store: Store
) -> None:
    page = inverted("unit", **INVERTED, unit="0")
    threshold = inverted_store.dissection.frame().set_index("unit").loc[0].threshold
    (bars,) = [rows for rows in frames(page) if {"start", "stop", "share"} <= set(rows)]
    assert bars["share"].sum() == pytest.approx(1)
    middle = (bars["start"] + bars["stop"]) / 2
    coloured = bars["colour"] != palette.GREY
    assert (coloured == (middle > threshold)).all()


def frames(page: Page) -> list[pd.DataFrame]:
    """The rows behind all charts of the page."""
    found = [data for chart in page.test.get("vega_lite_chart") for data in chart.proto.datasets]
    return [pa.ipc.open_stream(data.data.data).read_all().to_pandas() for data in found]


def test_images_by_effect_are_before_and_after(full: Callable[..., Page]) -> None:
    page = full("unit", **RUN, unit="1", by="effect")
    assert page.errors == []
    assert "Switching the unit off changes the median image by **0.0%**" in page.text  # all grey


def test_random_images_are_those_in_which_the_unit_is_on(
    full: Callable[..., Page], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def activations(_client: Client, asked: ActivationsRequest) -> Activations:
        maps = np.zeros((len(asked.latents), 4, 4), np.float32)
        maps[::4, 0, 0] = 100
        file = tmp_path / "grey.png"
        Image.new("RGB", (32, 32)).save(file)
        return Activations(asked.latents, (str(file),) * len(maps), maps)

    monkeypatch.setattr(Client, "activations", activations)
    page = full("unit", **RUN, unit="3", by="random")  # of which no other test keeps images
    assert page.errors == []
    found = re.search(r"The unit is on somewhere in \*\*(\d+) of (\d+)\*\* random images", page.text)
    assert found
    on, looked_at = map(int, found.groups())
    assert on == -(-looked_at // 4) > 1
