"""A worker claims jobs from the queue and runs each in a job process, which it watches.

A worker holds a lease for its life: a file lock or, with a queue on a server, a row. SIGTERM and Ctrl-C stop
it within seconds: its job processes end, what they saved stays, and their jobs go back to the queue, where
any worker takes them.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from pathlib import Path

import structlog
from dbos import DBOS

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from db.permissions import WORKER
from jobs.queue import collection, database, rows, server, workers
from jobs.queue.client import Client
from jobs.system import logs, processes, slots
from jobs.system.logs import FailureLog
from jobs.system.settings import Settings
from jobs.worker import metrics
from jobs.worker.maintenance import Maintenance
from jobs.worker.supervision import JobRunner

HAND_BACK_S = 3.0  # for the return of unfinished jobs to the queue, when a worker stops


class WorkerProcess:
    """This process as a worker on the store at `layout`.

    It runs until it is told to stop or, with `until_idle`, until nothing is queued or running.
    """

    def __init__(self, layout: Layout, settings: Settings, until_idle: bool = False) -> None:
        self.layout, self.settings, self.until_idle = layout, settings, until_idle
        self.stopping = threading.Event()

    def run(self) -> None:
        """Work until told to stop. Does not return: the process ends here."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stopping.set())
        database.ensure(self.layout)
        self.leases = workers.leases(self.layout)
        self.executor = self.leases.claim()
        devices = slots.detect(self.settings)
        devices.inherit()
        client = Client(self.layout, patient=True, person=WORKER)
        self.runner = JobRunner(client, self.settings, devices, self.stopping, executor=self.executor)
        poll = self.settings.poll_seconds
        if server.address() is None:
            client.queue.register_queue(
                database.JOBS, global_concurrency=len(devices.names), polling_interval_sec=poll
            )
            client.queue.register_queue(database.CLOCK, polling_interval_sec=5 * poll)
        maintenance = Maintenance(client, self.executor, self.leases, self.settings)
        maintenance.upgrade()
        from jobs.worker import workflows  # its decorators register the workflows with DBOS

        workflows.register(self.runner)
        self.dbos = DBOS(config=database.configuration(self.layout, self.executor, poll))
        maintenance.active = self.dbos._active_workflows_set.activeList  # DBOS offers no public call
        if server.address() is not None:
            database.limit_claims(self.dbos, len(devices.names))
            if not devices.gpus:
                DBOS.listen_queues([database.JOBS, database.CLOCK])
            self.leases.beat(self.executor)  # looking for GPUs may have taken long
        DBOS.launch()
        if self.settings.metrics_port is not None:
            metrics.serve(client, self.settings.metrics_port, self.settings.metrics_address)
        self.leases.announce(self.executor, devices.names)
        # Not in this thread: what maintenance does may take longer than a lease lasts.
        threading.Thread(target=self._renew, daemon=True).start()
        collection.start(self.layout)
        structlog.get_logger().info(
            "worker ready", executor=self.executor, slots=devices.names, threads=devices.threads
        )
        self._maintain(maintenance)
        self.end()

    def _renew(self) -> None:
        """Renew the lease until the process ends."""
        failures = FailureLog("the lease cannot be renewed")
        while not self.stopping.wait(workers.BEAT_S):
            try:
                self.leases.beat(self.executor)
            except Exception as error:  # an outage: the next time may do
                failures.log(error)

    def _maintain(self, maintenance: Maintenance) -> None:
        failures = FailureLog("maintenance fails")
        while not self.stopping.wait(1.0):
            try:
                maintenance.run()
            except Exception as error:  # a busy disk, say: the worker goes on and tries again
                failures.log(error)
            if self.until_idle and not maintenance.queue.list_workflows(
                status=rows.ACTIVE,
                load_input=False,
                limit=1,  # jobs, and firings of schedules
            ):
                return

    def end(self) -> None:
        """End the job processes and this one. Unfinished jobs go back to the queue, for any worker."""
        self.stopping.set()
        for event in self.dbos.background_thread_stop_events:  # this worker claims no job any more
            event.set()
        for child in list(self.runner.children):
            processes.stop(child, grace=2.0)
        deadline = time.monotonic() + 3
        while self.runner.children and time.monotonic() < deadline:
            time.sleep(0.05)
        # Not in this thread: a queue that is locked must not keep the worker from ending.
        handing = threading.Thread(target=self._hand_back, daemon=True)
        handing.start()
        handing.join(HAND_BACK_S)
        structlog.get_logger().info("worker stopped", executor=self.executor)
        sys.stdout.flush()
        # DBOS would wait for the threads of unfinished workflows, and those wait for ever (see workflows.py).
        os._exit(0)

    def _hand_back(self) -> None:
        """Return this worker's unfinished jobs to the queue."""
        queue = self.runner.client.queue
        try:
            for _ in range(2):  # a claim that was under way when the claiming ended is found the second time
                found = queue.list_workflows(
                    status="PENDING", executor_id=self.executor, load_input=False, load_output=False
                )
                jobs = database.put_back(queue, [row.workflow_id for row in found], self.executor)
                structlog.get_logger().info("jobs are handed back", jobs=jobs)
                time.sleep(0.2)
            self.leases.end(self.executor)
        except Exception:  # the next worker recovers them
            structlog.get_logger().exception("jobs could not be handed back")


def main() -> None:
    """Read the command line and work."""
    parser = argparse.ArgumentParser(prog="jobs.worker", description="Claim jobs and run them.")
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
