"""Child processes: how they are started, and that none outlives its parent."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from jobs.system.bound import PARENT


def start(
    module: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    keep: Sequence[int] = (),
    output: IO[bytes] | int | None = None,
    stdin: IO[bytes] | int | None = subprocess.DEVNULL,
    bound: bool = True,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `python -P -m module`: in its own process group, so that Ctrl-C reaches only us, and `bound` to
    die with the thread that starts it. `keep` names file descriptors that the child inherits."""
    variables = {**os.environ, **(environment or {}), "PYTHONUNBUFFERED": "1"}
    variables[PARENT] = str(os.getpid()) if bound else ""
    through = ["jobs.system.bound", module] if bound else [module]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", *through, *arguments],
        env=variables,
        stdin=stdin,
        stdout=output,
        stderr=output if output is None else subprocess.STDOUT,
        pass_fds=tuple(keep),
        process_group=0 if bound else None,
        start_new_session=not bound,
        cwd=cwd,
    )


def expendable() -> None:
    """In a heavy child: when memory runs out, the kernel takes this process before worker or dashboard."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def stop(process: subprocess.Popen[bytes], grace: float = 5.0) -> int:
    """Ask a child to end, and end it when it has not after `grace` seconds. Its exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()
