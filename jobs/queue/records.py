"""Jobs, schedules and workers as plain values, for the dashboard and the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal

from jobs.system.live import JsonObject

State = Literal["waiting", "queued", "running", "done", "failed", "cancelled"]
ENDED = frozenset({"done", "failed", "cancelled"})
LEASE_S = 30.0  # a lease that was not renewed for this long belongs to a dead or stuck worker


@dataclass(frozen=True)
class Job:
    """One job. Times are naive UTC. State `waiting`: for a later time, or for another job."""

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
    published: int = 0  # how often this job has published so far
    device: str | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    gpu_memory_bytes: int | None = None
    worker: str | None = None
    error: str | None = None
    command: str = ""
    schedule: str | None = None
    request: JsonObject = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.state in ENDED

    def plain(self) -> JsonObject:
        """The values for JSON, with times as ISO text."""
        values = asdict(self)
        return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in values.items()}


@dataclass(frozen=True)
class Submission:
    """What became of a request.

    `already` is True when a finished run or an unfinished job of the same content existed. `job_id` is None
    when the run exists and no job is needed.
    """

    job_id: str | None
    run_id: str | None
    already: bool
    message: str


@dataclass(frozen=True)
class Estimate:
    """What a request is likely to cost; None where no earlier run tells."""

    images: int
    seconds: float | None
    disk_bytes: int | None
    basis: str


@dataclass(frozen=True)
class ImagesNeeded:
    """The evaluation images that would bring the median interval of the units under a width.

    It follows from an earlier run, which had `run_images` images and gave `intervals` intervals.
    """

    images: int
    width: float
    run_id: str
    run_images: int
    intervals: int


@dataclass(frozen=True)
class Schedule:
    """A request that is queued at the times of a cron expression."""

    name: str
    kind: str
    cron: str
    paused: bool
    title: str
    owner: str
    request: JsonObject
    last_fired_at: datetime | None
    next_at: datetime | None
    last: str | None = None  # what came of its last firing, in a sentence
    last_job: str | None = None  # the job that it queued, or found at the same work


@dataclass(frozen=True)
class Firing:
    """What came of a schedule's firing: the job that it queued, or that already made the same results.

    `job_id` is None when the results existed, and when the request was refused. Then `run_id` is None too.
    """

    message: str
    job_id: str | None = None
    run_id: str | None = None

    def plain(self) -> JsonObject:
        """The values for JSON, as the queue's file has them."""
        return asdict(self)

    @classmethod
    def parse(cls, output: object) -> Firing | None:
        """The firing in a workflow's output; None before its end, or when it is damaged."""
        match output:
            case {"message": str(message), "job_id": job_id, "run_id": run_id}:
                return cls(message, job_id, run_id)
            case str():  # version 0.1 stored a sentence alone, which ends in the job's id
                job = re.search(r"job ([A-Za-z0-9-]+)\.$", output)
                return cls(output, job[1] if job else None)
        return None


@dataclass(frozen=True)
class Worker:
    """A worker process that is alive."""

    slot: str
    pid: int
    host: str
    devices: tuple[str, ...]
    started_at: datetime
    silent_s: float = 0.0  # since it last renewed its lease

    @property
    def stuck(self) -> bool:
        """Whether its process is there but does nothing, as when it is paused or its disk hangs."""
        return self.silent_s > LEASE_S


@dataclass(frozen=True)
class Overview:
    """What a page shows of the queue: all jobs that run, the newest of the others, and how many there are.

    Jobs are in the order of a page: running, then waiting and queued, then ended ones, each newest first.
    """

    jobs: tuple[Job, ...]
    counts: Mapping[State, int]
    workers: tuple[Worker, ...]
    schedules: tuple[Schedule, ...]
    last_states: Mapping[str, State]  # of the jobs that the schedules queued last, by id

    @property
    def total(self) -> int:
        """All jobs in the queue."""
        return sum(self.counts.values())

    @property
    def active(self) -> int:
        """Jobs that have not ended."""
        return sum(number for state, number in self.counts.items() if state not in ENDED)
