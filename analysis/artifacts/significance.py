"""Is a ranking of artifact units better than random sets of units? No torch."""

from __future__ import annotations

import numpy as np

from analysis.shared.arrays import Floats


def p_value(fall: float, random_falls: Floats | None) -> float:
    """The share of sets whose distance falls at least as far, the list itself counted among them.

    It is the p-value of a randomization test, (1 + sets that fall as far) / (1 + sets), so it is never 0. NaN
    without random sets of the same size.

    >>> p_value(0.3, np.array([0.1, 0.2, 0.4]))
    0.5
    """
    if random_falls is None:
        return float("nan")
    return float((1 + np.sum(random_falls >= fall)) / (1 + len(random_falls)))
