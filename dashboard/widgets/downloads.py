"""Files of what a page shows: a table, as it is filtered, as CSV and as Parquet."""

from collections.abc import Callable
from io import BytesIO
from typing import Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import streamlit as st

from db import spreadsheet

ICON = ":material/download:"


def button(
    label: str,
    data: str | bytes | Callable[[], str | bytes],
    file: str,
    mime: str,
    *,
    key: str | None = None,
    help: str | None = None,
    kind: Literal["primary", "secondary", "tertiary"] = "secondary",
) -> None:
    """Draw a button that downloads a file, which may be made when somebody asks for it.

    A click leaves the page as it is: drawn anew, the page would drop the file before the browser has it.
    """
    st.download_button(label, data, file, mime, icon=ICON, key=key, help=help, type=kind, on_click="ignore")


def table(frame: pd.DataFrame, name: str, title: str = "") -> None:
    """Draw two buttons that download a table as `name`.csv and `name`.parquet.

    The files are made when somebody asks for them. `title` is the table's name on the buttons.
    """
    label = title or name.capitalize().replace("-", " ")
    with st.container(horizontal=True, gap="small"):
        button(
            f"{label} as CSV",
            lambda: csv(frame),
            f"{name}.csv",
            "text/csv",
            key=f"csv-{name}",
            help="For spreadsheets. A text that a spreadsheet would calculate begins with an apostrophe.",
        )
        button(
            "Parquet",
            lambda: parquet(frame),
            f"{name}.parquet",
            "application/vnd.apache.parquet",
            key=f"parquet-{name}",
            help=f"{label} with full precision and types, for pandas, DuckDB or R.",
        )


def csv(frame: pd.DataFrame) -> bytes:
    """The table as CSV that no spreadsheet calculates with."""
    return bytes(spreadsheet.guarded(frame).to_csv(index=False), "utf-8")


def parquet(frame: pd.DataFrame) -> bytes:
    """The table as Parquet. A column whose values have several types is written as text."""
    named, buffer = unique(frame), BytesIO()
    try:
        found = pa.Table.from_pandas(named, preserve_index=False)
    except pa.ArrowException:
        mixed = {str(name): named[name].map(str, na_action="ignore") for name in named.select_dtypes(object)}
        found = pa.Table.from_pandas(named.assign(**mixed), preserve_index=False)
    pq.write_table(found, buffer)
    return buffer.getvalue()


def unique(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with each column's name as text, and once, as a file of columns needs it.

    >>> list(unique(pd.DataFrame([[1, 2, 3]], columns=["unit", "unit", "iou"])).columns)
    ['unit', 'unit_2', 'iou']
    """
    names: list[str] = []
    for column in map(str, frame.columns):
        name, place = column, 1
        while name in names:
            place += 1
            name = f"{column}_{place}"
        names.append(name)
    return frame.set_axis(names, axis=1)
