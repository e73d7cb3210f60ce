"""Pickers that most pages share: the run, its layer, the naming rule."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import streamlit as st

from dashboard.widgets import page, url, words
from dashboard.widgets.rows import Row, only, rows
from db.queries import runs as queries
from db.schema.naming_rule import NamingRule
from db.store import Snapshot

CUTS = [0.02, 0.04, 0.05, 0.1, 0.2]  # .05 in the paper's code, .04 later


@dataclass(frozen=True)
class Run:
    """The run that a page shows."""

    id: str
    row: Row
    snapshot: Snapshot

    @property
    def grid(self) -> tuple[int, int]:
        """Height and width of the grid that masks were scored on."""
        return int(self.row["grid_height"]), int(self.row["grid_width"])

    @cached_property
    def bundle(self) -> str:
        """Folder of the bundle behind the rows on the page."""
        return str(self.snapshot.bundle(self.id).path)


def run(snapshot: Snapshot) -> Run | None:
    """Draw the run picker. The default is the run that was shown last, else the newest."""
    runs = queries.runs(snapshot, "dissection")
    if runs.empty:
        page.no_runs()
        return None
    found = {row["run_id"]: row for row in rows(runs)}
    last = st.session_state.get("last-run")
    default = str(last) if last in found else next(iter(found))
    wanted = url.get("run")
    if wanted and wanted not in found:
        st.warning(
            f"Run {words.plain(wanted)} is not in this store. The page shows {words.plain(default)}.",
            icon=":material/help:",
        )
    chosen = url.choice(
        st.selectbox,
        "Run",
        "run",
        list(found),
        default=default,
        reset=("layer", "concept", "unit", "units", "page", "t"),
        width=440,
        format_func=lambda name: _title(found[name]),
        help="A run is one dissection of a generator with a segmenter. The newest run comes first.",
    )
    st.session_state["last-run"] = chosen
    picked = Run(chosen, found[chosen], snapshot)
    page.bundle(snapshot, chosen)
    return picked


def _title(row: Row) -> str:
    state = "" if row["state"] == "final" else f" ({row['state']})"
    return f"{row['generator']}, {row['images']:,} images{state} · {row['segmenter']} · {row['run_id']}"


def study_run(
    found: pd.DataFrame,
    label: str,
    noun: str,
    title: Callable[[Row], str],
    names: Sequence[str],
    reset: Sequence[str] = (),
) -> Row:
    """Draw the picker of a study's run, and return its row of `found`.

    The default is the run of the generator, layer or concept in the address (`names`), else the run of the
    dissection in the address, else the newest. `noun` says what a run of this study has.
    """
    known = {str(row["run_id"]): row for row in rows(found)}
    wanted = {name: url.get(name) for name in names if url.get(name)}
    named = url.get("run")
    match = only(found, **wanted) if wanted else None
    match = match or (only(found, parent_run_id=named) if named else None)
    default = str((match or next(iter(known.values())))["run_id"])
    if named and named not in known and match is None:
        text = f"Run {words.plain(named)} has no {noun}. The page shows {words.plain(default)}."
        st.warning(text, icon=":material/help:")
    chosen = url.choice(
        st.selectbox,
        label,
        "run",
        list(known),
        default=default,
        reset=(*reset, *names),
        format_func=lambda name: title(known[name]),
        width=560,
        help="The newest run comes first.",
    )
    return known[chosen]


def layer(snapshot: Snapshot, run_id: str, keep: Sequence[str] = ()) -> Row | None:
    """Draw the layer picker, and return the layer's row. A new choice resets parameters other than `keep`."""
    layers = {row["layer"]: row for row in rows(queries.layers(snapshot, run_id))}
    if not layers:
        st.info("This run has published no layer yet. Layers will appear here.", icon=":material/hourglass:")
        return None
    wanted, middle = url.get("layer"), _middle(list(layers))
    if wanted and wanted not in layers:
        st.warning(
            f"This run has no layer {words.plain(wanted)}. The page shows {middle}.", icon=":material/help:"
        )
    chosen = url.choice(
        st.segmented_control,
        "Layer",
        "layer",
        list(layers),
        default=middle,
        reset=[name for name in ("page", "unit", "units", "t") if name not in keep],
        required=True,
        format_func=lambda name: f"{name} · {layers[name]['height']}x{layers[name]['width']}",
        help="Layers in the generator's order, with the height and width of their grids.",
    )
    return layers[chosen]


def _middle(layers: list[str]) -> str:
    """The layer past the middle of the generator, where most units for objects are found."""
    return layers[len(layers) // 2]


def rule() -> NamingRule:
    """Draw the choice between the paper's rule, with its cut, and the calibrated rule."""
    name = url.choice(
        st.segmented_control,
        "Rule",
        "rule",
        ["paper", "calibrated"],
        required=True,
        format_func=str.title,
        help=words.HELP["rule"],
    )
    if name == "calibrated":
        return NamingRule("calibrated")
    return NamingRule("paper", url.choice(st.selectbox, "IoU over", "cut", CUTS, default=0.05, width=100))
