"""What the training latents say about each unit: the constants that an insertion sets, and energy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.causes.sample import Sample
from analysis.shared.errors import GanatomyError

KINDS = ("mean", "double", "q99")
ABLATIONS = ("zero", "mean")
QUANTILE, VALUES = 0.99, 1 << 17  # values a unit that the quantile is read from
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Constants:
    """Each unit's k where the concept is, 99 % quantile, mean, and mean square, (units,)."""

    k: Floats
    q99: Floats
    mean: Floats
    square: Floats

    def values(self, ablate: str, insert: str) -> dict[str, Floats]:
        """What each edit sets a unit to: an ablation 0 ("zero") or its mean, an insertion k ("mean"), 2k
        ("double") or "q99"; in four digits, so that an edit's text is short and still exactly what is scored.

        Raises:
            GanatomyError: there is no such kind.
        """
        check(ablate, insert)
        gone = self.mean if ablate == "mean" else np.zeros_like(self.mean)
        there = self.q99 if insert == "q99" else self.k * (2 if insert == "double" else 1)
        return {"ablate": _short(gone), "insert": _short(there)}

    def energy(self, values: Floats) -> Floats:
        """The energy of setting each unit to a value: E (value - r)^2 over images and cells."""
        return np.maximum(values**2 - 2 * values * self.mean + self.square, 0)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"k": self.k, "q99": self.q99, "mean": self.mean, "square": self.square}


def check(ablate: str, insert: str) -> None:
    """Raises `GanatomyError` when there is no such ablation or insertion."""
    for what, kind, kinds in (("ablation", ablate, ABLATIONS), ("insertion", insert, KINDS)):
        if kind not in kinds:
            raise GanatomyError(f"There is no {what} '{kind}'; choose one of {', '.join(kinds)}.")


def _short(values: Floats) -> Floats:
    return np.array([float(f"{value:.4g}") for value in values])


def measure(samples: Sequence[Sample]) -> Constants:
    """k_u = sum r s / sum s over all images and cells, and the rest, from the kept maps.

    Raises:
        GanatomyError: no image shows the concept.
    """
    sums: dict[str, Tensor] = {}
    some: list[Tensor] = []
    cells = 0
    images = sum(map(len, samples))
    for sample in samples:
        for rows, r in sample.all_maps():
            there = sample.there[rows.to(sample.there.device)][:, None]
            found = {
                "rs": (r * there).sum((0, 2, 3)),
                "s": there.sum(),
                "r": r.sum((0, 2, 3)),
                "rr": r.square().sum((0, 2, 3)),
            }
            sums = {name: value.double() + sums.get(name, 0.0) for name, value in found.items()}
            some.append(_thinned(r, images))
            cells += r[:, 0].numel()
    total = {name: value.cpu().numpy() for name, value in sums.items()}
    if total["s"] <= 0:
        raise GanatomyError(
            f"None of {images} training images shows '{samples[0].concept}', so nothing can be learned about "
            "it; choose a concept that the generator makes, or more training images."
        )
    return Constants(total["rs"] / total["s"], _quantile(some), total["r"] / cells, total["rr"] / cells)


def _thinned(r: Tensor, images: int) -> Tensor:
    """Values of each unit (units, n) at cells spread over the maps, few enough to sort."""
    values = r.permute(1, 0, 2, 3).flatten(1)
    all_values = values.shape[1] * images // len(r)
    # An odd step, so that no column of the map is left out; a copy, so that the maps themselves can go.
    return values[:, :: -(-all_values // VALUES) | 1].clone()


def _quantile(parts: list[Tensor]) -> NDArray[np.float64]:
    ordered = torch.cat(parts, 1).sort(1).values
    place = min(int(QUANTILE * ordered.shape[1]), ordered.shape[1] - 1)
    return ordered[:, place].double().cpu().numpy()
