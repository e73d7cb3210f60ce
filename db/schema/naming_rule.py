"""The naming rule: when a unit counts as named. Declared once, for SQL and for data frames."""

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import sqlalchemy as sa


@dataclass(frozen=True)
class NamingRule:
    """When a unit counts as named.

    `paper`: the IoU with its name is over `cut` (Bau et al. 2019, section 3.1; 0.05 in the authors' code,
    0.04 later). `calibrated`: the agreement is more than luck and position, that is, q is at most `level`
    against other images' masks, and the IoU is over that null (docs/method.md section 2).

    >>> scores = pd.DataFrame({"iou": [0.2, 0.03], "null_iou": [0.25, 0.01], "q_value": [0.01, 0.01]})
    >>> NamingRule("paper").of_frame(scores).tolist(), NamingRule("calibrated").of_frame(scores).tolist()
    ([True, False], [False, True])
    """

    name: Literal["paper", "calibrated"] = "paper"
    cut: float = 0.05
    level: float = 0.05

    def of_rows(self, rows: Any, over_ceiling: bool = False) -> sa.ColumnElement[bool]:
        """SQL: true where a row of unit_label or unit_concept is named, false where evidence is missing.

        `over_ceiling` takes the paper's cut on the share of the resolution ceiling instead of the IoU. The
        evidence of the calibrated rule does not change with it.
        """
        c = rows.c
        if self.name == "calibrated":
            return sa.func.coalesce((c.q_value <= self.level) & (c.calibrated > 0), sa.false())
        iou = c.iou / sa.func.nullif(c.ceiling_iou, 0.0) if over_ceiling else c.iou
        return sa.func.coalesce(iou > self.cut, sa.false())

    def of_frame(self, scores: "pd.DataFrame") -> "pd.Series[bool]":
        """The same for a data frame with iou, null_iou and q_value, at whatever threshold."""
        if self.name == "paper":
            return (scores["iou"] > self.cut).fillna(False).astype(bool)
        passes = (scores["q_value"] <= self.level) & (scores["iou"] > scores["null_iou"])
        return passes.fillna(False).astype(bool)
