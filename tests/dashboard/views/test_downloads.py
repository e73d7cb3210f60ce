"""Files of what a page shows: complete, of the right types, harmless to a spreadsheet, and as filtered."""

from collections.abc import Callable
from io import BytesIO

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from dashboard.widgets import downloads

CELLS = st.one_of(
    st.none(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False), st.text(), st.booleans()
)


@settings(max_examples=60)
@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=6), st.sampled_from(["a", "b", ""]))
def test_any_table_becomes_parquet_with_its_rows_and_columns(cells: list[list[object]], name: str) -> None:
    frame = pd.DataFrame(cells, columns=[name, "a", "a_2"], dtype=object)
    back = pd.read_parquet(BytesIO(downloads.parquet(frame)))
    assert len(back) == len(frame)
    assert len(set(back.columns)) == 3
    for place in range(3):
        for before, after in zip(frame.iloc[:, place], back.iloc[:, place], strict=True):
            assert pd.isna(after) if before is None else str(after) == str(before) or after == before


def test_numbers_keep_their_type_and_text_is_no_formula() -> None:
    frame = pd.DataFrame({"unit": [1, 2], "iou": [0.1, 1 / 3], "note": ["=1+1", "door"]})
    back = pd.read_parquet(BytesIO(downloads.parquet(frame)))
    pd.testing.assert_frame_equal(back, frame, check_dtype=False)
    assert str(back["unit"].dtype) == "int64"
    assert downloads.csv(frame).decode().splitlines() == [
        "unit,iou,note",
        "1,0.1,'=1+1",
        "2,0.3333333333333333,door",
    ]


@pytest.mark.parametrize(
    ("view", "names"),
    [
        ("units", ["These units"]),
        ("unit", ["Concepts"]),
        ("layers", ["Layers", "Concepts"]),
        ("concept", ["Layers", "These units"]),
        ("compare?tab=numbers", ["Counts", "Concepts"]),
        ("causes", ["Units", "Side effects"]),
        ("context", ["Contexts", "Contexts by row"]),
        ("artifacts", ["Distances", "Units"]),
        ("sql", ["Answer"]),
    ],
)
def test_every_page_gives_its_tables_and_charts_as_files(
    full: Callable[..., object], view: str, names: list[str]
) -> None:
    view, _, tab = view.partition("?tab=")
    page = full(view, **({"tab": tab} if tab else {}))
    test: AppTest = page.test  # type: ignore[attr-defined]
    labels = [each.proto.label for each in test.get("download_button")]
    for name in names:
        assert labels.count(f"{name} as CSV") >= 1
    assert labels.count("Parquet") == sum(label.endswith(" as CSV") for label in labels)
    assert sum(label.endswith(" as SVG") for label in labels) == len(test.get("vega_lite_chart"))
