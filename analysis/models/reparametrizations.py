"""Weights that a checkpoint keeps in parts, as spectral and weight normalisation do, put together again.

state, folded = plain_weights(state, transposed=lambda path: "deconv" in path)

In evaluation these normalisations divide by constants, so the product is what the network computes with.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from analysis.models.checkpoints import State
from analysis.shared.errors import GanatomyError

# Suffixes of the parts: the weight, the left and the right singular vector.
SPECTRAL = (
    ("weight_orig", "weight_u", "weight_v"),
    ("parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v"),
)
# Suffixes of the parts: the length and the direction.
LENGTHS = (
    ("weight_g", "weight_v"),
    ("parametrizations.weight.original0", "parametrizations.weight.original1"),
)


class PlainWeights(NamedTuple):
    """A state dict with plain weights alone, and what was folded into them: a sentence, or none."""

    state: State
    notes: tuple[str, ...]


def plain_weights(state: State, transposed: Callable[[str], bool] = lambda _path: False) -> PlainWeights:
    """Replaces each normalised weight's parts by `<path>.weight`; the rest of the state dict stays.

    Works on meta tensors too, for which it says what the shapes would be.

    Args:
        state: the checkpoint's names and tensors.
        transposed: whether the module at a path is a transposed convolution, whose matrix has the units that
            it makes in its second dimension.

    Raises:
        GanatomyError: the parts of a weight do not fit each other.
    """
    plain = dict(state)
    spectral = lengths = 0
    for original, left, right in SPECTRAL:
        for path in _paths(state, original):
            u = plain.pop(_at(path, left), None)
            v = plain.pop(_at(path, right), None)
            weight = plain.pop(_at(path, original))
            plain[_at(path, "weight")] = _spectral(path, weight, u, v, transposed(path))
            spectral += 1
    for length, direction in LENGTHS:
        for path in _paths(state, length):
            g, v = plain.pop(_at(path, length)), plain.pop(_at(path, direction), None)
            plain[_at(path, "weight")] = _of_length(path, g, v)
            lengths += 1
    counts = (("Spectral", spectral), ("Weight", lengths))
    notes = tuple(f"{kind} normalisation was folded into {count} weights." for kind, count in counts if count)
    return PlainWeights(plain, notes)


def _paths(state: State, suffix: str) -> list[str]:
    """The module paths that have a part of this name."""
    return [
        name[: -len(suffix)].rstrip(".") for name in state if name == suffix or name.endswith(f".{suffix}")
    ]


def _at(path: str, suffix: str) -> str:
    return f"{path}.{suffix}" if path else suffix


def _spectral(path: str, weight: Tensor, u: Tensor | None, v: Tensor | None, transposed: bool) -> Tensor:
    """The weight by sigma with sigma = u' W v; W has a row for each unit that the module makes."""
    if weight.ndim < 2 or not weight.is_floating_point():
        raise GanatomyError(f"'{path}' is under spectral normalisation, but its weight is no matrix.")
    matrix = (weight.transpose(0, 1) if transposed else weight).flatten(1)
    rows, columns = matrix.shape[0], prod(matrix.shape[1:])
    if u is None or u.shape != (rows,) or (v is not None and v.shape != (columns,)):
        found = "none" if u is None else str(tuple(u.shape))
        raise GanatomyError(
            f"'{path}' is under spectral normalisation of a weight {tuple(weight.shape)}, whose singular "
            f"vector u has the shape ({rows},), but the file holds {found}; save it again."
        )
    matrix, u = matrix.float(), u.float()
    if v is None:  # PyTorch before 1.0 kept u alone and took the step of the power iteration anew
        v = torch.nn.functional.normalize(matrix.T @ u, dim=0, eps=1e-12)
    return weight / torch.dot(u, matrix @ v.float()).to(weight.dtype)


def _of_length(path: str, length: Tensor, direction: Tensor | None) -> Tensor:
    """The direction at its length, the norm taken over each dimension in which the length does not vary."""
    fits = direction is not None and (
        length.ndim == 0
        or (
            length.ndim == direction.ndim
            and all(a in (1, b) for a, b in zip(length.shape, direction.shape, strict=True))
        )
    )
    if direction is None or not fits:
        raise GanatomyError(f"'{path}' is under weight normalisation, but its parts do not fit each other.")
    over = [d for d in range(direction.ndim) if length.ndim == 0 or length.shape[d] == 1]
    norm = direction.float()
    norm = torch.linalg.vector_norm(norm, dim=over, keepdim=True) if over else norm.abs()
    return length * (direction / norm.to(direction.dtype))


def plain_names(state: State) -> set[str]:
    """The names of the plain weights, without computing them; none where the parts of a weight do not fit."""
    try:
        return set(plain_weights({name: value.to("meta") for name, value in state.items()}).state)
    except GanatomyError:
        return set()
