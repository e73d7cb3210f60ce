"""A soak: a store with two workers, while processes are killed, files damaged and the disk fills.

    .venv/bin/python -m benchmarks.soak --minutes 60 --seed 1 --store DIR --report FILE

Real jobs are queued all the time, mostly small dissections of a planted generator. Faults come at random
times that the seed decides, and two readers check every snapshot. At the end all faults stop, and what
is queued is let to finish. Then every job that was ever reported done must be there, with exactly the
numbers of the same dissection in a store of its own that nobody disturbed.

FILE gets a JSON object per event, and the last one is the summary. Beside it, FILE.d has the undisturbed
store, the readers' logs and what commands said. A soak that was interrupted goes on with the same store
and report. The store is on a small disk (a tmpfs at DIR) where this user may mount one. Else a limit on
the size of each process's files stands in for a full disk.

The exit status is 1 when a run is lost, changed or not the undisturbed one's, when a job has no end, when an
error is no sentence, or when a process is left.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from benchmarks.soak.report import Report
from benchmarks.soak.soak import Soak


def main() -> None:
    """Read the command line and soak."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", type=Path, required=True, help="a folder for the store's small disk")
    parser.add_argument("--report", type=Path, required=True)
    parser.add_argument("--megabytes", type=int, default=4000, help="size of the small disk")
    parser.add_argument("--keep", action="store_true", help="leave the small disk, with the store on it")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(2))
    soak = Soak(options.store.absolute(), Report(options.report.absolute()), options.seed, options.megabytes)
    try:
        sound = soak.run(options.minutes)
    finally:
        soak.close()
    if sound and not options.keep:
        soak.disk.close()
    sys.exit(0 if sound else 1)


if __name__ == "__main__":
    main()
