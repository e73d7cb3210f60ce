"""A worker keeps label maps and renders within their quotas, and checks them now and then."""

import os
import time

from db.layout import Layout
from jobs.queue.client import Client
from jobs.queue.workers import FileLeases
from jobs.system.settings import Settings
from jobs.worker.maintenance import Maintenance


def old_file(layout: Layout, name: str) -> None:
    path = layout.renders / name
    path.write_bytes(bytes(1000))
    used = time.time() - 7200
    os.utime(path, (used, used))


def test_what_is_over_the_quota_goes(layout: Layout) -> None:
    old_file(layout, "a.png")
    maintenance = Maintenance(
        Client(layout), "nobody/0", FileLeases(layout), Settings(labels_gb=None, renders_gb=0)
    )
    maintenance.run()
    assert list(layout.renders.iterdir()) == []
    old_file(layout, "b.png")
    maintenance.run()  # a moment after the last check
    assert len(list(layout.renders.iterdir())) == 1
