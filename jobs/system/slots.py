"""Slots: where job processes run. A GPU takes one process; without GPUs, a few cores are one slot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from db.layout import Layout
from jobs.system import locks
from jobs.system.settings import Settings, cores

# All stores and users of a machine share its GPUs, so their locks lie outside of any store. The folder does
# not depend on the environment, which may differ from worker to worker.
GPU_LOCKS = Path("/tmp/ganatomy-gpus")
WORKER = "GANATOMY_WORKER_DEVICES"  # the devices of a worker, for the processes that it starts


@dataclass(frozen=True)
class Slot:
    """A device for one job process. The process inherits `lock`, so it is free when the process ends."""

    name: str  # 'cpu-0', 'cuda-1'
    device: str  # as torch names it inside the process
    threads: int
    lock: locks.Lock

    def environment(self) -> dict[str, str]:
        """Environment variables that keep a process to its own threads and its own GPU."""
        threads = str(self.threads)
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
        values = dict.fromkeys(names, threads)
        gpu = self.name.removeprefix("cuda-") if self.device == "cuda" else ""
        return {**values, "CUDA_VISIBLE_DEVICES": gpu}


@dataclass(frozen=True)
class Devices:
    """The devices of this machine when a worker started."""

    gpus: tuple[str, ...]  # as CUDA_VISIBLE_DEVICES names them
    uuids: tuple[str, ...]  # of the same GPUs: the names of their locks, since no setting changes them
    cpu_slots: int
    threads: int

    def inherit(self) -> None:
        """Tell the processes that this one starts; `of_worker` reads it there."""
        os.environ[WORKER] = json.dumps(vars(self))

    @property
    def names(self) -> tuple[str, ...]:
        """The slots of jobs with device 'auto'."""
        return self.gpu_names or self.cpu_names

    @property
    def gpu_names(self) -> tuple[str, ...]:
        return tuple(f"cuda-{gpu}" for gpu in self.gpus)

    @property
    def cpu_names(self) -> tuple[str, ...]:
        return tuple(f"cpu-{number}" for number in range(self.cpu_slots))

    def take(self, layout: Layout, device: str) -> Slot | None:
        """A free slot for a job with device 'auto', 'cpu' or 'cuda'; None while all are held."""
        if device == "cpu" or (device == "auto" and not self.gpus):
            for name in self.cpu_names:
                if lock := locks.take(layout.live / "slots", name):
                    return Slot(name, "cpu", self.threads, lock)
            return None
        threads = max(1, cores() // max(1, len(self.gpus)))
        for name, uuid in zip(self.gpu_names, self.uuids, strict=True):
            if lock := locks.take(GPU_LOCKS, uuid, shared=True):
                return Slot(name, "cuda", threads, lock)
        return None


def of_worker(settings: Settings) -> Devices:
    """The devices of the worker that started this process; without one, those of this machine.

    A job process sees its own GPU only, and a worker may have been given some of the machine's.
    """
    try:
        values = json.loads(os.environ[WORKER])
        return Devices(tuple(values["gpus"]), tuple(values["uuids"]), values["cpu_slots"], values["threads"])
    except (KeyError, ValueError):
        return detect(settings)


def detect(settings: Settings) -> Devices:
    """The GPUs that torch can use, and the CPU slots. Torch runs only if the driver shows a GPU."""
    gpus = _gpus() if driver() else {}
    return Devices(tuple(gpus), tuple(gpus.values()), settings.slots(), settings.threads())


def driver() -> bool:
    """Whether the driver shows a GPU. Torch may still be unable to use it."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def _gpus() -> dict[str, str]:
    """UUIDs of the GPUs, by their names in CUDA_VISIBLE_DEVICES."""
    command = [sys.executable, "-P", "-m", "jobs.system.gpus"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        return {}
