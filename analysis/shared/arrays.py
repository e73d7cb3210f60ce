"""Names for the arrays that every room passes around."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Array = NDArray[Any]  # of a kind that the docstring states
Arrays = dict[str, Array]  # arrays by name, as a file holds them
