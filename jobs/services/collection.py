"""The results of other hosts, for a dashboard that runs without a worker: a worker fetches them itself."""

from __future__ import annotations

import threading
import time

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from jobs.queue import results
from jobs.worker.maintenance import COLLECT_S
from jobs.worker.worker import FailureLog


def start(layout: Layout) -> None:
    """Fetch what other hosts publish, every few seconds; nothing where hosts share no results."""
    if results.address() is not None:
        threading.Thread(target=_collect, args=(layout,), daemon=True).start()


def _collect(layout: Layout) -> None:
    failures = FailureLog()
    while True:
        try:
            results.collect(layout)
        except (GanatomyError, StoreError) as error:  # an outage, say: the next time may do
            failures.log(error)
        time.sleep(COLLECT_S)
