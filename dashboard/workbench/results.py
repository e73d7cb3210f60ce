"""The answer of a statement: a table with links to its runs and units, or a chart, and its files."""

from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from typing import Any

import pandas as pd
import pyarrow as pa
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.charts import answers
from dashboard.widgets import downloads, url, words
from dashboard.workbench import arrangement, unit_rows
from db.sql import console, parameters, python_code
from db.store import Snapshot

NONE = "none"
EACH = 10_000  # rows that the browser gets at a time; more make the process and the browser large


def draw(
    snapshot: Snapshot,
    statement: str,
    values: Mapping[str, parameters.Value],
    result: console.ConsoleResult,
    limits: Mapping[str, int],
) -> None:
    """Draw an answer. `limits` are its rows, seconds and megabytes at most."""
    whole = result.frame
    why = "there are more" if len(whole) >= limits["rows"] else "an answer has at most 64 MB"
    cut = f" (cut off: {why})" if result.truncated else ""
    most = f"at most {limits['rows']:,} rows, {limits['seconds']} s and {limits['memory_mb']:,} MB"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.caption(f"{words.count(len(whole), 'row')}{cut}, {result.elapsed:.2f} s · {most}")
        with st.container(horizontal=True, gap="small", width="content"):
            arranged = arrangement.choose(result)
            frame = arranged.of(whole)
            downloads.table(frame, "answer")
            _more_files(frame)
            with st.popover("Python", icon=":material/code:"):
                st.caption("Run this where the folder of the store is, to get the same table.")
                st.code(python_code.program(statement, values, limits["rows"], arranged), language="python")
    with st.container(horizontal=True):
        kind = url.choice(
            st.segmented_control,
            "Show as",
            "chart",
            [NONE, *answers.KINDS],
            sparse=True,
            required=True,
            format_func=lambda each: answers.KINDS.get(each, "Table"),
            label_visibility="collapsed",
        )
        switch = st.container(width="content")
    if kind == NONE or frame.empty:
        pictures = partial(_with_pictures, switch)
        part = _page(len(frame))
        _table(snapshot, frame[part], arranged.sorted(whole)[part], pictures, "Result of the statement")
        _turner(len(frame))
    else:
        _chart(frame, kind)
    if len(frame) > EACH:
        console.give_back_memory()


def _page(many: int) -> slice:
    """The rows of the page that the address names."""
    at = url.page_number(_pages(many))
    return slice((at - 1) * EACH, at * EACH)


