"""A worker keeps label maps and renders within their quotas, and looks only now and then."""

import os
import time

from db.layout import Layout
from jobs.system.settings import Settings
from jobs.worker.quotas import Quotas


def old_file(layout: Layout, name: str) -> None:
    path = layout.renders / name
    path.write_bytes(bytes(1000))
    used = time.time() - 7200
    os.utime(path, (used, used))


def test_what_is_over_the_quota_goes(layout: Layout) -> None:
    old_file(layout, "a.png")
    quotas = Quotas(layout, Settings(labels_gb=None, renders_gb=0))
    quotas.enforce()
    assert list(layout.renders.iterdir()) == []
    old_file(layout, "b.png")
    quotas.enforce()  # looked a moment ago
    assert len(list(layout.renders.iterdir())) == 1
