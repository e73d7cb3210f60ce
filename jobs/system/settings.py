"""Settings of the machine, from the environment (`GANATOMY_...`). Requests are in `jobs.kinds`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import psutil
from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _patterns(value: object) -> object:
    return value.replace(",", " ").split() if isinstance(value, str) else value


Patterns = Annotated[list[str], NoDecode, BeforeValidator(_patterns)]


class Settings(BaseSettings):
    """Each field is an environment variable with the prefix GANATOMY_, e.g. GANATOMY_STORE."""

    model_config = SettingsConfigDict(env_prefix="GANATOMY_", extra="ignore")

    store: Path = Field(default=Path("store"), description="The store's folder.")
    queue: str | None = Field(
        default=None,
        description="Address of a Postgres database for the queue, which workers on many hosts can share.",
    )
    results: str | None = Field(
        default=None,
        description="Where hosts with one queue keep their results: s3://BUCKET/FOLDER, or a shared folder.",
    )
    copy_seconds: float = Field(
        default=120.0,
        gt=0,
        description="Seconds between two copies of what a running job has saved to GANATOMY_RESULTS.",
    )
    cpu_slots: int | None = Field(default=None, ge=1, description="Job processes at a time without a GPU.")
    slot_memory_gb: float | None = Field(
        default=None, gt=0, description="Memory limit of a job process, GiB."
    )
    stuck_seconds: float = Field(
        default=900.0, gt=0, description="Seconds without progress after which a job process is replaced."
    )
    restarts: int = Field(
        default=2, ge=0, description="New job processes without progress before a job fails."
    )
    poll_seconds: float = Field(
        default=0.4, gt=0, description="Seconds between two checks of the queue by a worker."
    )
    spans: Literal["off", "local", "queue", "ray"] = Field(
        default="off", description="Where parts of a long dissection are counted side by side."
    )
    span_seconds: float = Field(
        default=120.0, gt=0, le=600, description="Seconds of work in each such part, about."
    )
    notify: list[str] = Field(
        default_factory=list,
        description="Addresses that get a notice when a job ends: a JSON list, as apprise reads it.",
    )
    metrics_port: int | None = Field(
        default=None,
        description="Port at which a worker serves Prometheus metrics and its health.",
    )
    metrics_address: str = Field(
        default="127.0.0.1",
        description="Network address of that port, which has no login; 0.0.0.0 in a container.",
    )
    labels_gb: float | None = Field(
        default=50.0, ge=0, description="Disk for label maps, GB. The longest unused go first."
    )
    renders_gb: float | None = Field(
        default=5.0, ge=0, description="Disk for rendered images, GB. The longest unused go first."
    )
    render_generators: int = Field(
        default=3, ge=1, description="Generators that the render process keeps loaded."
    )
    read_only: bool = Field(
        default=False, description="Whether a dashboard shows everything and changes nothing."
    )
    admins: Patterns = Field(
        default_factory=list,
        description="Who may change everybody's things: addresses of logins, with * for anything.",
    )
    members: Patterns = Field(
        default_factory=lambda: ["*"],
        description="Who may queue jobs, write, and change the own things. Others who log in look only.",
    )
    project_jobs: dict[str, int] = Field(
        default_factory=dict,
        description='Most unfinished jobs by project, as JSON: `{"thesis": 40, "*": 20}`; `*`: of any other.',
    )
    project: str = Field(default="", description="Name that the dashboard shows on every page.")
    host: str | None = Field(default=None, description="This machine's name in slots and runs.")

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