def _pages(many: int) -> int:
    return max(1, -(-many // EACH))


def _turner(many: int) -> None:
    """Draw the choice of a page, where the rows have several."""
    if many <= EACH:
        return
    at = url.page_number(_pages(many))
    key = f"sql-page:{at}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.pagination(
            _pages(many), default=at, key=key, on_change=lambda: url.change(page=st.session_state[key])
        )
        st.caption(
            f"Rows {(at - 1) * EACH + 1:,} to {min(at * EACH, many):,} of {many:,}. "
            "A header sorts these; *Columns* sorts all. Files have all rows.",
            width="content",
        )


def pinned(
    snapshot: Snapshot, result: console.ConsoleResult, settings: Mapping[str, str], title: str
) -> pd.DataFrame:
    """Draw an answer as the settings of an address have it, and return the table, which has them too."""
    whole, kind = result.frame, settings.get("chart", NONE)
    arranged = arrangement.saved(settings, whole)
    frame = arranged.of(whole)
    if kind not in answers.KINDS or frame.empty:
        pictures = settings.get("pictures") != "off"
        _table(snapshot, frame, arranged.sorted(whole), lambda: pictures, title)
        return frame
    columns = _usual(frame)
    for role in answers.ROLES:
        if (name := settings.get(role, NONE)) != NONE:
            columns[role] = name
    arrangement.check(frame, list(columns.values()))
    answers.chart(frame.rename(columns=str), kind, columns).draw(title, width="stretch")
    return frame


def _more_files(frame: pd.DataFrame) -> None:
    """Draw the buttons that download the answer as JSON and as Arrow."""
    downloads.button(
        "JSON",
        lambda: frame.to_json(orient="records", date_format="iso", indent=2, default_handler=str),
        "answer.json",
        "application/json",
        key="json-answer",
        help="One object for each row.",
    )
    downloads.button(
        "Arrow",
        lambda: _arrow(frame),
        "answer.arrow",
        "application/vnd.apache.arrow.file",
        key="arrow-answer",
        help="An Arrow file (Feather), which pandas, R and Polars read at once.",
    )


def _arrow(frame: pd.DataFrame) -> bytes:
    """The answer as an Arrow file, through Parquet, which holds columns of several types as text."""
    found = pa.parquet.read_table(BytesIO(downloads.parquet(frame)))
    buffer = BytesIO()
    with pa.ipc.new_file(buffer, found.schema) as file:
        file.write_table(found)
    return buffer.getvalue()


def _table(
    snapshot: Snapshot, frame: pd.DataFrame, whole: pd.DataFrame, with_pictures: Callable[[], bool], alt: str
) -> None:
    """Draw the rows. Where they name runs, each has a link to the page of its unit, layer or run.

    Where they are units, each has its picture, if `with_pictures` says so. `whole` has the same rows with all
    columns.
    """
    config: dict[str, Any] = {}
    beside: dict[str, Any] = {}
    height = None
    pictures = unit_rows.pictures(snapshot, whole)
    if pictures is not None and with_pictures():
        name = _free("picture", whole)
        beside[name], height = pictures, unit_rows.HEIGHT
        config[name] = st.column_config.ImageColumn(
            "Picture", width="small", help="The image that the unit is most active on, with its mask."
        )
    links = unit_rows.links(snapshot, whole)
    if links is not None:
        name = _free("page", whole)
        beside[name] = links
        config[name] = st.column_config.LinkColumn(
            "Opens",
            display_text=r"^/([a-z]+)",
            width="small",
            help="The page of the row's unit, layer or run.",
        )
    shown = frame.reset_index(drop=True).assign(**beside)
    st.dataframe(shown, hide_index=True, column_config=config, row_height=height, alt=alt)


def _with_pictures(switch: DeltaGenerator) -> bool:
    """Draw the switch of the pictures, which is in the address."""
    shown = url.choice(
        switch.segmented_control,
        "Pictures",
        "pictures",
        ["on", "off"],
        sparse=True,
        required=True,
        format_func={"on": "With pictures", "off": "Without pictures"}.__getitem__,
        label_visibility="collapsed",
    )
    return shown == "on"


def _free(name: str, frame: pd.DataFrame) -> str:
    """A name that no column has."""
    while name in frame:
        name += " "
    return name


def _usual(frame: pd.DataFrame) -> dict[str, str]:
    """The columns of x and y where nobody picks others: if there is a choice, none with a single value."""
    few = frame.head(1_000).astype(str)
    columns = sorted(few.columns.astype(str), key=lambda name: few[name].nunique() < 2)
    numbers = [name for name in columns if pd.api.types.is_numeric_dtype(frame[name])] or columns
    return {"x": columns[0], "y": next((name for name in numbers if name != columns[0]), numbers[0])}


def _chart(frame: pd.DataFrame, kind: str) -> None:
    """Draw the columns that are picked as a chart."""
    columns, usual = [str(name) for name in frame.columns], _usual(frame)
    picked: dict[str, str] = {}
    with st.container(horizontal=True):
        for role in answers.ROLES:
            options = columns if role in usual else [NONE, *columns]
            picked[role] = url.choice(
                st.selectbox, role.capitalize(), role, options, usual.get(role, NONE), sparse=True, width=180
            )
    told = {role: "" if column == NONE and role not in usual else column for role, column in picked.items()}
    drawing = answers.chart(frame.rename(columns=str), kind, told)
    drawing.draw(f"Chart of {told['y']} by {told['x']}", width="stretch")
    if len(frame) > answers.MOST_ROWS:
        st.caption(f"The chart shows the first {answers.MOST_ROWS:,} rows.")
