"""Tables for spreadsheets, which calculate cells that begin like a formula."""

import pandas as pd

_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def guarded(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with an apostrophe before each text that a spreadsheet would calculate; numbers stay."""
    shown = frame.map(_guard)
    shown.columns = pd.Index([_guard(name) for name in frame.columns])
    return shown


def _guard(value: object) -> object:
    if not isinstance(value, str) or not value.startswith(_STARTS):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value
