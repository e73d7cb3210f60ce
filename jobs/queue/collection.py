"""The results of other hosts, fetched while a worker or a dashboard runs."""

from __future__ import annotations

import threading
import time

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from jobs.queue import results
from jobs.system.logs import FailureLog

COLLECT_S = 5.0  # between two looks


def start(layout: Layout) -> None:
    """Fetch what other hosts publish, every few seconds; nothing where hosts share no results."""
    if results.address() is not None:
        threading.Thread(target=_collect, args=(layout,), daemon=True).start()


def _collect(layout: Layout) -> None:
    failures = FailureLog("results of other hosts cannot be fetched")
    while True:
        try:
            results.collect(layout)
        except (GanatomyError, StoreError) as error:  # an outage, say: the next time may do
            failures.log(error)
        time.sleep(COLLECT_S)
