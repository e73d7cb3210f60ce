"""Pickers that most pages share: the run, its layer, the naming rule."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.widgets import page, url, words
from dashboard.widgets.rows import Row, only, rows
from db.queries import runs as queries
from db.schema.naming_rule import NamingRule
from db.store import Snapshot

MOST_LETTERS = 40  # of layers' names that are shown side by side
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


def newest(runs: pd.DataFrame) -> Row:
    """The newest run that is no control and has detectors: one that has just begun has none yet.

    Without such a run, the newest that is no control; without that, the newest.
    """
    found = rows(runs)
    results = [row for row in found if row["control"] == "none"]
    return next((row for row in results if row["detectors"]), (results or found)[0])


def one_of(label: str, name: str, options: Sequence[str]) -> str:
    """Draw a filter by one of the options, held in the address under `name`; empty where all pass.

    It is left out where there is nothing to choose.
    """
    if len(options) < 2 and not url.get(name):
        return ""
    return url.choice(
        st.selectbox,
        label,
        name,
        ["", *options],
        reset=("page",),
        width=160,
        format_func=lambda option: words.plain(option) if option else "All",
    )


def by_people(found: pd.DataFrame, folded: bool = False) -> pd.DataFrame:
    """Draw filters by project and owner where there are several, and return the runs that pass them."""
    known = {
        (label, name, column): sorted({str(value) for value in found[column].dropna()})
        for label, name, column in (("Project", "in", "project"), ("Owner", "whose", "owner"))
        if column in found
    }
    if all(len(values) < 2 for values in known.values()) and not (url.get("in") or url.get("whose")):
        return found
    place = st.popover("Filter", icon=":material/filter_list:") if folded else nullcontext()
    with place:
        for (label, name, column), values in known.items():
            if chosen := one_of(label, name, values):
                found = found[found[column] == chosen]
    return found


def _offered(found: pd.DataFrame, shown: str) -> pd.DataFrame:
    """Draw the folded filters, and return the runs that pass them with the one that is shown."""
    passing = by_people(found, folded=True)
    return found[found["run_id"].isin({*passing["run_id"], shown})] if len(passing) else found


def run(snapshot: Snapshot, width: int = 440) -> Run | None:
    """Draw the run picker. The default is the run that was shown last, else `newest`."""
    runs = queries.runs(snapshot, "dissection")
    if runs.empty:
        page.no_runs()
        return None
    last = st.session_state.get("last-run")
    runs = _offered(runs, url.get("run"))
    found = {row["run_id"]: row for row in rows(runs)}
    default = str(last) if last in found else str(newest(runs)["run_id"])
    titles = page.titles()
    chosen = url.choice(
        st.selectbox,
        "Run",
        "run",
        list(found),
        default=default,
        reset=("layer", "concept", "unit", "units", "page", "t"),
        unknown="Run {} is not in this store",
        width=width,
        format_func=lambda name: _title(found[name], titles.get(name, "")),
        help="A run is one dissection of a generator with a segmenter. The newest run comes first.",
    )
    st.session_state["last-run"] = chosen
    picked = Run(chosen, found[chosen], snapshot)
    page.bundle(snapshot, chosen)
    return picked


def _title(row: Row, title: str) -> str:
    state = "" if row["state"] == "final" else f" ({row['state']})"
    given = f" ({row['inputs']})" if isinstance(row.get("inputs"), str) and row["inputs"] else ""
    images = f"{row['images']:,} images{state}"
    named = f"{title} · " if title else ""
    return f"{named}{row['generator']}{given}, {images} · {row['segmenter']} · {row['run_id']}"


def study_run(
    found: pd.DataFrame,
    label: str,
    noun: str,
    title: Callable[[Row], str],
    names: Sequence[str],
    reset: Sequence[str] = (),
) -> Row:
    """Draw the picker of a study's run with filters by project and owner, and return its row of `found`.

    The default is the run of the generator, layer or concept in the address (`names`), else the run of the
    dissection in the address, else the newest. `noun` says what a run of this study has.
    """
    usual = _study(found, noun, names)
    known = {str(row["run_id"]): row for row in rows(_offered(found, usual))}
    chosen = url.choice(
        st.selectbox,
        label,
        "run",
        list(known),
        default=usual,
        reset=(*reset, *names),
        unknown=f"Run {{}} has no {noun} in this store",
        format_func=lambda name: title(known[name]),
        width=560,
        help="The newest run comes first.",
    )
    return known[chosen]


def _study(found: pd.DataFrame, noun: str, names: Sequence[str]) -> str:
    """The run of a study that the address is about, else of the layer seen last, else the newest.

    An address that names a dissection is changed to name its study. Raises `url.UnknownValueError` where the
    address names what has no study.
    """
    wanted = {name: url.get(name) for name in names if url.get(name)}
    named = url.get("run")
    if named in set(found["run_id"]):
        return named
    dissected = named in set(found["parent_run_id"].dropna())
    if dissected or (wanted and not named):
        own = wanted | ({"parent_run_id": named} if dissected else {})
        match = only(found, **own)
        if match is None:
            told = ", ".join(f"{name} {value}" for name, value in wanted.items())
            raise url.UnknownValueError(f"There are no {noun} of {told} in this store; choose another run.")
        url.put(run=match["run_id"])
        return str(match["run_id"])
    last, there = st.session_state.get("last-run"), st.session_state.get("last-layer")
    seen = only(found, parent_run_id=last, layer=there) or only(found, parent_run_id=last)
    return str((seen or rows(found.head(1))[0])["run_id"])  # a run that is unknown, the picker will refuse


def layer(snapshot: Snapshot, run_id: str, keep: Sequence[str] = ()) -> Row | None:
    """Draw the layer picker, and return the layer's row. A new choice resets parameters other than `keep`.

    Many layers are a list, so that the choices of the page stay in one row.
    """
    layers = {row["layer"]: row for row in rows(queries.layers(snapshot, run_id))}
    if not layers:
        st.info("This run has published no layer yet. Layers will appear here.", icon=":material/hourglass:")
        return None
    last = st.session_state.get("last-layer")
    short = len("".join(layers)) + len(layers) <= MOST_LETTERS
    more: dict[str, Any] = {"required": True} if short else {"width": 200}
    widget: Any = st.segmented_control if short else st.selectbox
    chosen = url.choice(
        widget,
        "Layer",
        "layer",
        list(layers),
        default=last if last in layers else _middle(list(layers)),
        unknown="This run has no layer {}",
        reset=[name for name in ("page", "unit", "units", "t") if name not in keep],
        format_func=(lambda name: words.plain(name)) if short else (lambda name: _with_grid(layers[name])),
        help="Layers in the generator's order: "
        f"{', '.join(_with_grid(each) for each in layers.values())} (height x width of their grids).",
        **more,
    )
    st.session_state["last-layer"] = chosen
    return layers[chosen]


def _with_grid(layer: Row) -> str:
    """A layer's name and its grid, unless the name has it already, as 16x16.1 has."""
    name, grid = words.plain(str(layer["layer"])), f"{layer['height']}x{layer['width']}"
    return name if grid in name else f"{name} · {grid}"


