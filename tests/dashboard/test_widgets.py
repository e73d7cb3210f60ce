"""What pages are drawn from: words, bars, rows, pictures. The pages themselves: tests/browser."""

from datetime import UTC, datetime, timedelta
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis.editing import masks
from dashboard.charts import dissection
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
    assert times.long_form(at, "UTC", now) == "Mon 23 Nov 2026, 23:30 UTC, in 5 hours"
    assert times.long_form(at, "Europe/Paris", now) == (
        "Mon 23 Nov 2026, 23:30 UTC (Tue 00:30 in Europe/Paris), in 5 hours"
    )
    assert times.long_form(at, "Nowhere/Town", now) == "Mon 23 Nov 2026, 23:30 UTC, in 5 hours"
    assert [times.ahead(at, at - timedelta(seconds=s)) for s in (-5, 20, 60)] == [
        "now",
        "in a moment",
        "in 1 minute",
    ]


def test_what_people_typed_is_no_markdown() -> None:
    assert words.plain("a *b* [c](d) :red[e]") == r"a \*b\* \[c\](d) \:red\[e\]"


def test_rows_say_none_for_whatever_is_missing() -> None:
    frame = pd.DataFrame({"concept": ["tree", None], "iou": [0.5, float("nan")], "label": [True, False]})
    assert rows(frame)[1] == {"concept": None, "iou": None, "label": False}
    assert only(frame, concept="tree") == {"concept": "tree", "iou": 0.5, "label": True}
    assert only(frame, concept="door") is None


def test_the_bar_says_its_scores_to_a_screen_reader() -> None:
    bar = dissection.bar({"iou": 0.42, "always_on": 0.1, "mask_iou": None, "null_iou": 0.2})
    assert 'aria-label="IoU 0.42, always on 0.10, mask -, null 0.20"' in bar
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
    yellow = (drawn == masks.YELLOW).all(axis=-1)
    assert yellow.any()
    assert not (yellow & ~scored).any()  # the line runs inside the mask
    assert scored[yellow].all()


def test_without_a_threshold_nothing_is_outlined() -> None:
    shown = pictures.Shown(0, np.full((8, 8, 3), 7, np.uint8), np.ones((2, 2), np.float32))
    assert (np.asarray(pictures.outlined(shown, None, (8, 8), 16)) == 7).all()


def test_a_strip_holds_every_picture_with_a_gap() -> None:
    strip = pictures.strip([Image.new("RGB", (10, 8), "red")] * 5, 3)
    assert Image.open(BytesIO(strip)).size == (3 * 14 - 4, 2 * 12 - 4)
