"""The schema browser: tables and views, their columns with meaning and example, and their relations."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.charts import palette
from dashboard.widgets import url, words
from dashboard.widgets.rows import rows
from dashboard.workbench import editor
from db.queries import tables
from db.schema import dictionary
from db.store import Snapshot

LONGEST = 40  # characters of an example
_HERE = Path(__file__).parent
_COLUMNS = st.components.v2.component(
    "ganatomy_sql_columns",
    html=(_HERE / "columns.html").read_text(),
    css=(_HERE / "columns.css").read_text(),
    js=(_HERE / "columns.js").read_text(),
)


def draw(snapshot: Snapshot) -> None:
    """Draw the table that is chosen; a click on a column writes its name into the statement."""
    kinds = {name: kind for kind, found in dictionary.kinds().items() for name in found}
    sizes = {str(row["table"]): row for row in rows(tables.sizes(snapshot))}
    name = url.choice(
        st.selectbox,
        "Tables and views",
        "table",
        sorted(kinds),
        default="unit_concept",
        unknown="There is no table {}",
        format_func=lambda each: f"{each} ({kinds[each]}{size(sizes.get(each))})",
    )
    table = dictionary.tables()[name]
    values = rows(tables.contents(snapshot, name))[0]
    room = size(sizes.get(name)) or ", made when it is read"
    st.caption(f"{table.comment or ''} {words.count(int(values[tables.ROWS]), 'row')}{room}.")
    st.button(
        f"Write {name} into the statement",
        icon=":material/input:",
        on_click=editor.insert,
        args=(name,),
    )
    key = f"columns-{name}"

    def picked() -> None:
        if chosen := st.session_state[key].get("picked"):
            editor.insert(str(chosen))

    data = {"table": name, "dark": palette.is_dark(), "columns": columns(name, values)}
    _COLUMNS(key=key, data=data, on_picked_change=picked)
    st.caption("Click a column to write its name into the statement.")
    _relations(name)


def size(found: Mapping[str, Any] | None) -> str:
    """What a table takes of the file, after a comma; empty for a view, which takes nothing.

    >>> size({"bytes": 262144}), size({"bytes": 0}), size(None)
    (', about 0.3 MB', ', empty', '')
    """
    if found is None:
        return ""
    return f", about {found['bytes'] / 1e6:,.1f} MB" if found["bytes"] else ", empty"


def columns(name: str, values: Mapping[str, Any]) -> list[dict[str, str]]:
    """The columns of a table: column, type, meaning, and an example out of `values`."""
    return [
        {
            "column": column.name,
            "type": dictionary.type_name(column),
            "meaning": column.comment or "",
            "example": _example(values.get(column.name)),
        }
        for column in dictionary.tables()[name].columns
    ]


def _example(value: object) -> str:
    text = (
        "" if value is None or value is pd.NaT else f"{value:.6g}" if isinstance(value, float) else str(value)
    )
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _relations(name: str) -> None:
    """Draw which tables the table points to and is pointed to from, and say which have the same keys."""
    found = dictionary.joins(name)
    if not found:
        return
    with st.expander("Relations", icon=":material/account_tree:"):
        st.mermaid_chart(diagram(name), alt=told(name))
        st.caption(told(name))
        st.markdown("Tables with the same keys, to join:")
        for keys, names in found.items():
            st.markdown(f"- On `{', '.join(keys)}`: {', '.join(f'`{each}`' for each in names)}")


def told(name: str) -> str:
    """The relations of a table in words.

    >>> told("layer_summary")
    'layer_summary points to layer by run_id, layer. No table points to it.'
    """
    to = [f"{other} by {', '.join(keys)}" for other, keys in dictionary.references(name).items()]
    points = f"{name} points to {' and to '.join(to)}." if to else f"{name} points to no table."
    others = dictionary.pointing(name)
    return f"{points} {', '.join(others)} point to it." if others else f"{points} No table points to it."


def diagram(name: str) -> str:
    """The relations of a table as a Mermaid flowchart: what points to it above, what it leads to below."""
    lines = ["flowchart TD", f"  {name}", f"  style {name} stroke-width:3px"]
    if others := dictionary.pointing(name):
        lines.append(f'  others["{"<br>".join(others)}"] --> {name}')
    reached, waiting = {name}, [name]
    while waiting:
        each = waiting.pop()
        for other, keys in dictionary.references(each).items():
            lines.append(f'  {each} -- "{", ".join(keys)}" --> {other}')
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    return "\n".join(lines)
