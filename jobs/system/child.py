"""Run a module in a process that the kernel kills when its parent dies.

Usage: `python -P -m jobs.system.child MODULE ...`

The kernel's PR_SET_PDEATHSIG sends a signal to this process when the thread that started it ends, however it
ends. A parent that is killed with -9 can run no code to stop its children, so only the kernel can do it.

The call comes before any slow import. Torch takes seconds to import, and a parent that dies within them must
not leave a process behind. So this file imports nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

PARENT = "GANATOMY_PARENT"  # environment variable with the parent's process id
_PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the thread that started it ends."""
    parent = os.environ.pop(PARENT, "")
    if not parent:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # A parent that died before the call sends no signal any more; this process then has another parent.
    if os.getppid() != int(parent):
        os._exit(1)


if __name__ == "__main__":
    die_with_parent()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
