"""The reader's child process as a fork of the test, which has torch; limits and code are the real ones."""

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch

from analysis.models.files.limits import Limits

# A fork has none of torch's other threads, and would wait for them for ever.
torch.set_num_threads(1)


@dataclass
class Usage:
    """What the last child took: seconds of processor time, and MB of resident memory at its largest.

    The memory that a fork shares with the test is not counted: the test process grows with the tests before.
    """

    seconds: float = 0.0
    megabytes: float = 0.0


LAST = Usage()


def run(request: Mapping[str, Any], limits: Limits, folder: Path) -> int:
    """Stands in for `analysis.models.files.inspection._run`, with the same answer."""
    start = time.monotonic()
    shared = psutil.Process().memory_info().rss / 2**20
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            errors = os.open(folder / "errors.txt", os.O_WRONLY | os.O_CREAT)
            os.dup2(errors, 1)
            os.dup2(errors, 2)
            # As in the real child: what many tests left open would count against its limit of open files.
            os.closerange(3, os.sysconf("SC_OPEN_MAX"))
            from analysis.models.files import child

            status = child.main(json.loads(json.dumps(request)))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    deadline = start + limits.patience
    while True:
        done, status, used = os.wait4(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    LAST.seconds, LAST.megabytes = used.ru_utime + used.ru_stime, max(0.0, used.ru_maxrss / 1024 - shared)
    return os.waitstatus_to_exitcode(status)
