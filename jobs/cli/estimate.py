"""--estimate of a command: what it is likely to cost, and how many images intervals need."""

from __future__ import annotations

from dataclasses import asdict

from db.times import duration
from jobs.cli.common import console, show_json
from jobs.kinds.base import Request
from jobs.queue.client import Client
from jobs.queue.records import ImagesNeeded


def show(jobs: Client, request: Request, width: float, json: bool) -> None:
    """Images, time, disk, and the images at which the intervals are under `width`. Queues nothing."""
    request = request.shows().with_defaults(jobs.layout)  # refuses what is not known
    needed = jobs.images_for(request, width)
    cost = jobs.estimate(request)
    if json:
        show_json({**asdict(cost), "intervals": asdict(needed) if needed else None})
        return
    time = f"about {duration(cost.seconds)}" if cost.seconds is not None else "unknown"
    disk = f"{cost.disk_bytes / 1e6:,.0f} MB" if cost.disk_bytes is not None else "unknown"
    lines = [
        counted(request, cost.images),
        f"time       {time} ({cost.basis})",
        f"disk       {disk}",
    ]
    if request.kind.intervals:
        lines.append(f"intervals  {intervals(needed, width)}")
    for line in lines:
        console.print(line)


def counted(request: Request, images: int) -> str:
    """How much work it is, in words."""
    if request.kind.intervals:
        return f"images     {images:,}, calibration included"
    return f"work       about {images:,} passes of an image or of the edited part of one"


def intervals(needed: ImagesNeeded | None, width: float) -> str:
    """How many images, in words."""
    if needed is None:
        return "unknown: no earlier run of this generator and segmenter has one; a pilot of 200 images does"
    return (
        f"about {needed.images:,} evaluation images for intervals under {width:g}, from run {needed.run_id} "
        f"({needed.run_images:,} images)"
    )
