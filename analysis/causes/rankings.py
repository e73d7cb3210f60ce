"""What chooses units, on images that measure nothing: constants, IoU, alpha, and every unit alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from analysis.causes import alpha, convergence
from analysis.causes.calibration import calibration_iou
from analysis.causes.effects import EditScores, score_edits, stored_edits
from analysis.causes.sample import Sample
from analysis.causes.settings import CONSTANT, CausesSettings
from analysis.causes.statistics import ranked
from analysis.causes.study import Study
from analysis.shared import latent_ranges
from analysis.shared.arrays import Array, Arrays, Floats, Ints
from analysis.shared.errors import GanatomyError
from analysis.shared.unit_statistics import UnitStatistics, UnitSums


@dataclass
class Rankings:
    """The stages that choose.

    Each is cached, and first makes what it needs, so that no cost counts twice.
    """

    study: Study

    @cached_property
    def statistics(self) -> UnitStatistics:
        """Each unit's k, 99 % quantile and moments over all training images."""
        samples = self.study.training
        return UnitStatistics(**self.study.cache.stage("constants", lambda: vars(measured(samples))))

    @cached_property
    def values(self) -> dict[str, Floats]:
        """What each edit, `ablate` and `insert`, sets the units to, (units,)."""
        return edit_values(self.statistics, self.study.settings)

    @cached_property
    def iou(self) -> Floats:
        """Calibration IoU (units,) with the concept: as given, or measured on the training images."""
        study = self.study
        if study.iou is not None:
            return study.iou

        def measure() -> Arrays:
            lanes = {
                latent_ranges.lane(latent_ranges.TRAINING, number, 1)[0]: sample
                for number, sample in enumerate(study.training)
            }
            return {"iou": calibration_iou(study.generator, study.segmenter, study.seed, lanes)}

        return np.asarray(study.cache.stage("iou", measure)["iou"][:, study.segmenter.index], float)

    @cached_property
    def learned(self) -> list[Arrays]:
        """What each seed learned: see `alpha.learn`. The first also chooses the weight if none is given."""
        _ = self.values, self.iou
        study, weight = self.study, self.study.settings.penalty_weight

        def first() -> Arrays:
            stopping = study.stopping(0)
            learn = partial(self._learn, 0, stopping)
            return convergence.choose_weight(learn) if weight is None else learn(weight)

        found = [study.cache.stage("alpha-0", first)]
        chosen = float(found[0]["weight"])
        for number in range(1, study.settings.seeds):

            def later(number: int = number) -> Arrays:
                return self._learn(number, study.stopping(number), chosen)

            found.append(study.cache.stage(f"alpha-{number}", later))
        return found

    def _learn(self, number: int, stopping: Sample, weight: float) -> Arrays:
        study = self.study
        return alpha.learn(
            study.training[number],
            stopping,
            study.segmenter,
            self.values,
            alpha.start(self.iou),
            replace(study.settings, penalty_weight=weight),
            1000 * study.seed + 2 * number,
            lambda done, total: study.progress(f"alpha {number + 1}", done, total),
        )

    @cached_property
    def alphas(self) -> Floats:
        """The alpha of each seed, (seeds, units)."""
        return np.stack([learned["alpha"] for learned in self.learned])

    @cached_property
    def choosing(self) -> EditScores:
        """Every unit ablated and inserted alone, on training images: this ranks them."""
        return self._alone("choosing", self.study.training[0], self.study.settings.choosing)

    @cached_property
    def testing(self) -> EditScores:
        """The same on test images: this measures them."""
        sample = self.study.testing
        return self._alone("test", sample, self.study.settings.single_images or len(sample))

    def _alone(self, which: str, sample: Sample, images: int) -> EditScores:
        study, values = self.study, self.values
        rows = np.arange(min(images, len(sample)))[None]
        units = [[unit] for unit in range(study.layer.units)]

        def score() -> EditScores:
            count = study.counter(f"single units, {which}", 2 * len(units) * rows.size)
            sets = dict.fromkeys(values, units)
            return score_edits(sample, study.segmenter, sets, values, rows, None, count)

        return stored_edits(study.cache, f"single-{which}", score)

    @cached_property
    def orders(self) -> dict[str, Ints]:
        """Unit numbers by each ranking, best first; all chosen on training images, or by hand."""
        alone = self.choosing.gain("both", self.study.segmenter.index).mean(1)
        found: dict[str, Array] = {
            "ace": ranked(self.alphas.mean(0), self.iou),
            "iou": ranked(self.iou),
            "single": ranked(alone),
        }
        return found | ({"hand": np.array(self.study.by_hand, np.int64)} if self.study.by_hand else {})


def edit_values(statistics: UnitStatistics, settings: CausesSettings) -> dict[str, Floats]:
    """Return what each edit, `ablate` and `insert`, sets every unit to, (units,)."""
    gone = statistics.mean if settings.ablate == "mean" else np.zeros_like(statistics.mean)
    there = statistics.constant(CONSTANT[settings.insert])
    # Four digits, so that an edit's text is short and still exactly what was scored.
    return {
        edit: np.array([float(f"{value:.4g}") for value in values])
        for edit, values in (("ablate", gone), ("insert", there))
    }


def measured(samples: list[Sample]) -> UnitStatistics:
    """Return the statistics of units over samples of one concept.

    Raises:
        GanatomyError: no image shows the concept.
    """
    images = sum(map(len, samples))
    sums = UnitSums(images)
    for sample in samples:
        for rows, r in sample.all_maps():
            sums.add(r, sample.there[rows.to(sample.there.device)])
    if sums.concept_cells <= 0:
        raise GanatomyError(
            f"None of {images} training images shows '{samples[0].concept}', so nothing can be learned about "
            "it; choose a concept that the generator makes, or more training images."
        )
    return sums.statistics()
