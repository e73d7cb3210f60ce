"""What can be made again is kept within its quota: label maps and renders, longest unused first."""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

from db.layout import Layout
from db.store import health
from jobs.system.settings import Settings

EVERY_S = 600.0  # looking through many files takes a moment


@dataclass
class Quotas:
    """Looks now and then; a worker asks between jobs. A quota of None is none."""

    layout: Layout
    settings: Settings
    looked: float = float("-inf")

    def keep(self) -> None:
        """Evict what is over a quota, at most every ten minutes."""
        if time.monotonic() - self.looked < EVERY_S:
            return
        self.looked = time.monotonic()
        for kind, gigabytes in (("labels", self.settings.labels_gb), ("renders", self.settings.renders_gb)):
            freed = 0 if gigabytes is None else health.evict(self.layout, kind, int(gigabytes * 1e9))
            if freed:
                structlog.get_logger().info("evicted", kind=kind, bytes=freed)
