"""Latents by number: the i-th latent of a seed follows from (seed, i) alone.

    z = latents(seed=1, start=64, stop=128, shape=(100, 1, 1))

Any slice of the stream can be made anywhere, in any order, and is always the same.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from analysis.shared.errors import GanatomyError


def latents(seed: int, start: int, stop: int, shape: Sequence[int]) -> Tensor:
    """Standard normal latents number start up to stop, as a float32 tensor (stop - start, *shape) on the CPU.

    Raises:
        GanatomyError: a seed or a range outside 0 ... 2**63 - 1.
    """
    if not 0 <= seed < 2**63 or not 0 <= start <= stop < 2**63:
        raise GanatomyError(
            f"Seed {seed} and latents {start} to {stop} are no valid choice; "
            "a seed is 0 or more and a range starts at 0 or more and does not run backwards."
        )
    size = math.prod(shape)
    rows = np.empty((stop - start, size), dtype=np.float32)
    for row, index in enumerate(range(start, stop)):
        rows[row] = _normals(seed, index, size)
    return torch.from_numpy(rows).reshape(stop - start, *shape)


def _normals(seed: int, index: int, size: int) -> np.ndarray:
    # Raw Philox words are fixed by its authors' paper, whereas numpy reserves the right to change how it
    # makes normals of them. The inverse normal in float64 then rounds to the same float32 everywhere.
    key, counter = np.array([seed, 0], dtype=np.uint64), np.array([0, index, 0, 0], dtype=np.uint64)
    words = np.random.Philox(key=key, counter=counter).random_raw(size)
    return ndtri((np.asarray(words >> np.uint64(11), dtype=np.float64) + 0.5) * 2.0**-53)
