"""Pickers that most pages share: the run, its layer, the rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import streamlit as st

from dashboard.widgets import page, url, words
from dashboard.widgets.rows import Row, rows
from db.queries import runs as queries
from db.schema.naming import NamingRule
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
    """The run picker; without a run in the address it is the one last looked at, else the newest."""
    runs = queries.runs(snapshot, "dissection")
    if runs.empty:
        page.nothing_yet()
        return None
    found = {row["run_id"]: row for row in rows(runs)}
    asked = url.get("run")
    if asked and asked not in found:
        st.warning(f"Run {asked} is not in this store; the newest one is shown.", icon=":material/help:")
    remembered = st.session_state.get("last-run")
    chosen = url.choice(
        st.selectbox,
        "Run",
        "run",
        list(found),
        default=remembered if remembered in found else next(iter(found)),
        reset=("layer", "concept", "unit", "units", "page", "t"),
        width=440,
        format_func=lambda name: _title(found[name]),
        help="What was dissected, seen by which segmenter, on how many evaluation images.",
    )
    st.session_state["last-run"] = chosen
    return Run(chosen, found[chosen], snapshot)


def _title(row: Row) -> str:
    state = "" if row["state"] == "final" else f" ({row['state']})"
    return f"{row['generator']}, {row['images']:,} images{state} · {row['segmenter']} · {row['run_id']}"


def layer(snapshot: Snapshot, run_id: str, keep: Sequence[str] = ()) -> Row | None:
    """The layer picker: a row of the layer table. What depends on the layer is forgotten, except `keep`."""
    layers = {row["layer"]: row for row in rows(queries.layers(snapshot, run_id))}
    if not layers:
        st.info("This run has published no layer yet; it will appear here.", icon=":material/hourglass:")
        return None
    asked, middle = url.get("layer"), _middle(list(layers))
    if asked and asked not in layers:
        st.warning(f"This run has no layer {words.plain(asked)}; {middle} is shown.", icon=":material/help:")
    chosen = url.choice(
        st.segmented_control,
        "Layer",
        "layer",
        list(layers),
        default=middle,
        reset=[name for name in ("page", "unit", "units", "t") if name not in keep],
        required=True,
        format_func=lambda name: f"{name} · {layers[name]['height']}x{layers[name]['width']}",
        help="Layers in the generator's order, with their grid.",
    )
    return layers[chosen]


def _middle(layers: list[str]) -> str:
    """Objects are most often found past the middle of a generator; start there."""
    return layers[len(layers) // 2]


def rule() -> NamingRule:
    """The switch between the paper's rule, with its cut, and the calibrated one."""
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
