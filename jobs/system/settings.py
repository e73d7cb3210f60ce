"""Settings of the machine, from the environment (`GANATOMY_...`). What a person asks for is in `requests`."""

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
    cpu_slots: int | None = Field(default=None, ge=1, description="heavy processes at a time without a GPU")
    slot_memory_gb: float | None = Field(
        default=None, gt=0, description="memory limit of one heavy process, GiB"
    )
    stuck_seconds: float = Field(
        default=900.0, gt=0, description="a job without progress for this long is stopped"
    )
    restarts: int = Field(default=2, ge=0, description="restarts without progress before a job fails")
    poll_seconds: float = Field(default=0.4, gt=0, description="how often a worker looks for work")
    notify: list[str] = Field(
        default_factory=list, description="apprise addresses told when a job ends (JSON list)"
    )
    metrics_port: int | None = Field(default=None, description="serve Prometheus metrics of the worker here")
    labels_gb: float | None = Field(
        default=50.0, ge=0, description="label maps kept, GB; the oldest go first"
    )
    renders_gb: float | None = Field(
        default=5.0, ge=0, description="rendered images kept, GB; the oldest go first"
    )
    render_generators: int = Field(default=3, ge=1, description="generators the render process keeps loaded")
    host: str | None = Field(default=None, description="this machine's name in slots and runs")

    def slots(self) -> int:
        """Heavy CPU processes at a time: one per four cores unless said otherwise, and at least one."""
        return self.cpu_slots or max(1, cores() // 4)

    def threads(self) -> int:
        """Threads for each heavy CPU process, so that all slots together fill the cores once."""
        return max(1, cores() // self.slots())

    def memory_bytes(self, slots: int) -> int:
        """Resident memory that one heavy process may take before it is stopped."""
        if self.slot_memory_gb:
            return int(self.slot_memory_gb * 2**30)
        return int(psutil.virtual_memory().total * 0.85 / max(1, slots))


def cores() -> int:
    """Cores this process may run on, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0))
