"""The worker process: `python -P -m jobs.worker.worker --store DIR`. It claims jobs and watches their heavy
processes.

It holds an executor slot by a file lock for its life. SIGTERM or Ctrl-C stop it at once and gracefully: heavy
processes end, their shards stay, and their jobs go on when a worker starts again.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import structlog
from dbos import DBOS

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from jobs.queue import database, workers
from jobs.queue import rows as reading
from jobs.queue.client import Client
from jobs.system import logs, processes, slots
from jobs.system.settings import Settings
from jobs.tasks.process import Spec
from jobs.worker import metrics
from jobs.worker.folders import Lookout
from jobs.worker.quotas import Quotas
from jobs.worker.supervision import Watch
from jobs.worker.upkeep import Sweeper


@dataclass
class Claims:
    """Whether the jobs that this worker runs are still its own."""

    client: Client
    _first: dict[tuple[str, str], int | None] = field(default_factory=dict)  # when each attempt was claimed

    def lost(self, spec: Spec) -> bool:
        """Whether somebody cancelled the job since this attempt began; perhaps it was retried, and claimed
        anew, since."""
        names = [spec.job_id]
        rows = self.client.queue.list_workflows(workflow_ids=names, load_input=False, load_output=False)
        if not rows or rows[0].status != "PENDING":
            return True
        claimed = rows[0].dequeued_at
        return self._first.setdefault((spec.job_id, spec.started_at), claimed) != claimed


class WorkerProcess:
    """A worker on the store at `layout`, until it is told to stop or, with `until_idle`, has nothing left to
    do."""

    def __init__(self, layout: Layout, settings: Settings, until_idle: bool = False) -> None:
        self.layout, self.settings, self.until_idle = layout, settings, until_idle
        self.stopping = threading.Event()

    def run(self) -> None:
        """Work until told to stop. Does not return: the process ends here, so that no step is taken for
        ended."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        database.ensure(self.layout)
        self.executor, self.slot_lock = workers.claim(self.layout)
        found = slots.found(self.settings)
        client = Client(self.layout)
        self.watch = Watch(self.layout, self.settings, found, self.stopping, Claims(client).lost)
        client.queue.register_queue(
            database.JOBS,
            global_concurrency=len(found.names),
            polling_interval_sec=self.settings.poll_seconds,
        )
        client.queue.register_queue(database.CLOCK, polling_interval_sec=5 * self.settings.poll_seconds)
        sweeper = Sweeper(self.layout, client.queue, self.executor, Lookout(client))
        sweeper.upgrade()
        self._launch(client)
        metrics.serve(client, self.settings.metrics_port)
        workers.announce(self.layout, self.executor, found.names)
        structlog.get_logger().info(
            "worker ready", executor=self.executor, slots=found.names, threads=found.threads
        )
        self._loop(sweeper)
        self.shut()

    def _launch(self, client: Client) -> None:
        from jobs.worker import workflows

        workflows.use(client, self.watch)
        DBOS(config=database.configuration(self.layout, self.executor, self.settings.poll_seconds))
        DBOS.launch()

    def _loop(self, sweeper: Sweeper) -> None:
        quotas = Quotas(self.layout, self.settings)
        while not self.stopping.wait(1.0):
            try:
                sweeper.sweep()
                quotas.keep()
            except Exception:  # a sweep that fails (a busy disk, say) is tried again; the worker goes on
                structlog.get_logger().exception("a sweep failed")
            if self.until_idle and not sweeper.queue.list_workflows(
                status=reading.ACTIVE, load_input=False, limit=1
            ):
                return

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopping.set()

    def shut(self) -> None:
        """End heavy processes and this one. Their jobs stay unfinished in the queue, for the next worker."""
        self.stopping.set()
        for child in list(self.watch.children):
            processes.stop(child, grace=2.0)
        deadline = time.monotonic() + 3
        while self.watch.children and time.monotonic() < deadline:
            time.sleep(0.05)
        structlog.get_logger().info("worker stopped", executor=self.executor)
        sys.stdout.flush()
        os._exit(0)


def main() -> None:
    """Parse the command line and work."""
    parser = argparse.ArgumentParser(prog="jobs.worker.worker", description="Claim jobs and run them.")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--until-idle", action="store_true", help="end when nothing is queued or running")
    options = parser.parse_args()
    try:
        layout = Layout.create(options.store)
        logs.structured(layout.logs / "worker.log")
        WorkerProcess(layout, Settings(), options.until_idle).run()
    except (GanatomyError, StoreError) as error:
        print(f"ganatomy: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
