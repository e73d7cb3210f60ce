"""What forcing several cells in one pass changes, measured on cells that were also forced alone. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.shared.arrays import Floats

MOST_LOST = 0.1  # of the squared effects: beyond, the segmenter sees too much of the other cells


@dataclass(frozen=True)
class Together:
    """Cells of some passes, once together and once alone: `edits` values each, in areas of one cell."""

    cells: float  # forced in one pass, on average; 1 where each was alone
    checked: int  # cells of each edit that were also forced alone
    difference: Floats  # (edits,): mean effect together minus alone
    error: Floats  # (edits,): its standard error
    spread: Floats  # (edits,): root mean square of single cells' differences
    lost: float  # squared differences over squared effects, of all edits
    passes: int = 0

    @classmethod
    def none(cls, edits: int) -> Together:
        """Every cell was alone."""
        zero = np.zeros(edits)
        return cls(1.0, 0, zero, zero, zero, 0.0)

    @classmethod
    def of(cls, together: Floats, alone: Floats, cells: float, passes: int) -> Together:
        """From effects (edits, checked cells), with the number of cells of a pass."""
        checked = alone.shape[1]
        gap = together - alone
        energy = float((alone**2).sum())
        return cls(
            cells=cells,
            checked=checked,
            difference=gap.mean(1),
            error=gap.std(1, ddof=1) / np.sqrt(checked),
            spread=np.sqrt((gap**2).mean(1)),
            lost=float((gap**2).sum()) / energy if energy else float(gap.any()),
            passes=passes,
        )

    @property
    def close(self) -> bool:
        """Whether the effects are those of single cells, but for little."""
        return self.lost <= MOST_LOST