def _middle(layers: list[str]) -> str:
    """The layer past the middle of the generator, where most units for objects are found."""
    return layers[len(layers) // 2]


def old_names(units: pd.DataFrame) -> None:
    """Say where a run was counted before names went by lift, and what its counts do not give.

    The units are as they are stored: at another threshold no unit has an interval.
    """
    if units["lift"].isna().all() or units["lift_q_value"].notna().any():
        return
    text = (
        "This run was counted by an earlier version. Its names were chosen again, by lift, from its scores."
    )
    if units["lift_low"].isna().all():
        text += (
            " It has no intervals of the lift: a detector is a unit whose own interval lies above the "
            "control. Dissect again to have them."
        )
    st.caption(text)


def rule(sparse: bool = False) -> NamingRule:
    """Draw the choice between names by lift, and the paper's rule with its cut; see `url.choice`."""
    name = url.choice(
        st.segmented_control,
        "Names by",
        "rule",
        ["lift", "paper"],
        required=True,
        sparse=sparse,
        format_func={"lift": "Lift", "paper": "IoU (paper)"}.__getitem__,
        help=words.HELP["rule"],
    )
    if name == "lift":
        return NamingRule("lift")
    return NamingRule(
        "paper", url.choice(st.selectbox, "IoU over", "cut", CUTS, default=0.05, sparse=sparse, width=100)
    )
