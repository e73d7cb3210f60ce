"""Rows of a data frame as plain values; a missing value is None."""

from typing import Any

import pandas as pd

Row = dict[str, Any]


def rows(frame: pd.DataFrame) -> list[Row]:
    """Every row as a dict."""
    names = [str(name) for name in frame.columns]
    columns = [_plain(frame.iloc[:, place]) for place in range(len(names))]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _plain(column: "pd.Series[Any]") -> list[Any]:
    missing = column.isna()
    values: list[Any] = column.tolist()
    if missing.any():
        values = [None if gone else value for value, gone in zip(values, missing.tolist(), strict=True)]
    return values


def only(frame: pd.DataFrame, **match: object) -> Row | None:
    """The first row whose columns have the given values; None when there is none."""
    for column, value in match.items():
        frame = frame[frame[column] == value]
    return rows(frame.head(1))[0] if len(frame) else None
