"""stub"""

import pandas as pd

from dashboard.widgets import pick
from db import queries


def tail() -> float | None:
    return None


def follow(
    run: pick.Run, layer: str, units: pd.DataFrame, rule: queries.Rule, tail: float | None
) -> pd.DataFrame:
    return units


def unit(run: pick.Run, layer: str, unit: int, scores: pd.DataFrame) -> float | None:
    named = scores[scores["label"]]
    return float((named if len(named) else scores).iloc[0]["threshold"])
