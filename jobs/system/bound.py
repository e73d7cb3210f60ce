"""Run a module in a process that the kernel kills when its parent dies.

Usage: `python -P -m jobs.system.bound MODULE ...`

This comes first, before anything slow is imported: torch takes seconds, and a parent that dies within them
must not leave a process behind. So this file imports nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

PARENT = "GANATOMY_PARENT"  # the number of the parent, in the environment
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def bind() -> None:
    """Die with the parent: with the thread that started this process, to be exact."""
    parent = os.environ.pop(PARENT, "")
    if not parent:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it died before we asked
        os._exit(1)


if __name__ == "__main__":
    bind()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
