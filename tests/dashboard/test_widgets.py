"""What pages are drawn from: words, bars, rows, pictures. The pages themselves: tests/browser."""

from datetime import UTC, datetime, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from analysis.editing import masks
from dashboard.charts import dissection, palette
from dashboard.widgets import pictures, times, words
from dashboard.widgets.rows import only, rows


def test_scores_are_short_and_missing_ones_are_a_dash() -> None:
    assert [words.score(v) for v in (0.314, 0.0042, None, float("nan"))] == ["0.31", "0.004", "-", "-"]


def test_times_are_said_as_a_person_says_them() -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    assert words.ago(now) == "just now"
    assert words.ago(now - timedelta(hours=2, minutes=3)) == "2 hours ago"
    assert words.ago(now - timedelta(days=1, minutes=3)) == "1 day ago"
    assert [words.seconds(s) for s in (12, 300, 9000, None)] == ["12 s", "5 min", "2.5 h", "-"]


def test_a_time_ahead_is_said_in_full_with_the_viewers_own() -> None:
    at, now = datetime(2026, 11, 23, 23, 30), datetime(2026, 11, 23, 18, 30)
    assert times.long_form(at, ZoneInfo("UTC"), now) == "Mon 23 Nov 2026, 23:30 UTC, in 5 hours"
    assert times.long_form(at, ZoneInfo("Europe/Paris"), now) == (
        "Tue 24 Nov 2026, 00:30 in Europe/Paris (Mon 23:30 UTC), in 5 hours"
    )
    assert [times.ahead(at, at - timedelta(seconds=s)) for s in (-5, 20, 60)] == [
        "now",
        "in a moment",
        "in 1 minute",
    ]


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.sampled_from(["UTC", "Asia/Kolkata"]))
def test_a_time_of_the_reader_is_taken_back_to_utc(at: datetime, name: str) -> None:
    there = ZoneInfo(name)
    assert times.from_local(times.local(at, there), there) == at


def test_what_people_typed_is_no_markdown() -> None:
    assert words.plain("a *b* [c](d) :red[e]") == r"a \*b\* \[c\](d) \:red\[e\]"


def test_a_formula_is_a_sentence_with_its_lift() -> None:
    formula = {"composition": "roof or dome", "composition_side": "high", "composition_lift": 0.312}
    bounds = {"composition_lift_low": 0.28, "composition_lift_high": 0.34}
    assert words.composition(formula | bounds) == "Better as: **roof or dome** (lift 0.31, 0.28 to 0.34)."
    unbounded = formula | dict.fromkeys(bounds) | {"composition_side": "low"}
    assert words.composition(unbounded) == "Better as: **roof or dome** (low) (lift 0.31)."
    assert words.composition({"composition": None}) == words.composition({}) == ""


def test_rows_say_none_for_whatever_is_missing() -> None:
    frame = pd.DataFrame({"concept": ["tree", None], "iou": [0.5, float("nan")], "label": [True, False]})
    assert rows(frame)[1] == {"concept": None, "iou": None, "label": False}
    assert only(frame, concept="tree") == {"concept": "tree", "iou": 0.5, "label": True}
    assert only(frame, concept="door") is None


def test_the_bar_says_its_scores_to_a_screen_reader() -> None:
    bar = dissection.bar({"iou": 0.42, "always_on": 0.1, "mask_iou": None, "null_iou": 0.2})
    assert 'aria-label="IoU 0.42, always on 0.10, fixed spot -, usual place 0.20"' in bar
    assert "width:42.00%" in bar


def test_bars_that_are_seen_together_end_at_one_place() -> None:
    shown = [{"iou": 0.12, "mask_iou": 0.41}, {"iou": 0.2, "mask_iou": None}]
    assert dissection.scale(shown) == pytest.approx(0.5)
    assert dissection.scale([]) == 1.0


def test_a_unit_without_a_score_has_a_sentence() -> None:
    assert "No concept was scored for this unit." in dissection.figures({"iou": float("nan")})


def test_the_outline_is_that_of_the_mask_that_was_scored() -> None:
    values = np.zeros((4, 4), np.float32)
    values[1:3, 1:3] = 1
    shown = pictures.Shown(0, np.zeros((16, 16, 3), np.uint8), values)
    drawn = np.asarray(pictures.outlined(shown, 0.5, (16, 16), 16))
    scored = masks.mask(values, 0.5, 16, 16)
    line = (drawn == palette.rgb(palette.MASK)).all(axis=-1)
    assert line.any()
    assert scored[line].all()  # the line runs inside the mask
    tinted = (drawn > 0).any(axis=-1)
    assert (tinted == scored).all()  # and the whole mask has its colour


def test_a_tint_lets_the_picture_through() -> None:
    image = np.full((4, 4, 3), (200, 100, 0), np.uint8)
    where = np.zeros((2, 2), bool)
    where[0, 1] = True
    drawn = masks.tint(image, where, (0, 100, 200), 0.5)
    assert (drawn[:2, 2:] == (100, 100, 100)).all()
    drawn[:2, 2:] = image[:2, 2:]
    assert (drawn == image).all()


def test_a_verdict_names_the_strongest_control() -> None:
    row = {"iou": 0.2, "mask_iou": 0.05, "always_on": 0.02, "null_iou": None}
    assert words.verdict(row) == "4.0x a fixed spot"
    assert words.verdict({**row, "always_on": 0.1}) == "2.0x a unit always on"
    assert words.verdict({**row, "iou": float("nan")}) == ""
    assert words.verdict({"iou": 0.2, "mask_iou": 0.0, "always_on": 0.0, "null_iou": 0.0}) == ""
    assert "a fixed spot 0.050" in words.numbers(row)


def test_without_a_threshold_nothing_is_outlined() -> None:
    shown = pictures.Shown(0, np.full((8, 8, 3), 7, np.uint8), np.ones((2, 2), np.float32))
    assert (np.asarray(pictures.outlined(shown, None, (8, 8), 16)) == 7).all()


def test_a_strip_holds_every_picture_with_a_gap() -> None:
    strip = pictures.strip([Image.new("RGB", (10, 8), "red")] * 5, 3)
    assert Image.open(BytesIO(strip)).size == (3 * 14 - 4, 2 * 12 - 4)
