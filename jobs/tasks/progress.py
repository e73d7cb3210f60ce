"""How far a job is, and how long it has run. Reports renew a file; a process that reports is not stuck."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from db.layout import Layout
from db.times import utc_now
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
    extra: dict[str, int] = field(default_factory=dict)
    _times: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def begin(self, stage: str) -> None:
        """A new stage; what is done so far stays done."""
        self.stage = stage
        self._times.append((time.monotonic(), 0))
        self._write()

    def wait(self) -> None:
        """The process lives, and waits for a server that does not answer."""
        self.begin("waiting for a server that does not answer")

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

    def beat(self) -> None:
        """Nothing new here; other processes that work for this job got further."""
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
        live.write_checked(live.path(self.layout, self.job_id, "progress"), values)


@dataclass(frozen=True)
class Times:
    """When a run began, and the seconds of work in it, over all attempts."""

    started_at: datetime
    seconds: float


@dataclass
class StopWatch:
    """A run's time, in a file, so that the next attempt continues it."""

    file: Path
    _began: float = field(default_factory=time.monotonic)
    _before: Times | None = None

    def save(self) -> Times:
        """Write the run's time so far."""
        if self._before is None:
            found = live.read(self.file)
            try:
                self._before = Times(datetime.fromisoformat(found["started_at"]), float(found["seconds"]))
            except (KeyError, TypeError, ValueError):  # the first attempt, or a damaged file
                self._before = Times(utc_now(), 0.0)
        times = Times(self._before.started_at, self._before.seconds + time.monotonic() - self._began)
        live.write_checked(self.file, {"started_at": times.started_at.isoformat(), "seconds": times.seconds})
        return times


@dataclass
class Stages:
    """Progress as a study reports it, stage by stage, made into one count that never falls.

    A file holds how far each stage came. So after a kill the count goes on from there, although the next
    process may have to repeat part of a stage first.
    """

    progress: Progress
    file: Path
    watch: StopWatch
    _done: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        found = live.read(self.file)
        self._done = {stage: done for stage, done in found.items() if isinstance(done, int) and done >= 0}
        self.progress.skip(sum(self._done.values()))

    def __call__(self, stage: str, done: int, total: int) -> None:
        """`done` of `total` of a stage."""
        if self.progress.stage != stage:
            self.progress.begin(stage)
            live.write_checked(self.file, self._done)
            self.watch.save()
        new = max(0, done - self._done.get(stage, 0))
        self._done[stage] = max(done, self._done.get(stage, 0))
        self.progress.total = max(self.progress.total, sum(self._done.values()) + total - done)
        self.progress.advance(new)
