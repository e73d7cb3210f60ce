"""ganatomy dissect GENERATOR --estimate: what it is likely to cost, and how many images intervals need."""

from __future__ import annotations

from dataclasses import asdict

from jobs.client import Client
from jobs.commands.common import console, seconds, show_json
from jobs.requests import Request
from jobs.views import ImagesNeeded


def show(jobs: Client, request: Request, width: float, json: bool) -> None:
    """Images, time, disk, and the images at which the intervals are under `width`. Queues nothing."""
    needed = jobs.images_for(request, width)  # first: it refuses what is not known
    cost = jobs.estimate(request)
    if json:
        show_json({**asdict(cost), "intervals": asdict(needed) if needed else None})
        return
    time = f"about {seconds(cost.seconds)}" if cost.seconds is not None else "unknown"
    disk = f"{cost.disk_bytes / 1e6:,.0f} MB" if cost.disk_bytes is not None else "unknown"
    lines = [
        f"images     {cost.images:,}, calibration included",
        f"time       {time} ({cost.basis})",
        f"disk       {disk}",
        f"intervals  {intervals(needed, width)}",
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def intervals(needed: ImagesNeeded | None, width: float) -> str:
    """How many images, in words."""
    if needed is None:
        return "unknown: no earlier run of this generator and segmenter has one; a pilot of 200 images does"
    return (
        f"about {needed.images:,} evaluation images for intervals under {width:g}, from run {needed.run_id} "
        f"({needed.run_images:,} images)"
    )
