"""Rows of an answer that are about runs, layers and units: the page of each, and the picture of a unit."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import pandas as pd

from dashboard.widgets import page_list, url
from dashboard.widgets.rows import rows
from db.errors import StoreError
from db.queries import tables
from db.store import Snapshot
from jobs.api.endpoints import PICTURE

WIDTH = 128  # pixels of a picture, which a click shows in full
HEIGHT = 56  # pixels of a row with one
KEYS = ("run_id", "layer", "unit", "concept")


def links(snapshot: Snapshot, frame: pd.DataFrame) -> "pd.Series[Any] | None":
    """The address that shows each row; None where no row names a run."""
    known = {str(row["run_id"]): row for row in rows(tables.runs(snapshot))}
    names = [name for name in KEYS if name in frame]
    return _each(frame, names, lambda row: _link(row, known))


def _link(row: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> str | None:
    run = known.get(str(row["run_id"]))
    if run is None:
        return None
    if row.get("layer") is not None and (unit := _whole(row.get("unit"))) is not None:
        return url.address("unit", run=run["dissection"], layer=row["layer"], unit=unit)
    view = page_list.RESULTS.get(str(run["kind"]))
    if view == "units" and row.get("concept") is not None:
        return url.address("concept", run=run["run_id"], concept=row["concept"])
    if view is None:
        return url.address("runs", has=run["run_id"])
    return url.address(view, run=run["run_id"], layer=row.get("layer") if view == "units" else None)


def pictures(snapshot: Snapshot, frame: pd.DataFrame) -> "pd.Series[Any] | None":
    """The address of each row's picture; None where no row is a unit of a run that keeps pictures.

    The browser asks the HTTP API for those in sight only, so that it costs nothing here.
    """
    if not {"run_id", "layer", "unit"} <= set(frame):
        return None
    dissections = {str(row["run_id"]): str(row["dissection"]) for row in rows(tables.runs(snapshot))}
    units = {(str(row["run_id"]), row["layer"]): row["units"] for row in rows(tables.layers(snapshot))}
    kept: dict[str, set[str]] = {}

    def picture(row: Mapping[str, Any]) -> str | None:
        run, layer, unit = dissections.get(str(row["run_id"]), ""), row["layer"], _whole(row["unit"])
        if unit is None or not 0 <= unit < units.get((run, layer), 0):
            return None
        if run not in kept:
            kept[run] = _arrays(snapshot, run)
        if not {"images", f"activations-{layer}"} <= kept[run]:
            return None
        there = PICTURE.format(run_id=quote(run, safe=""), layer=quote(str(layer), safe=""), unit=unit)
        return f"{there}?columns=1&width={WIDTH}"

    return _each(frame, ["run_id", "layer", "unit"], picture)


def _arrays(snapshot: Snapshot, run: str) -> set[str]:
    """The names of the arrays that a run keeps; none where its bundle is missing."""
    try:
        return set(snapshot.bundle(run).names("arrays"))
    except StoreError:
        return set()


def _whole(value: Any) -> int | None:
    """A number without a fraction, as reals and decimals have it too."""
    try:
        return int(value) if int(value) == value else None
    except (TypeError, ValueError, OverflowError):
        return None


def _each(
    frame: pd.DataFrame, names: list[str], answer: Callable[[Mapping[str, Any]], str | None]
) -> "pd.Series[Any] | None":
    """What each row's values of some columns lead to, asked once for equal values; None if all to nothing."""
    if frame.empty or "run_id" not in names:
        return None
    try:
        distinct = frame[names].drop_duplicates(ignore_index=True)
    except TypeError:  # lists or structs, which somebody has given the name of a key
        return None
    found = [answer(row) for row in rows(distinct)]
    if not any(found):
        return None
    name = " ".join(["found", *names])  # is none of them
    return frame[names].merge(distinct.assign(**{name: pd.array(found, "str")}), on=names, how="left")[name]
