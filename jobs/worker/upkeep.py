"""What a worker looks after between jobs: jobs whose worker died, jobs that wait for another, watched
folders."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from dbos import DBOS, DBOSClient, WorkflowStatus

from db.layout import Layout
from jobs.kinds.requests import When
from jobs.queue import database, workers
from jobs.queue import rows as reading
from jobs.system import live, locks
from jobs.worker.folders import Lookout

TIDY = 3600.0  # seconds between two tidyings
KEPT = (
    7 * 86400.0
)  # seconds that the live files of what has ended are kept: a page still shows how far it was


@dataclass
class Sweeper:
    """One worker's sweeps. Every worker sweeps; each action can safely happen twice."""

    layout: Layout
    queue: DBOSClient
    executor: str
    lookout: Lookout
    tidied: float = -TIDY  # on time.monotonic(); so a worker tidies as it starts

    def sweep(self) -> None:
        """Look once."""
        self.recover()
        self.release()
        self.lookout.look()
        if time.monotonic() - self.tidied > TIDY:
            self.tidied = time.monotonic()
            self.tidy()

    def tidy(self) -> None:
        """Remove what nobody asks for any more: live files of jobs that ended long ago or are not in the
        queue, of workers that are gone, half-written ones; and firings of schedules that were removed."""
        old = [file for file in self.layout.live.glob("*.json") if _age(file) > KEPT]
        old += [file for file in self.layout.live.glob(".*.tmp") if _age(file) > KEPT]
        active = {row.workflow_id for row in self._jobs(reading.ACTIVE)}
        for file in old:
            if file.name.startswith("worker-"):
                stale = not live.alive(live.read(file))
            else:
                stale = file.suffixes[:-1] != [] and file.name.split(".")[0] not in active
            if stale or file.suffix == ".tmp":
                file.unlink(missing_ok=True)
        kept = {row["schedule_name"] for row in self.queue.list_schedules()}
        fired = self.queue.list_workflows(name=database.FIRE, load_input=False, load_output=False)
        ended = [row for row in fired if row.status not in reading.ACTIVE]
        self.queue.delete_workflows([row.workflow_id for row in ended if row.schedule_name not in kept])

    def _jobs(self, status: list[str]) -> list[WorkflowStatus]:
        return self.queue.list_workflows(
            name=database.RUN_JOB, status=status, load_input=False, load_output=False
        )

    def recover(self) -> None:
        """Put back the jobs of workers of this machine that are dead: those whose slot can be locked."""
        rows = self.queue.list_workflows(status="PENDING", load_input=False, load_output=False)
        dead = {row.executor_id for row in rows if row.executor_id} - {self.executor}
        for executor in sorted(name for name in dead if name.startswith(f"{workers.host()}/")):
            lock = locks.take(self.layout.live, workers.lock_name(executor))
            if lock is None:
                continue
            try:
                structlog.get_logger().info("recovering the jobs of a dead worker", executor=executor)
                DBOS._recover_pending_workflows([executor])
                self._renew([row for row in rows if row.executor_id == executor])
            finally:
                lock.release()

    def upgrade(self) -> None:
        """Put back what was queued, or left unfinished in this worker's own slot, under an older version of
        the workflows: nobody would take it."""
        rows = self.queue.list_workflows(status="PENDING", executor_id=self.executor, load_input=False)
        rows += self.queue.list_workflows(status="ENQUEUED", load_input=False)
        self._renew([row for row in rows if row.app_version])

    def _renew(self, rows: list[WorkflowStatus]) -> None:
        for row in rows:
            if row.app_version != database.VERSION and row.name == database.RUN_JOB:
                self.queue.cancel_workflow(row.workflow_id)
                self.queue.rewind_workflow(
                    row.workflow_id, application_version=database.VERSION, queue_name=database.JOBS
                )

    def release(self) -> None:
        """Let jobs go whose predecessor is done, and cancel those whose predecessor will never be."""
        waiting = self.queue.list_workflows(name=database.RUN_JOB, status="DELAYED", load_input=False)
        behind = {row.workflow_id: row.attributes or {} for row in waiting}
        names = sorted({str(said["after"]) for said in behind.values() if said.get("after")})
        if not names:
            return
        before = {
            row.workflow_id: row for row in self.queue.list_workflows(workflow_ids=names, load_input=False)
        }
        for job_id, said in behind.items():
            if name := said.get("after"):
                self._let_go(job_id, name, before.get(name), said.get(reading.NOT_BEFORE))

    def _let_go(self, job_id: str, name: str, row: WorkflowStatus | None, at: str | None) -> None:
        state = reading.STATES[row.status] if row else "cancelled"
        if state == "done":
            self.queue.update_workflow_attributes(job_id, {"after": None}, merge=True)
            delay = When(at=datetime.fromisoformat(at)).seconds_left() if at else 0
            self.queue.set_workflow_delay(job_id, delay_seconds=delay)
        elif state in ("failed", "cancelled"):
            reason = (
                f"Job {name}, which it waited for, {'failed' if state == 'failed' else 'was cancelled'}."
                if row
                else f"Job {name} is not there any more."
            )
            self.queue.update_workflow_attributes(job_id, {reading.DROPPED: reason}, merge=True)
            self.queue.cancel_workflow(job_id)


def _age(file: Path) -> float:
    """Seconds since it was written; none when it is gone."""
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return 0.0
