"""What the dashboard and the command line see of jobs: plain values, no queue behind them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

State = Literal["waiting", "queued", "running", "done", "failed", "cancelled"]
ENDED = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True)
class Job:
    """One job. Times are naive UTC; `waiting` is queued for a later time or behind another job."""

    id: str
    kind: str
    state: State
    title: str
    owner: str
    project: str
    priority: int
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    not_before: datetime | None = None
    run_id: str | None = None
    stage: str = ""
    done: int = 0
    total: int = 0
    images_per_s: float | None = None
    seconds_left: float | None = None
    published: int = 0  # how many times this job has published so far
    device: str | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    gpu_memory_bytes: int | None = None
    worker: str | None = None
    error: str | None = None
    command: str = ""
    schedule: str | None = None
    request: dict[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """True when nothing more will happen to it by itself."""
        return self.state in ENDED

    def plain(self) -> dict[str, Any]:
        """For JSON: times as ISO text."""
        values = asdict(self)
        return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in values.items()}


@dataclass(frozen=True)
class Submission:
    """What became of a request: `already` is True when a finished run or an unfinished job of the same
    content was there; `job_id` is None when the run is there and no job is needed."""

    job_id: str | None
    run_id: str | None
    already: bool
    message: str


@dataclass(frozen=True)
class Estimate:
    """What a request is likely to cost, from earlier runs; None where there is nothing to go by."""

    images: int
    seconds: float | None
    disk_bytes: int | None
    basis: str


@dataclass(frozen=True)
class ImagesNeeded:
    """The evaluation images that would bring the median interval of the named units under a width, as an
    earlier run has it: how many images that run had so far, and how many intervals it gave."""

    images: int
    width: float
    run_id: str
    run_images: int
    intervals: int


@dataclass(frozen=True)
class Schedule:
    """A job that the clock queues."""

    name: str
    kind: str
    cron: str
    paused: bool
    title: str
    owner: str
    request: dict[str, Any]
    last_fired_at: datetime | None
    next_at: datetime | None
    last: str | None = None  # what came of its last firing
    last_job: str | None = None  # the job that it queued, or found at the same work


@dataclass(frozen=True)
class Worker:
    """A worker process that is alive."""

    slot: str
    pid: int
    host: str
    devices: tuple[str, ...]
    started_at: datetime
