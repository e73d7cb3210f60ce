"""How far a job is. Every report renews the file, which also says that the process is not stuck."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from db.layout import Layout
from jobs.system import live

WINDOW = 16  # reports that the speed is measured over


@dataclass
class Progress:
    """Stage, images done of all, speed and time left of one job."""

    layout: Layout
    job_id: str
    total: int = 0
    done: int = 0
    stage: str = "starting"
    published: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    _times: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def begin(self, stage: str) -> None:
        """A new stage; what is done so far stays done."""
        self.stage = stage
        self._times.append((time.monotonic(), 0))
        self._write()

    def skip(self, images: int) -> None:
        """Images that were done by an earlier attempt: they count as done, and not as speed."""
        self.done += images
        self._write()

    def advance(self, images: int) -> None:
        """Images done now."""
        self.done += images
        self._times.append((time.monotonic(), images))
        self._write()

    def publish(self) -> None:
        """One more publication is out."""
        self.published += 1
        self._times.append((time.monotonic(), 0))
        self._write()

    @property
    def rate(self) -> float | None:
        """Images a second over the last reports, publications included; None before the first."""
        images = sum(count for _, count in list(self._times)[1:])
        seconds = self._times[-1][0] - self._times[0][0] if len(self._times) > 1 else 0.0
        return images / seconds if images and seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """Time left at the present speed."""
        return max(0, self.total - self.done) / self.rate if self.rate else None

    def _write(self) -> None:
        values = {
            "stage": self.stage,
            "done": self.done,
            "total": self.total,
            "images_per_s": self.rate,
            "seconds_left": self.seconds_left,
            "published": self.published,
            "updated": time.time(),
            **self.extra,
        }
        live.write(live.path(self.layout, self.job_id, "progress"), values)
