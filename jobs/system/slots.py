"""Where heavy work runs: one process a GPU, or a CPU slot for every few cores."""

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

# GPU locks are the machine's, whoever starts a worker and however: all its stores and people share its cards.
GPU_LOCKS = Path("/tmp/ganatomy-gpus")


@dataclass(frozen=True)
class Slot:
    """A device held by one heavy process; `lock` goes to the process and is free when it ends."""

    name: str  # 'cpu-0', 'cuda-1'
    device: str  # as torch names it inside the process
    threads: int
    lock: locks.Lock

    def environment(self) -> dict[str, str]:
        """What the process must find in its environment so that two of them do not thrash the machine."""
        threads = str(self.threads)
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
        values = dict.fromkeys(names, threads)
        gpu = self.name.removeprefix("cuda-") if self.device == "cuda" else ""
        return {**values, "CUDA_VISIBLE_DEVICES": gpu}


@dataclass(frozen=True)
class Devices:
    """This machine's slots, as a worker found them when it started."""

    gpus: tuple[str, ...]  # as CUDA_VISIBLE_DEVICES names them
    cards: tuple[str, ...]  # the same by the hardware's own names, which no setting changes
    cpu_slots: int
    threads: int

    @property
    def names(self) -> tuple[str, ...]:
        """The slots that jobs of device 'auto' use."""
        return self.gpu_names or self.cpu_names

    @property
    def gpu_names(self) -> tuple[str, ...]:
        return tuple(f"cuda-{gpu}" for gpu in self.gpus)

    @property
    def cpu_names(self) -> tuple[str, ...]:
        return tuple(f"cpu-{number}" for number in range(self.cpu_slots))

    def take(self, layout: Layout, wish: str) -> Slot | None:
        """A free slot for a job that wishes 'auto', 'cpu' or 'cuda', or None while all are held."""
        if wish == "cuda" or (wish == "auto" and self.gpus):
            return self._card()
        lock = locks.first(layout.live / "slots", list(self.cpu_names))
        return Slot(lock.name, "cpu", self.threads, lock) if lock else None

    def _card(self) -> Slot | None:
        threads = max(1, cores() // max(1, len(self.gpus)))
        for name, card in zip(self.gpu_names, self.cards, strict=True):
            if lock := locks.take(GPU_LOCKS, card, shared=True):
                return Slot(name, "cuda", threads, lock)
        return None


def found(settings: Settings) -> Devices:
    """This machine's GPUs (asked of torch in another process, only when the driver shows any) and CPU
    slots."""
    gpus = _gpus() if driver() else {}
    return Devices(tuple(gpus), tuple(gpus.values()), settings.slots(), settings.threads())


def driver() -> bool:
    """Whether a GPU's driver shows any; torch may still be unable to use it."""
    return any(Path("/dev").glob("nvidia[0-9]*"))


def machine_folder() -> Path:
    """Where sockets lie whose path in the store would be too long; this person's alone."""
    return Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp") / f"ganatomy-{os.getuid()}"


def _gpus() -> dict[str, str]:
    """Each GPU's name in CUDA_VISIBLE_DEVICES, and its hardware's."""
    command = [sys.executable, "-P", "-m", "jobs.system.gpus"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        return {}
