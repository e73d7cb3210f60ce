"""Runs to hold beside the session's dissection: checkpoints of a training, and one with other names."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from db import store as stores
from db.layout import Layout
from db.store import bundles
from db.store.bundles import Bundle


@dataclass(frozen=True)
class Runs:
    """The names of the runs in the store."""

    whole: str
    early: str
    late: str
    unlike: str


def fill(layout: Layout) -> Runs:
    """The planted run and its doubles.

    One double is an early and a late checkpoint, the early one without discs; the other has other names.
    """
    whole = bundles.latest(layout, next(r for r in bundles.run_ids(layout) if r.startswith("planted-")))
    for steps, run_id in ((100, "early-1"), (900, "late-1")):
        point = {"training": "planted", "training_steps": steps, "training_images": 32 * steps}
        tables = _tables(whole)
        tables["generator"] = tables["generator"].assign(**point, trained_on="coloured shapes")
        if steps == 100:
            tables |= _without(tables, "disc")
        _write(layout, whole, tables, run_id=run_id, generator=run_id.rpartition("-")[0])
    renamed = {name: _renamed(table) for name, table in _tables(whole).items()}
    _write(layout, whole, renamed, run_id="unlike-1", generator="unlike", segmenter="others")
    stores.publish(layout)
    return Runs(whole.run_id, "early-1", "late-1", "unlike-1")


def _tables(bundle: Bundle) -> dict[str, pd.DataFrame]:
    return {name: bundle.table(name) for name in bundle.names("tables") if name != "run"}


def _without(tables: dict[str, pd.DataFrame], concept: str) -> dict[str, pd.DataFrame]:
    """The images show the concept too rarely, so no unit has a threshold for it."""
    scores, units, known = tables["unit_concept"], tables["unit"], tables["concept"]
    here = scores["concept"] == concept
    gone = ["threshold", "iou", "iou_low", "iou_high", "calibration_iou"]
    gone += ["lift", "lift_low", "lift_high", "lift_q_value", "calibration_lift"]
    flags = ["label", "largest_iou", "detector"]
    scores.loc[here, gone], scores.loc[here, "side"], scores.loc[here, flags] = np.nan, None, False
    units.loc[units["concept"] == concept, "concept"] = None
    known.loc[known["concept"] == concept, ["images", "calibration_images"]] = 3
    return {"unit_concept": scores, "unit": units, "concept": known}


def _renamed(table: pd.DataFrame) -> pd.DataFrame:
    if "concept" not in table or "name" in table:
        return table
    return table.assign(concept=table["concept"].map(lambda name: f"other {name}", na_action="ignore"))


def _write(layout: Layout, like: Bundle, tables: dict[str, pd.DataFrame], **facts: str) -> None:
    arrays = {name: dict(like.array(name)) for name in like.names("arrays")}
    files = {name: like.file(name) for name in like.names("files")}
    before = str(datetime.fromisoformat(str(like.run["started_at"])) - timedelta(days=1))
    bundles.write(layout, {**like.run, "revision": 1, "started_at": before, **facts}, tables, arrays, files)
