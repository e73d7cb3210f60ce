"""What compiling the counting loops costs, once per machine: processor seconds of a fresh process.

    python -m benchmarks.first_compilation [--write]

The first process compiles into an empty folder, the second finds there what the first has kept.
"""

import argparse
import os
import subprocess
import sys
import tempfile

import torch

from benchmarks.timing import report

FRESH = """
import sys, time
from pathlib import Path
from analysis.counting import compilation
compilation.PLACES = (Path(sys.argv[1]),)
import torch
torch.set_num_threads(1)
from analysis.counting import preparation
preparation.cold = lambda: True
start = time.process_time()
preparation.prepare()
print(time.process_time() - start)
"""


def seconds(folder: str) -> float:
    """Processor seconds until all loops are there, in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-c", FRESH, folder]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout)


def main() -> None:
    """Prints both, and their ratio."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write", action="store_true")
    chosen, _others = options.parse_known_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        cold, kept = seconds(folder), seconds(folder)
    figures = {"seconds_cold": cold, "seconds_kept": kept, "ratio": cold / kept}
    report("first-compilation", figures, chosen.write)


if __name__ == "__main__":
    main()
