"""Vega in a process of its own: `python -P -m dashboard.charts.vega SPEC SVG` turns one file into the other.

The converter ends its process where it cannot go on, and keeps 90 MB. Neither may happen to the dashboard.
"""

import sys
from pathlib import Path

import vl_convert

VERSION = "6.4"  # of Vega-Lite


def main() -> None:
    """Read a chart in Vega-Lite and write it as SVG; an address of rows or pictures is refused."""
    spec, svg = map(Path, sys.argv[1:])
    drawn = vl_convert.vegalite_to_svg(spec.read_text(), vl_version=VERSION, allowed_base_urls=[])
    svg.write_text(drawn)


if __name__ == "__main__":
    main()
