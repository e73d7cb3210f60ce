"""What a request is likely to cost, from the runs that this store already has."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.dissection.significance import images_for_width
from analysis.shared.errors import GanatomyError
from db import store
from db.errors import StoreError
from db.layout import Layout
from db.queries import runs as queries
from db.store import files
from db.store.publication import Snapshot
from jobs.kinds.requests import DissectionRequest, Request
from jobs.queue.records import Estimate, ImagesNeeded

TRIED = 5  # runs looked through for one that gave an interval


def estimate(layout: Layout, request: Request) -> Estimate:
    """Seconds from the median speed of the runs most like it; disk from their bundles."""
    images = request.size()
    try:
        runs = queries.runs(store.open(layout))
    except StoreError:
        runs = pd.DataFrame()
    alike, basis = _alike(runs, request)
    if alike.empty:
        return Estimate(images, None, None, "no earlier run to go by")
    speed = float(alike.images_per_s.median())
    sizes = [files.size(layout.bundles / str(run)) for run in alike.run_id.head(3)]
    return Estimate(
        images,
        images / speed,
        int(sum(sizes) / len(sizes)),
        f"from {len(alike)} earlier {'run' if len(alike) == 1 else 'runs'} {basis}",
    )


def _alike(runs: pd.DataFrame, request: Request) -> tuple[pd.DataFrame, str]:
    """The earlier runs to go by: of the same generator, else of the same kind."""
    if runs.empty or "images_per_s" not in runs:
        return pd.DataFrame(), ""
    runs = runs[(runs.kind == request.RUN) & (runs.images_per_s > 0)]
    same = runs[runs.generator == getattr(request, "generator", None)]
    return (same, "of this generator") if not same.empty else (runs, "of this kind")


def images_for(layout: Layout, request: Request, width: float) -> ImagesNeeded | None:
    """The evaluation images at which the median 95 % interval of the named units of the wanted layers is as
    wide as `width` (method.md section 2), from the newest run of the same generator and segmenter that gave
    an interval; a provisional run will do. None when there is no such run.

    Raises:
        GanatomyError: the width is not between 0 and 1, or a model or layer is not known.
    """
    if not 0 < width < 1:
        raise GanatomyError(
            f"An interval's width lies between 0 and 1, for example 0.05; {width:g} does not."
        )
    if type(request) is not DissectionRequest:  # other kinds give no intervals of IoU
        return None
    wanted = request.meant(layout)
    try:
        snapshot = store.open(layout)
    except StoreError:
        return None
    runs = queries.runs(snapshot)
    alike = runs[
        (runs.kind == wanted.RUN)
        & (runs.generator == wanted.generator)
        & (runs.segmenter == wanted.segmenter)
        & (runs.images > 0)
    ]
    newest = alike.head(TRIED)
    for run_id, images in zip(newest.run_id, newest.images, strict=True):
        needed = _needed(snapshot, str(run_id), int(images), wanted.layers or (), width)
        if needed is not None:
            return needed
    return None


def _needed(
    snapshot: Snapshot, run_id: str, images: int, layers: tuple[str, ...], width: float
) -> ImagesNeeded | None:
    """What one run says; None when it gave no interval for a name in these layers."""
    rows = queries.intervals(snapshot, run_id, layers).astype(float)
    score, low, high = (rows[name].to_numpy() for name in ("iou", "iou_low", "iou_high"))
    needed = images_for_width(score, low, high, images, width)
    intervals = int((np.isfinite(score) & np.isfinite(low)).sum())
    return ImagesNeeded(int(needed), width, run_id, images, intervals) if np.isfinite(needed) else None
