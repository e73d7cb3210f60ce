"""Register a checkpoint in a process of its own: `python -P -m jobs.worker.registration --store DIR ...`.

Exits with 1 and the reason on standard error when the checkpoint is unusable.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from analysis.models import generators
from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.system import processes


def main() -> None:
    """Read, check and register the checkpoint that the command line names."""
    processes.expendable()
    parser = argparse.ArgumentParser(prog="jobs.worker.registration")
    for name in ("store", "name", "weights"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--family", help="where it is not recognised from the file")
    parser.add_argument("--key")
    options = parser.parse_args()
    try:
        models = Layout.create(options.store).models
        generators.add(options.name, options.family, Path(options.weights), models, options.key)
    except GanatomyError as error:
        print(f"{options.weights}: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
