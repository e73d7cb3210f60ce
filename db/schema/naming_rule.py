"""The naming rule: which concept is a unit's name, and when it counts. Declared once, for SQL and frames."""

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import sqlalchemy as sa


@dataclass(frozen=True)
class NamingRule:
    """Which concept is a unit's name, and when the unit counts as named.

    `lift`: the name is the concept with the largest lift over its strongest control on calibration images,
    and it counts where evaluation images confirm it: the unit detects the concept (docs/method.md sections 1
    and 2). `paper`: the name is the concept with the largest IoU, and it counts where that is over `cut`
    (Bau et al. 2019, section 3.1; 0.05 in the authors' code, 0.04 later).

    >>> scores = pd.DataFrame({"iou": [0.2, 0.03], "lift": [-0.1, 0.02], "lift_q_value": [1.0, 0.01]})
    >>> NamingRule("paper").of_frame(scores).tolist(), NamingRule("lift").of_frame(scores).tolist()
    ([True, False], [False, True])
    """

    name: Literal["lift", "paper"] = "lift"
    cut: float = 0.05
    level: float = 0.05

    @property
    def flag(self) -> str:
        """The column of unit_concept that is true for a unit's name."""
        return "label" if self.name == "lift" else "largest_iou"

    def of_rows(self, rows: Any, over_ceiling: bool = False) -> sa.ColumnElement[bool]:
        """SQL: true where a row of a unit and its name counts, false where evidence is missing.

        `over_ceiling` takes the paper's cut on the share of the averaged map's IoU instead of the IoU. The
        lift does not change with it.
        """
        c = rows.c
        if self.name == "lift":
            return sa.func.coalesce(c.detector, sa.false())
        iou = c.iou / sa.func.nullif(c.ceiling_iou, 0.0) if over_ceiling else c.iou
        return sa.func.coalesce(iou > self.cut, sa.false())

    def of_frame(self, scores: "pd.DataFrame") -> "pd.Series[bool]":
        """The same for a data frame with iou, lift and lift_q_value, at whatever threshold."""
        if self.name == "paper":
            return (scores["iou"] > self.cut).fillna(False).astype(bool)
        passes = (scores["lift_q_value"] <= self.level) & (scores["lift"] > 0)
        return passes.fillna(False).astype(bool)
