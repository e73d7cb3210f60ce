"""Child processes: how they are started and stopped."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from jobs.system.child import PARENT

LOADING_S = 120.0  # time to a process's first report of progress: it imports torch and reads weights
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # as in malloc.h


def start(
    module: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    inherited: Sequence[int] = (),
    output: IO[bytes] | int | None = None,
    stdin: IO[bytes] | int | None = subprocess.DEVNULL,
    bound: bool = True,
) -> subprocess.Popen[bytes]:
    """Start `python -P -m module` with `arguments`.

    A `bound` child dies with the thread that starts it, and has a process group of its own, so that Ctrl-C in
    a terminal reaches the parent alone. Another child has a session of its own and outlives its parent. The
    child keeps the `inherited` file descriptors open.
    """
    variables = {**os.environ, **(environment or {}), "PYTHONUNBUFFERED": "1"}
    variables[PARENT] = str(os.getpid()) if bound else ""
    through = ["jobs.system.child", module] if bound else [module]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", *through, *arguments],
        env=variables,
        stdin=stdin,
        stdout=output,
        stderr=output if output is None else subprocess.STDOUT,
        pass_fds=tuple(inherited),
        process_group=0 if bound else None,
        start_new_session=not bound,
    )


def expendable() -> None:
    """Let the kernel kill this process, rather than worker or dashboard, when memory runs out."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def keep_memory() -> None:
    """Let this process keep what it frees, to use it again, instead of giving it back to the kernel.

    Convolutions get and free blocks of megabytes all the time. By default (glibc) each comes from the kernel,
    which fills it with zeros page by page: on a CPU a fifth to a third of a small generator's pass. Elsewhere
    nothing happens.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        # Older versions take no more than 32 MiB for the first.
        _ = libc.mallopt(M_MMAP_THRESHOLD, 1 << 30) or libc.mallopt(M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)


def stop(process: subprocess.Popen[bytes], grace: float = 5.0) -> int:
    """Ask a child to end, and kill it after `grace` seconds. Returns its exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()
