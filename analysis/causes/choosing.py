"""What chooses units, on latents that measure nothing: constants, IoU, alpha, single units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.causes import alpha, calibration, constants, convergence, effects, frames
from analysis.causes.asked import Asked
from analysis.causes.sample import Sample
from analysis.causes.statistics import ranked
from analysis.shared import latent_ranges

Array = NDArray[Any]
Arrays = dict[str, Array]
Floats = NDArray[np.float64]


class Choosing(Asked):
    """The stages. Each is kept; what it stands on is made before it."""

    @cached_property
    def constants(self) -> constants.Constants:
        kept = self.keep.stage("constants", lambda: constants.measure(self.training).arrays())
        return constants.Constants(**kept)

    @cached_property
    def values(self) -> dict[str, Floats]:
        """What each edit sets the units to."""
        return self.constants.values(self.ablate, self.insert)

    @cached_property
    def agreement(self) -> Array:
        """Calibration IoU (U,) with the concept: as given, or measured on the training latents."""
        if self.iou is not None:
            return np.asarray(self.iou, float)

        def measured() -> Arrays:
            lanes = {
                latent_ranges.lane(latent_ranges.TRAINING, i, 1)[0]: s for i, s in enumerate(self.training)
            }
            return {"iou": calibration.calibration_iou(self.generator, self.eyes, self.seed, lanes)}

        return np.asarray(self.keep.stage("iou", measured)["iou"][:, self.eyes.label - 1])

    @cached_property
    def learned(self) -> list[Arrays]:
        """What each seed learned."""
        _ = self.values, self.agreement
        first = self.keep.stage("alpha-0", self._first)
        later = partial(self._learn, weight=float(first["weight"]))
        rest = range(1, self.amounts.seeds)
        return [first, *(self.keep.stage(f"alpha-{n}", partial(later, n)) for n in rest)]

    def stopping(self, number: int) -> Sample:
        """A learning seed's own stopping latents."""
        if number not in self._stopping:
            count = self.settings.stop_images
            made = self.sample("stopping images", latent_ranges.STOPPING, number, count, images=False)
            self._stopping = {number: made}
        return self._stopping[number]

    def _first(self) -> Arrays:
        """The first seed's; it also chooses the penalty's weight, where none is given."""
        if self.settings.penalty_weight is None:
            return convergence.choose_weight(lambda weight: self._learn(0, weight))
        return self._learn(0, self.settings.penalty_weight)

    def _learn(self, number: int, weight: float) -> Arrays:
        return alpha.learn(
            self.training[number],
            self.stopping(number),
            self.eyes,
            self.values,
            alpha.start(self.agreement),
            replace(self.settings, penalty_weight=weight),
            1000 * self.seed + 2 * number,
            lambda done, total: self.progress(f"alpha {number + 1}", done, total),
        )

    @cached_property
    def alphas(self) -> Floats:
        """(seeds, U)."""
        return np.stack([learned["alpha"] for learned in self.learned])

    def single(self, which: str) -> Arrays:
        """The sweep: every unit of the layer ablated and inserted alone, on choosing or on test images."""
        _ = self.values
        return self.keep.stage(f"single-{which}", lambda: self._swept(which))

    def _swept(self, which: str) -> Arrays:
        sample = self.testing if which == "test" else self.training[0]
        wanted = self.amounts.single_images if which == "test" else self.amounts.choosing
        units = [[unit] for unit in range(self.place.units)]
        rows = np.tile(np.arange(min(wanted or len(sample), len(sample))), (len(units), 1))
        tick = self.counting(f"single units, {which}", 2 * rows.size)
        sets = dict.fromkeys(self.values, units)
        found = effects.score_edits(sample, self.eyes, sets, self.values, rows, None, tick)
        return {"before": found["before"][:1]} | {name: found[name] for name in frames.AFTER}

    @cached_property
    def rankings(self) -> dict[str, NDArray[np.int64]]:
        """Unit numbers by each ranking, best first; all chosen on training latents, or by hand."""
        alone = frames.gain(self.single("choosing"), "both", self.eyes.label - 1).mean(1)
        found = {
            "ace": ranked(self.alphas.mean(0), self.agreement),
            "iou": ranked(self.agreement),
            "single": ranked(alone),
        }
        return found | ({"hand": np.array(self.hand, np.int64)} if self.hand else {})

    def counting(self, stage: str, total: int) -> Callable[[int], None]:
        """Progress of a stage whose parts say how many more images they have made."""
        done = 0

        def tick(more: int) -> None:
            nonlocal done
            done += more
            self.progress(stage, done, total)

        return tick
