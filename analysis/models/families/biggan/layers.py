"""What BigGAN and BigGAN-deep are made of (Brock et al. 2019)."""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.checkpoints import State
from analysis.shared.errors import GanatomyError


def folded(state: State, what: str) -> tuple[State, tuple[str, ...]]:
    """Weights divided by their spectral norms, in either published form, and a note where there were any.

    ajbrock's u0 is taken through one power iteration, as his code does in evaluation; PyTorch's weight_u and
    weight_v are taken as they are.

    Raises:
        GanatomyError: singular vectors are not as long as their weight is high and wide.
    """
    plain: State = {}
    norms = 0
    for key, value in state.items():
        name, _dot, last = key.rpartition(".")
        beside = f"{name}.weight" if f"{name}.u0" in state else f"{name}.weight_orig"
        if key == beside:
            norms += 1
            plain[f"{name}.weight"] = value / _norm(state, name, value, what)
        elif not (beside in state and SINGULAR.fullmatch(last)):
            plain[key] = value
    return plain, ("The spectral norms were folded into the weights.",) if norms else ()


SINGULAR = re.compile(r"u\d+|sv\d+|weight|weight_u|weight_v")  # what stands beside a weight with a norm


def _norm(state: State, name: str, weight: Tensor, what: str) -> Tensor:
    """A weight's spectral norm, from the singular vectors beside it."""
    rows = weight.flatten(1) if weight.ndim > 1 else weight.reshape(-1, 1)
    u = state.get(f"{name}.u0", state.get(f"{name}.weight_u", torch.empty(0))).flatten()
    v = state.get(f"{name}.weight_v")
    if len(u) != len(rows) or (v is not None and v.shape != rows.shape[1:]):
        raise GanatomyError(
            f"The weights do not fit {what}: the spectral norm of '{name}' has vectors of another size than "
            "its weight; use a complete checkpoint."
        )
    if v is not None:
        return u @ (rows @ v)
    v = functional.normalize(u @ rows, dim=0, eps=1e-12)
    return v @ rows.t() @ functional.normalize(v @ rows.t(), dim=0, eps=1e-12)


def convolution(size: tuple[int, ...]) -> nn.Conv2d:
    """A convolution whose weight has the size (O, I, k, k), which keeps the grid."""
    after, before, taps, _taps = size
    return nn.Conv2d(before, after, taps, padding=taps // 2)


class Attention(nn.Module):
    """Adds to each cell what other cells hold, by how alike they are (Zhang et al. 2019)."""

    def __init__(
        self, state: State, prefix: str, names: tuple[str, str, str, str], gamma: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.names = names
        for name in names:
            after, before, _h, _w = state[f"{prefix}.{name}.weight"].shape
            self.add_module(name, nn.Conv2d(before, after, 1, bias=False))
        self.gamma = nn.Parameter(torch.empty(gamma))

    def forward(self, x: Tensor) -> Tensor:
        theta, phi, g, out = (self.get_submodule(name) for name in self.names)
        queries = theta(x).flatten(2)
        keys, values = (functional.max_pool2d(part(x), 2).flatten(2) for part in (phi, g))
        shares = (queries.transpose(1, 2) @ keys).softmax(-1)
        made = (values @ shares.transpose(1, 2)).view(len(x), -1, *x.shape[2:])
        added: Tensor = x + self.gamma * out(made)
        return added


class Grow(nn.Module):
    """Twice as many cells a side: each is repeated."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.interpolate(x, scale_factor=2.0, mode="nearest")
