"""Register a plug-in in a process of its own: `python -P -m jobs.worker.plugin_registration --store DIR ...`.

The code of the package runs here, and not in the process of `models add`. Later it runs wherever the model is
loaded: in jobs, renders and the Models page's samples and trials, in `models check` and `export-images`.
Exits with 1 and the reason on standard error when the plug-in is unusable.
"""

from __future__ import annotations

import argparse
import sys

from analysis.models import generators, segmenters
from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.system import processes


def main() -> None:
    """Build, look at and register the plug-in that the command line names."""
    processes.expendable()
    parser = argparse.ArgumentParser(prog="jobs.worker.plugin_registration")
    for name in ("store", "name", "entry", "role"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--segmenter")
    parser.add_argument("--trained-on", default="")
    options = parser.parse_args()
    models = Layout.create(options.store).models
    try:
        if options.role == "generator":
            generators.plug(
                options.name,
                options.entry,
                models,
                default_segmenter=options.segmenter,
                trained_on=options.trained_on,
            )
        else:
            segmenters.plug(options.name, options.entry, models)
    except GanatomyError as error:
        print(f"ganatomy: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
