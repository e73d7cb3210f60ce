"""The choice of an answer's columns and order. It is in the address."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from analysis.shared.errors import GanatomyError
from dashboard.widgets import url
from db.sql import console
from db.sql.arrangement import Arrangement, sortable

PARAMETERS = ("columns", "sort", "order", "page")
UNSORTED = ""
ORDERS = {"up": "Smallest first", "down": "Largest first"}


def choose(result: console.ConsoleResult) -> Arrangement:
    """Draw the choice."""
    frame = result.frame
    chosen = len([part for part in url.get("columns").split(",") if part])
    said = f"Columns ({chosen} of {len(frame.columns)})" if chosen else "Columns"
    with st.popover(said, icon=":material/view_column:", key="sql-columns"):
        by_option = {_option(str(name)): str(name) for name in frame.columns}
        columns = url.several(
            st.multiselect,
            "Columns",
            "columns",
            list(by_option),
            format_func=by_option.__getitem__,
            placeholder="All columns",
        )
        sort = url.choice(
            st.selectbox,
            "Sort by",
            "sort",
            [UNSORTED, *sortable(frame, result.table)],
            sparse=True,
            reset=("page",),
            format_func=lambda name: name or "As the statement has it",
        )
        order = "up"
        if sort:
            order = url.choice(
                st.segmented_control,
                "Order",
                "order",
                list(ORDERS),
                sparse=True,
                reset=("page",),
                required=True,
                format_func=ORDERS.__getitem__,
            )
        st.caption("The files and the Python program have these columns and this order, and so has a link.")
    return Arrangement(tuple(by_option[each] for each in columns), sort, order == "down")


def saved(settings: Mapping[str, str], frame: pd.DataFrame) -> Arrangement:
    """The columns and the order that settings of an address have. Raises GanatomyError for other columns."""
    by_option = {_option(str(name)): str(name) for name in frame.columns}
    columns = [by_option.get(part, part) for part in settings.get("columns", "").split(",") if part]
    sort = settings.get("sort", UNSORTED)
    check(frame, [*columns, *([sort] if sort else [])])
    return Arrangement(tuple(columns), sort, settings.get("order") == "down")


def check(frame: pd.DataFrame, columns: Sequence[str]) -> None:
    """Raise GanatomyError unless the answer has these columns."""
    for name in columns:
        if name not in frame:
            raise GanatomyError(f"The answer has no column {name}; open the query and choose another.")


def _option(name: str) -> str:
    """A column's name in the address, whose lists are separated by commas.

    >>> _option("round(iou, 2)")
    'round(iou%2C 2)'
    """
    return name.replace("%", "%25").replace(",", "%2C")
