"""How much a file may cost the process that reads it. No torch."""

from __future__ import annotations

import ctypes
import resource
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

GB = 1 << 30
MB = 1 << 20
_PR_SET_PDEATHSIG = 1
# Label maps are mostly flat, so that a PNG may take a hundredth of its pixels. 128 MB: 2,000 maps of 256x256.
_LABELS, _LABELS_FREE, _LABELS_TIMES = 1_000_000_000, 128_000_000, 100


@dataclass(frozen=True)
class Limits:
    """Bytes of memory beyond Python's and torch's own, seconds of processor time, bytes of a written file."""

    memory: int
    seconds: float
    written: int
    reading: float = 10.0  # seconds of processor time until the file is read

    @classmethod
    def of(cls, file_bytes: int, memory_gb: float | None = None) -> Limits:
        """What a file of that size may take: reading, building and drawing grow with it."""
        memory = int(memory_gb * GB) if memory_gb else int(1.1 * GB) + 6 * file_bytes
        memory = min(memory, max(GB, int(0.8 * psutil.virtual_memory().available)))
        size = file_bytes / MB
        return cls(memory, 25 + 3 * size, 64 * MB + 4 * file_bytes, 10 + size / 4)

    @classmethod
    def of_segmenter(cls, file_bytes: int, memory_gb: float | None = None) -> Limits:
        """The same for a segmenter: its images have a size of their own, and gradients are tried too."""
        usual = cls.of(file_bytes, memory_gb or 3 + 10 * file_bytes / GB)
        return replace(usual, seconds=usual.seconds + 120, reading=usual.reading + 20)

    @property
    def patience(self) -> float:
        """Seconds by the clock until the process is killed: a loaded machine gives it less than one core."""
        return 60 + 4 * self.seconds


_confined = False


def label_bytes(file_bytes: int) -> int:
    """How many bytes the label maps in files of that size, in all, may take once they are read."""
    return min(_LABELS, _LABELS_FREE + _LABELS_TIMES * file_bytes)


def confine(limits: Limits, bound: bool = True) -> None:
    """No more memory, time or files than allowed from here on, and, if `bound`, no life without the parent.

    The kernel's signal comes with the end of the thread that started this process, not of its process.
    """
    global _confined
    _confined = bound
    if bound:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    data = _data_bytes() + limits.memory
    for limit, value in (
        (resource.RLIMIT_DATA, data),
        (resource.RLIMIT_CPU, int(time.process_time() + limits.seconds) + 5),
        (resource.RLIMIT_FSIZE, limits.written),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 256),
    ):
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))
    allow(limits.seconds)


def confined() -> bool:
    """Whether this process was started for one file, within limits, so that it may read the file itself."""
    return _confined


def allow(seconds: float) -> None:
    """So much processor time from here on; then the kernel sends SIGXCPU, which the parent understands."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    soft = int(time.process_time() + seconds) + 1
    resource.setrlimit(
        resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard)
    )


def _data_bytes() -> int:
    """The private memory that this process has already mapped."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0
