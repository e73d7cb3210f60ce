"""Rows of a data frame as plain values; a missing value is None."""

from typing import Any

import pandas as pd

Row = dict[str, Any]


def rows(frame: pd.DataFrame) -> list[Row]:
    """Every row as a dict."""
    return [
        {str(k): None if pd.api.types.is_scalar(v) and pd.isna(v) else v for k, v in record.items()}
        for record in frame.to_dict("records")
    ]


def only(frame: pd.DataFrame, **match: object) -> Row | None:
    """The first row whose columns have the given values; None when there is none."""
    for column, value in match.items():
        frame = frame[frame[column] == value]
    return rows(frame.head(1))[0] if len(frame) else None
