"""What units are forced to, and random units at equal energy (docs/method.md section 4).

The energy of an edit is the mean over images and cells of the summed squares of what it changes,
sum_u E (v_u - r_u)^2, so it follows from each unit's mean and mean square.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from analysis.context.cells import shares
from analysis.models.generator import Generator
from analysis.models.segmenter import Segmenter, checked_labels
from analysis.shared.arrays import Floats, Ints
from analysis.shared.concepts import concept_index
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents
from analysis.shared.unit_statistics import TOP, UnitStatistics, UnitSums, levels, spread_values

BATCH = 16
TAILS = (TOP, 0.02, 0.05, 0.1, 0.2)  # shares of a unit's cells that may count as on
QUANTILE_IMAGES = 128  # images that thresholds are read from


def measure_units(
    generator: Generator,
    segmenter: Segmenter,
    layer: str,
    concept: str,
    latent_range: tuple[int, int],
    seed: int,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[UnitStatistics, Floats]:
    """Return the statistics of a layer's units, and their IoU (units,) with the concept.

    IoU is on the layer's grid, at the best of the thresholds that `TAILS` names; a constant unit has 0.
    Thresholds are read in a pass over the first images, everything else in one over all.

    Raises:
        GanatomyError: no image shows the concept, so that k is not defined.
    """
    start, stop = latent_range
    z = latents(seed, start, stop, generator.latent_shape)
    few = z[:QUANTILE_IMAGES]
    values = [
        spread_values(generator.features(part, [layer])[1].popitem()[1], len(few))
        for part in few.split(BATCH)
    ]
    thresholds = levels(values, TAILS)
    label = concept_index(segmenter.concepts, concept) + 1
    sums = UnitSums(len(z))
    both, on_cells = (torch.zeros_like(thresholds, dtype=torch.float64) for _ in range(2))
    for number, part in enumerate(z.split(BATCH)):
        images, maps = generator.features(part, [layer])
        r = maps.popitem()[1]
        labels = checked_labels(segmenter, images).to(r.device)
        there = shares(labels == label, (r.shape[2], r.shape[3]))
        sums.add(r, there)
        for tail, threshold in enumerate(thresholds):
            on = (r >= threshold.view(1, -1, 1, 1)).to(r.dtype)
            both[tail] += (on * there[:, None]).sum((0, 2, 3))
            on_cells[tail] += on.sum((0, 2, 3))
        progress(number * BATCH + len(part))
    if sums.concept_cells == 0:
        raise GanatomyError(
            f"No measured image shows '{concept}', so it is unknown what its units do there; "
            "choose a concept that this generator makes, or more images."
        )
    statistics = sums.statistics()
    union = (on_cells + sums.concept_cells - both).clamp(min=1e-12)
    iou = (both / union).amax(0).cpu().numpy()
    return statistics, np.where(statistics.varies, iou, 0)


def best_units(iou: Floats, count: int) -> list[int]:
    """Return the units of largest IoU, best first."""
    return [int(unit) for unit in np.argsort(-iou, kind="stable")[:count]]


def random_edits(
    statistics: UnitStatistics, units: Sequence[int], values: Floats, images: int, seed: int
) -> tuple[Ints, Floats]:
    """Draw for each image as many other units, and values at which they have equal energy.

    Both results are (images, n). Each unit is forced to its own 99 % quantile times one number s, which makes
    the energy equal. If any s would change these units more than that, the energy is as near as it can be:
    `UnitStatistics.energy` tells. Every image has another set, so that an interval over images is one over
    sets as well.

    Raises:
        GanatomyError: there are no other units that vary.
    """
    others = np.setdiff1d(np.flatnonzero(statistics.varies), np.asarray(units))
    if not len(others):
        raise GanatomyError(
            "The set holds every live unit of the layer, so no other units can be its control."
        )
    many, energy = min(len(units), len(others)), statistics.energy(values, units).sum()
    random = np.random.default_rng([seed, 8])
    chosen = np.stack([random.choice(others, many, replace=False) for _ in range(images)])
    # With q the quantiles, m the means and e the wanted energy, s solves the quadratic
    #   sum (s q - r)^2 = s^2 a - 2 s b + sum E r^2 = e,  a = sum q^2,  b = sum q m.
    # The larger root is taken. Where there is none, s = b / a has the least energy.
    base = statistics.q99[chosen]
    a, b = (base**2).sum(1), (base * statistics.mean[chosen]).sum(1)
    inside = np.maximum(b**2 - a * (statistics.square[chosen].sum(1) - energy), 0)
    scale = np.where(a > 0, (b + np.sqrt(inside)) / np.where(a > 0, a, 1), 0)
    return chosen, base * scale[:, None]
