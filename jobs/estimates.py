"""What a request is likely to cost, from the runs that this store already has."""

from __future__ import annotations

import pandas as pd

from db import disk, queries, store
from db.errors import StoreError
from db.layout import Layout
from jobs.requests import DissectRequest, Request
from jobs.views import Estimate


def estimate(layout: Layout, request: Request) -> Estimate:
    """Seconds from the median speed of the runs most like it; disk from their bundles."""
    images = request.images + request.calibration if isinstance(request, DissectRequest) else 0
    try:
        runs = queries.runs(store.open(layout))
    except StoreError:
        runs = pd.DataFrame()
    alike, basis = _alike(runs, request)
    if alike.empty:
        return Estimate(images, None, None, "no earlier run to go by")
    speed = float(alike.images_per_s.median())
    sizes = [disk.size(layout.bundles / str(run)) for run in alike.run_id.tail(3)]
    return Estimate(images, images / speed, int(sum(sizes) / len(sizes)), f"from {len(alike)} {basis}")


def _alike(runs: pd.DataFrame, request: Request) -> tuple[pd.DataFrame, str]:
    """The earlier runs to go by: of the same generator, else of the same kind."""
    if runs.empty or "images_per_s" not in runs:
        return pd.DataFrame(), ""
    runs = runs[(runs.kind == request.RUN) & (runs.images_per_s > 0)]
    if isinstance(request, DissectRequest):
        same = runs[runs.generator == request.generator]
        if not same.empty:
            return same, "earlier run(s) of this generator"
    return runs, "earlier run(s) of this kind"
