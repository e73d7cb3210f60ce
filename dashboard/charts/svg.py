"""A chart as an SVG file: what the page shows, drawn by Vega; nothing is fetched from a network."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import streamlit as st

from analysis.shared.errors import GanatomyError
from dashboard.charts import palette
from dashboard.charts.structures import Drawing
from jobs.system import processes
from jobs.system.text import visible

WIDTH = 720  # pixels of a chart that follows the page's width
FONT = "Source Sans, Helvetica, Arial, sans-serif"  # of the reader, no font is in the file
LONGEST_S = 60
NO_TEXT = re.compile("[\ufffe\uffff]")  # no character by Unicode, and not allowed in XML


def svg(drawing: Drawing, title: str, dark: bool) -> bytes:
    """The chart with its rows as drawn and a title, in the colours of a theme. Takes about 2 seconds."""
    spec = {"width": WIDTH, **drawing.spec, "datasets": drawing.records()}
    spec |= {"title": {"text": title}, "description": title}
    text = json.dumps(_visible(spec) | {"config": _config(dark)})
    with TemporaryDirectory() as folder:
        asked, made = Path(folder) / "spec.json", Path(folder) / "chart.svg"
        asked.write_text(text)
        process = processes.start("dashboard.charts.vega", [str(asked), str(made)], output=subprocess.DEVNULL)
        try:
            process.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            processes.stop(process)
        if not made.exists():
            raise GanatomyError("This chart could not be made as SVG; its PNG is in the menu over the chart.")
        return made.read_bytes()


def _visible(value: Any) -> Any:
    """JSON whose texts have no control characters, on which the converter fails."""
    if isinstance(value, str):
        return NO_TEXT.sub("", visible(value))
    if isinstance(value, dict):
        return {_visible(name): _visible(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_visible(each) for each in value]
    return value


def _config(dark: bool) -> dict[str, Any]:
    """The theme: what Streamlit gives a chart on the page."""
    theme = "dark" if dark else "light"
    background, text, colours = (
        st.get_option(f"theme.{theme}.{name}")
        for name in ("backgroundColor", "textColor", "chartCategoricalColors")
    )
    grid = palette.GREY + "55"
    quiet = {"labelColor": text, "titleColor": text, "titleFontWeight": "normal", "labelFontSize": 12}
    return {
        "font": FONT,
        "background": background,
        "padding": 12,
        "title": {"anchor": "start", "color": text, "fontSize": 15, "offset": 12},
        "axis": {**quiet, "gridColor": grid, "ticks": False, "domain": False, "labelPadding": 8},
        "axisDiscrete": {"grid": False},
        "axisXPoint": {"grid": False},
        "axisXBand": {"grid": False},
        "legend": quiet,
        "header": quiet,
        "view": {"stroke": None},
        "range": {"category": colours},
        "mark": {"color": colours[0] if colours else palette.TEAL},
    }
