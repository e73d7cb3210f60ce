"""Benchmarks of speed in turn: `make bench`.

    python -m benchmarks [NAME ...] [OPTIONS]     those named, or all that are listed

Options are passed on to each benchmark; --write makes what was measured the committed baseline. A benchmark
that fails or whose weights are not here does not stop those behind it.
"""

import ast
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

HERE = Path(__file__).parent
# Each takes under about two minutes.
QUICK = (
    "counting",
    "dissection",
    "scaling",
    "first_compilation",
    "gpu_counting",
    "segmenter",
    "spans",
    "tails",
    "insertions",
    "artifacts",
    "ace",
)


def summary(name: str) -> str:
    """The first line of a benchmark's docstring."""
    return (ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text())) or "").split("\n")[0]


def main() -> int:
    """Runs the benchmarks; 1 where one failed."""
    asked = list(takewhile(lambda word: not word.startswith("-"), sys.argv[1:]))
    options = sys.argv[1 + len(asked) :]
    if {"-h", "--help"} & {*options}:
        print(__doc__)
        for name in QUICK:
            print(f"{name:18} {summary(name)}")
        return 0
    failed = []
    for name in asked or QUICK:
        print(f"-- {name}: {summary(name)}", flush=True)
        if subprocess.run([sys.executable, "-P", "-m", f"benchmarks.{name}", *options]).returncode:
            failed.append(name)
    if failed:
        print(f"Failed: {', '.join(failed)}")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
