"""Settings of the machine, from the environment (`GANATOMY_...`). Requests are in `jobs.kinds`."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Each field is an environment variable with the prefix GANATOMY_, e.g. GANATOMY_STORE."""

    model_config = SettingsConfigDict(env_prefix="GANATOMY_", extra="ignore")

    store: Path = Field(default=Path("store"), description="the store's folder")
    cpu_slots: int | None = Field(default=None, ge=1, description="job processes at a time without a GPU")
    slot_memory_gb: float | None = Field(
        default=None, gt=0, description="memory limit of one job process, GiB"
    )
    stuck_seconds: float = Field(
        default=900.0, gt=0, description="a job without progress for this long is stopped"
    )
    restarts: int = Field(default=2, ge=0, description="restarts without progress before a job fails")
    poll_seconds: float = Field(default=0.4, gt=0, description="how often a worker looks for work")
    notify: list[str] = Field(
        default_factory=list, description="apprise addresses that get a notice when a job ends (JSON list)"
    )
    metrics_port: int | None = Field(default=None, description="serve Prometheus metrics of the worker here")
    labels_gb: float | None = Field(
        default=50.0, ge=0, description="disk for label maps, GB; the longest unused go first"
    )
    renders_gb: float | None = Field(
        default=5.0, ge=0, description="disk for rendered images, GB; the longest unused go first"
    )
    render_generators: int = Field(
        default=3, ge=1, description="generators that the render process keeps loaded"
    )
    host: str | None = Field(default=None, description="this machine's name in slots and runs")

    def slots(self) -> int:
        """Job processes at a time without a GPU: `cpu_slots`, else one per four cores, and at least one."""
        return self.cpu_slots or max(1, cores() // 4)

    def threads(self) -> int:
        """Threads per job process without a GPU. All slots together fill the cores once."""
        return max(1, cores() // self.slots())

    def memory_bytes(self, slots: int) -> int:
        """The resident memory at which a job process is stopped. The default shares 85 % of the machine's."""
        if self.slot_memory_gb:
            return int(self.slot_memory_gb * 2**30)
        return int(psutil.virtual_memory().total * 0.85 / max(1, slots))


def cores() -> int:
    """Cores that this process may use. In a container they can be fewer than the machine has."""
    return len(os.sched_getaffinity(0))
