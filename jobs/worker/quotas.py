"""Disk quotas for files that can be made again: label maps and renders. The longest unused go first."""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

from db.layout import Layout
from db.store import health
from jobs.system.settings import Settings

INTERVAL_S = 600.0  # a check walks through many files


@dataclass
class Quotas:
    """The quotas in the settings; None means no limit."""

    layout: Layout
    settings: Settings
    checked: float = float("-inf")  # on time.monotonic()

    def enforce(self) -> None:
        """Remove what exceeds a quota; does nothing within ten minutes of the last check."""
        if time.monotonic() - self.checked < INTERVAL_S:
            return
        self.checked = time.monotonic()
        for kind, gigabytes in (("labels", self.settings.labels_gb), ("renders", self.settings.renders_gb)):
            freed = 0 if gigabytes is None else health.evict(self.layout, kind, int(gigabytes * 1e9))
            if freed:
                structlog.get_logger().info("evicted", kind=kind, bytes=freed)
