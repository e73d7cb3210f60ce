"""The law of a latent: what a generator was trained on, made from the standard normal latents of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from analysis.shared.errors import GanatomyError

LAWS = ("normal", "uniform", "sphere", "truncated")


@dataclass(frozen=True)
class LatentLaw:
    """normal; uniform from -1 to 1; sphere: scaled to the length sqrt(size); truncated at `bound` deviations.

    Each law is a function of one standard normal latent, so latent i of a seed stays the same in any batch.
    """

    name: str = "normal"
    bound: float = 2.0

    @classmethod
    def parse(cls, text: str) -> LatentLaw:
        """A law from its name; "truncated:1.5" states the bound.

        Raises:
            GanatomyError: there is no such law.
        """
        name, colon, bound = text.partition(":")
        try:
            value = float(bound) if colon else 2.0
        except ValueError:
            value = math.nan
        if name not in LAWS or (colon and name != "truncated") or not 0 < value < math.inf:
            raise GanatomyError(
                f"There is no latent law '{text[:40]}'; choose normal, uniform, sphere or truncated:2."
            )
        return cls(name, value)

    def __str__(self) -> str:
        return f"truncated:{self.bound:g}" if self.name == "truncated" else self.name

    def __call__(self, z: Tensor) -> Tensor:
        """Latents (N, ...) of this law from standard normal ones."""
        match self.name:
            case "uniform":
                return torch.erf(z / math.sqrt(2))
            case "sphere":
                rows = z.flatten(1)
                length = math.sqrt(rows.shape[1]) / rows.norm(dim=1, keepdim=True)
                return (rows * length).reshape(z.shape)
            case "truncated":
                # The inverse CDF of a normal within +-bound, at the CDF of z.
                share = math.erf(self.bound / math.sqrt(2))
                return math.sqrt(2) * torch.erfinv(share * torch.erf(z / math.sqrt(2)))
            case _:
                return z
