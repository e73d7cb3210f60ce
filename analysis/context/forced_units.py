"""What units are forced to: constants k, 2k and the 99 % quantile, and random units at equal energy.

The energy of an edit is the mean over images and cells of the summed squares of what it changes,
sum_u (v_u - r_u)^2, so it follows from each unit's mean and mean square (method.md section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from math import gcd
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.context.cells import shares
from analysis.models.generator import Generator
from analysis.models.segmenter import Segmenter, checked_labels
from analysis.shared.concepts import concept_index
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

Floats = NDArray[np.float64]
STRENGTHS = ("k", "2k", "q99")
BATCH = 16
TAILS = (0.01, 0.02, 0.05, 0.1, 0.2)  # of a unit's cells: where it may be on; the first is that of q99
QUANTILE_IMAGES, QUANTILE_CELLS = 128, 256


@dataclass(frozen=True)
class UnitFacts:
    """What the measuring latents say about each unit of a layer, arrays (units,), and one concept."""

    k: Floats  # mean activation where the concept is (Bau et al. 2019, equation 7)
    q99: Floats  # the activation that 1 % of its cells exceed
    mean: Floats
    square: Floats  # mean of the squared activation
    iou: Floats  # with the concept, on the layer's grid, at the best of some tails

    def values(self, strength: str) -> Floats:
        """What every unit would be forced to.

        Raises:
            GanatomyError: there is no such strength.
        """
        if strength not in STRENGTHS:
            raise GanatomyError(f"There is no strength '{strength}'; choose from {', '.join(STRENGTHS)}.")
        return self.q99 if strength == "q99" else self.k * (2 if strength == "2k" else 1)

    def best(self, count: int) -> list[int]:
        """The units that agree best with the concept, best first."""
        return [int(unit) for unit in np.argsort(-self.iou, kind="stable")[:count]]

    def energy(self, units: Sequence[int] | NDArray[np.int64], values: Floats) -> Floats:
        """Mean over images and cells of the summed squared change, were the units forced to these values; of
        each set, where several (sets, n) are given."""
        chosen = np.asarray(units)
        return np.asarray((values**2 - 2 * values * self.mean[chosen] + self.square[chosen]).sum(-1))


def measure_units(
    generator: Generator,
    segmenter: Segmenter,
    layer: str,
    concept: str,
    latent_range: tuple[int, int],
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
) -> UnitFacts:
    """One pass for quantiles over the first images, then one over all for everything else.

    Raises:
        GanatomyError: the concept is in none of the images, so that k is not defined.
    """
    start, stop = latent_range
    few = latents(seed, start, min(stop, start + QUANTILE_IMAGES), generator.latent_shape)
    levels = _levels(generator, layer, few)
    label = concept_index(segmenter.concepts, concept) + 1
    sums: dict[str, Tensor] = {}
    z = latents(seed, start, stop, generator.latent_shape)
    for number, part in enumerate(z.split(BATCH)):
        images, maps = generator.features(part, [layer])
        r = maps.popitem()[1]
        labels = checked_labels(segmenter, images).to(r.device)
        there = shares(labels == label, (r.shape[2], r.shape[3]))[:, None]
        on = [(r >= level.view(1, -1, 1, 1)).to(r.dtype) for level in levels]
        found = {
            "r": r.sum((0, 2, 3)),
            "rr": r.square().sum((0, 2, 3)),
            "rs": (r * there).sum((0, 2, 3)),
            "ms": torch.stack([(mask * there).sum((0, 2, 3)) for mask in on]),
            "m": torch.stack([mask.sum((0, 2, 3)) for mask in on]),
            "s": there.sum(),
        }
        sums = {name: value.double() + sums.get(name, 0) for name, value in found.items()}
        progress(number * BATCH + len(part))
    return _facts(
        {name: value.cpu().numpy() for name, value in sums.items()}, levels[0], _cells(r, len(z)), concept
    )


def _cells(r: Tensor, images: int) -> int:
    return images * r.shape[2] * r.shape[3]


def _facts(sums: dict[str, Any], q99: Tensor, cells: int, concept: str) -> UnitFacts:
    if sums["s"] == 0:
        raise GanatomyError(
            f"No measured image shows '{concept}', so it is unknown what its units do there; "
            "choose a concept that this generator makes, or more images."
        )
    alive = sums["rr"] / cells - (sums["r"] / cells) ** 2 > 1e-12
    union = sums["m"] + sums["s"] - sums["ms"]
    return UnitFacts(
        k=sums["rs"] / sums["s"],
        q99=q99.double().cpu().numpy(),
        mean=sums["r"] / cells,
        square=sums["rr"] / cells,
        iou=np.where(alive, (sums["ms"] / np.maximum(union, 1e-12)).max(0), 0),
    )


def _levels(generator: Generator, layer: str, z: Tensor) -> Tensor:
    """What each unit exceeds in so much of its cells (some cells, where a map is large), (tails, units)."""
    kept = []
    for part in z.split(BATCH):
        r = generator.features(part, [layer])[1].popitem()[1]
        kept.append(r.flatten(2)[..., :: _step(r.shape[2], r.shape[3])].permute(1, 0, 2).flatten(1))
    values = torch.cat(kept, 1)
    # torch.quantile refuses more than 2**24 numbers; a sorted place is the same for any number of them.
    many = values.shape[1]
    ordered = values.sort(1).values
    return torch.stack([ordered[:, min(int((1 - tail) * many), many - 1)] for tail in TAILS])


def _step(height: int, width: int) -> int:
    """How far apart the cells lie that quantiles are read from: no column of the map is left out."""
    least = -(-height * width // QUANTILE_CELLS)
    return next(step for step in count(least) if gcd(step, width) == 1)


def random_edits(
    facts: UnitFacts, units: Sequence[int], values: Floats, images: int, seed: int
) -> tuple[NDArray[np.int64], Floats]:
    """For each image other units, as many, at equal energy: their numbers and values, both (images, n).

    Each is forced to its own 99 % quantile times one number, which makes the energy equal; where
    any constant would change these units more than that, as near as it can be: `energy` tells. Another set
    for each image, so that an interval over images is one over sets as well.
    """
    alive = np.flatnonzero(facts.square - facts.mean**2 > 1e-12)
    others = np.setdiff1d(alive, np.asarray(units))
    if not len(others):
        raise GanatomyError(
            "The set holds every live unit of the layer, so no other units can be its control."
        )
    many, energy = min(len(units), len(others)), facts.energy(units, values)
    random = np.random.default_rng([seed, 8])
    chosen = np.stack([random.choice(others, many, replace=False) for _ in range(images)])
    base = facts.q99[chosen]
    a, b = (base**2).sum(1), (base * facts.mean[chosen]).sum(1)
    inside = np.maximum(b**2 - a * (facts.square[chosen].sum(1) - energy), 0)
    scale = np.where(a > 0, (b + np.sqrt(inside)) / np.where(a > 0, a, 1), 0)
    return chosen, base * scale[:, None]
