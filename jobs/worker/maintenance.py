"""What a worker does between jobs.

It recovers the jobs of dead workers, releases jobs that waited for another, checks watched folders, removes
old files, and keeps label maps and renders within their disk quotas.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import structlog
from dbos import WorkflowStatus

from db.store import health
from jobs.kinds.requests import When
from jobs.queue import database, reports, rows, workers
from jobs.queue.client import Client
from jobs.system.settings import Settings
from jobs.worker import saves
from jobs.worker.folders import FolderWatcher

CLEANING_INTERVAL_S = 3600.0
QUOTA_INTERVAL_S = 600.0  # a check walks through many files
ORPHAN_S = 3.0  # from the claim of a job to the start of its workflow it is far less
FILE_LIFE_S = 7 * 86400.0  # a page shows how far an ended job was for as long as its files are there


@dataclass
class Maintenance:
    """The maintenance of one worker. Every worker does it, and every action can safely happen twice."""

    client: Client
    executor: str
    leases: workers.Leases
    settings: Settings = field(default_factory=Settings)
    active: Callable[[], Collection[str]] = tuple  # ids of the jobs that this worker has in hand
    _orphans: dict[str, float] = field(default_factory=dict)  # when each was first seen, time.monotonic()
    _last: dict[str, float] = field(default_factory=dict)  # on time.monotonic(), by action

    def __post_init__(self) -> None:
        self.layout, self.queue = self.client.layout, self.client.queue
        self.watcher = FolderWatcher(self.client)

    def run(self) -> None:
        """Do everything that is due."""
        self.recover()
        self.release()
        self.watcher.check()
        if self._due("clean_up", CLEANING_INTERVAL_S):
            self.clean_up()
        if self._due("quotas", QUOTA_INTERVAL_S):
            self.enforce_quotas()

    def _due(self, action: str, interval: float) -> bool:
        now = time.monotonic()
        if now - self._last.get(action, float("-inf")) < interval:
            return False
        self._last[action] = now
        return True

    def recover(self) -> None:
        """Take over the jobs of dead workers, and put back those that this worker has lost.

        The dead worker's lease is held meanwhile: no other worker can recover the same jobs at the same time.
        """
        pending = self.queue.list_workflows(status="PENDING", load_input=False, load_output=False)
        others = {row.executor_id for row in pending if row.executor_id} - {self.executor}
        for executor in self.leases.suspects(others):
            with self.leases.takeover(executor) as dead:
                if dead:
                    structlog.get_logger().info("recovering the jobs of a dead worker", executor=executor)
                    found = [row for row in pending if row.executor_id == executor]
                    database.put_back(self.queue, [row.workflow_id for row in found], executor)
                    self._renew(found)
        self._put_back_orphans([row.workflow_id for row in pending if row.executor_id == self.executor])

    def _put_back_orphans(self, pending: list[str]) -> None:
        """Put back jobs that run under this worker's name, though it has no workflow of theirs.

        A workflow ends without a trace when the queue's file cannot be written, on a full disk for example.
        A job that is just claimed has no workflow yet either, so an orphan must be one for `ORPHAN_S`.
        """
        now, active = time.monotonic(), self.active()
        self._orphans = {job: self._orphans.get(job, now) for job in pending if job not in active}
        lost = [job for job, since in self._orphans.items() if now - since > ORPHAN_S]
        for job in database.put_back(self.queue, lost, self.executor):
            structlog.get_logger().warning("a job that had lost its workflow is queued again", job=job)

    def upgrade(self) -> None:
        """Requeue jobs that an older version of the workflows queued, or left unfinished in this slot.

        DBOS gives a workflow only to executors of its own application version, so nobody would take them.
        """
        found = self.queue.list_workflows(status="PENDING", executor_id=self.executor, load_input=False)
        found += self.queue.list_workflows(status="ENQUEUED", load_input=False)
        self._renew([row for row in found if row.app_version])

    def _renew(self, old: list[WorkflowStatus]) -> None:
        """Queue jobs of another version again, under the present one. Only ended workflows can be rewound."""
        for row in old:
            if row.app_version != database.VERSION and row.name == database.RUN_JOB:
                self.queue.cancel_workflow(row.workflow_id)
                self.queue.rewind_workflow(
                    row.workflow_id,
                    application_version=database.VERSION,
                    queue_name=row.queue_name or database.JOBS,
                )

    def release(self) -> None:
        """Release jobs whose predecessor is done; cancel those whose predecessor failed or is gone."""
        waiting = self.queue.list_workflows(name=database.RUN_JOB, status="DELAYED", load_input=False)
        attributes = {row.workflow_id: row.attributes or {} for row in waiting}
        predecessors = sorted({str(known["after"]) for known in attributes.values() if known.get("after")})
        if not predecessors:
            return
        found = self.queue.list_workflows(workflow_ids=predecessors, load_input=False)
        states = {row.workflow_id: rows.STATES[row.status] for row in found}
        for job_id, known in attributes.items():
            if after := known.get("after"):
                self._release(job_id, after, states.get(after), known.get(rows.NOT_BEFORE))

    def _release(self, job_id: str, after: str, state: str | None, not_before: str | None) -> None:
        if state == "done":
            self.queue.update_workflow_attributes(job_id, {"after": None}, merge=True)
            delay = When(at=datetime.fromisoformat(not_before)).seconds_left() if not_before else 0
            self.queue.set_workflow_delay(job_id, delay_seconds=delay)
        elif state in ("failed", "cancelled", None):
            ends = {"failed": "failed", "cancelled": "was cancelled", None: "is not in the queue any more"}
            reason = f"Job {after}, which it waited for, {ends[state]}."
            self.queue.update_workflow_attributes(job_id, {rows.DROPPED: reason}, merge=True)
            self.queue.cancel_workflow(job_id)

    def clean_up(self) -> None:
        """Remove what nobody needs any more.

        These are live files of jobs that ended long ago or are not in the queue, live files of dead workers,
        half-written files, firings of schedules that were removed, and spans whose job was cancelled.
        """
        active = self.queue.list_workflows(
            name=database.RUN_JOB, status=rows.ACTIVE, load_input=False, load_output=False
        )
        unfinished = {row.workflow_id for row in active}
        for file in [*self.layout.live.glob("*.json"), *self.layout.live.glob(".*.tmp")]:
            if _age(file) > FILE_LIFE_S and self._stale(file, unfinished):
                file.unlink(missing_ok=True)
        schedules = {row["schedule_name"] for row in self.queue.list_schedules()}
        fired = self.queue.list_workflows(name=database.FIRE, load_input=False, load_output=False)
        ended = [row for row in fired if row.status not in rows.ACTIVE]
        self.queue.delete_workflows([row.workflow_id for row in ended if row.schedule_name not in schedules])
        spans = self.queue.list_workflows(name=database.RUN_SPAN, load_input=False, load_output=False)
        self.queue.delete_workflows([row.workflow_id for row in spans if row.status not in rows.ACTIVE])
        reports.clean_up()
        saves.clean_up(reports.LIFE_DAYS)

    def enforce_quotas(self) -> None:
        """Remove label maps and renders that exceed their quota, the longest unused first."""
        for kind, gigabytes in (("labels", self.settings.labels_gb), ("renders", self.settings.renders_gb)):
            freed = 0 if gigabytes is None else health.evict(self.layout, kind, int(gigabytes * 1e9))
            if freed:
                structlog.get_logger().info("evicted", kind=kind, bytes=freed)

    def _stale(self, file: Path, unfinished: set[str]) -> bool:
        """Whether an old file is of no use: `worker-*.json`, `<job>.<what>.json` or a temporary file."""
        if file.name.startswith("worker-"):
            leases = workers.FileLeases(self.layout)
            return file not in {leases.file(each.slot) for each in leases.alive()}
        job, *rest = file.name.split(".")
        return file.suffix == ".tmp" or (len(rest) > 1 and job not in unfinished)


def _age(file: Path) -> float:
    """Seconds since a file was written; 0 when it is gone."""
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return 0.0
