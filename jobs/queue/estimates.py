"""What a request is likely to cost, from the runs that this store already has."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pandas as pd

from analysis.dissection.significance import images_for_width
from analysis.shared.errors import GanatomyError
from db import store
from db.errors import StoreError
from db.layout import Layout
from db.queries import runs
from db.store import files
from jobs.kinds.base import Request
from jobs.queue import workers
from jobs.queue.records import Estimate, ImagesNeeded

ATTEMPTS = 5  # runs that are searched for one with intervals


def estimate(layout: Layout, request: Request) -> Estimate:
    """Time and disk of a request.

    The time follows from the median speed of earlier runs of the kind with the same generator, else of the
    kind, else from other kinds of runs of the generator. The disk is the mean size of the newest three of
    their bundles, where they are of the kind. Runs that were made elsewhere and imported say nothing about
    this machine, so they count only in a store without runs of this one.
    """
    images = request.size()
    earlier, basis = pd.DataFrame(), ""
    with suppress(StoreError):
        earlier = runs.runs(store.open(layout))
    if "host" in earlier and (earlier.host == workers.host()).any():
        earlier = earlier[earlier.host == workers.host()]
    if "images_per_s" in earlier:
        timed = earlier[earlier.images_per_s > 0]
        alike = timed[timed.kind == request.kind.name]
        of_generator = timed[timed.generator == getattr(request, "generator", None)]
        same = alike[alike.generator == getattr(request, "generator", None)]
        known = (
            (same, "of this generator"),
            (alike, "of this kind"),
            (of_generator, "of this generator, of another kind"),
        )
        earlier, basis = next((each for each in known if len(each[0])), (timed.head(0), ""))
    if earlier.empty or "images_per_s" not in earlier:
        return Estimate(images, None, None, "no earlier run to go by")
    speed = float(earlier.images_per_s.median())
    if basis.endswith("another kind"):
        return Estimate(images, images / speed, None, f"roughly, from {_count(earlier)} {basis}")
    sizes = [files.size(layout.bundles / str(run)) for run in earlier.run_id.head(3)]
    return Estimate(images, images / speed, sum(sizes) // len(sizes), f"from {_count(earlier)} {basis}")


def _count(earlier: pd.DataFrame) -> str:
    return f"{len(earlier)} earlier {'run' if len(earlier) == 1 else 'runs'}"


def images_for(layout: Layout, request: Request, width: float) -> ImagesNeeded | None:
    """The evaluation images at which the median 95 % interval of the units is as narrow as `width`.

    It follows from the newest run of the same generator and segmenter with an interval in the wanted layers,
    be it provisional: an interval narrows as one over the root of the images (method.md section 2). None when
    there is no such run, and for kinds without intervals of IoU.

    Raises:
        GanatomyError: The width is not between 0 and 1, or a model or layer is not known.
    """
    if not 0 < width < 1:
        raise GanatomyError(
            f"An interval's width lies between 0 and 1, for example 0.05; {width:g} does not."
        )
    if not request.kind.intervals:
        return None
    wanted = request.with_defaults(layout).given()
    try:
        snapshot = store.open(layout)
    except StoreError:
        return None
    earlier = runs.runs(snapshot)
    alike = earlier[
        (earlier.kind == request.kind.name)
        & (earlier.generator == wanted["generator"])
        & (earlier.segmenter == wanted["segmenter"])
        & (earlier.images > 0)
    ].head(ATTEMPTS)
    for run_id, images in zip(alike.run_id.astype(str), alike.images.astype(int), strict=True):
        rows = runs.intervals(snapshot, run_id, wanted["layers"]).astype(float)
        iou, low, high = (rows[name].to_numpy() for name in ("iou", "iou_low", "iou_high"))
        needed = images_for_width(iou, low, high, images, width)
        if np.isfinite(needed):
            intervals = int((np.isfinite(iou) & np.isfinite(low)).sum())
            return ImagesNeeded(int(needed), width, run_id, images, intervals)
    return None
