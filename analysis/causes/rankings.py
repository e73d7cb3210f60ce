"""What chooses units, on images that measure nothing: constants, IoU, alpha, and every unit alone."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from analysis.causes import alpha, convergence
from analysis.causes.calibration import calibration_iou
from analysis.causes.effects import EditScores, score_edits, stored_edits
from analysis.causes.sample import Sample
from analysis.causes.settings import CONSTANT, CausesSettings
from analysis.causes.single_units import Alone
from analysis.causes.spread import Spread, spread
from analysis.causes.statistics import ranked
from analysis.causes.study import Study
from analysis.shared import latent_ranges
from analysis.shared.arrays import Array, Arrays, Floats, Ints, Mask
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
        names = [field.name for field in fields(UnitStatistics)]
        return UnitStatistics(**{name: self._constants[name] for name in names})

    @cached_property
    def off(self) -> Floats:
        """Each unit's off state (units,): its mean over training cells that hold none of the concept."""
        return np.asarray(self._constants["off"], float)

    @cached_property
    def drawn(self) -> dict[str, int]:
        """How many training and stopping images were drawn, and how many of them show the concept."""
        stopping = np.array([learned["stopping"] for learned in self.learned]).sum(0)
        counts = {"training": self._constants["drawn"], "stopping": stopping}
        return {
            f"{lane}_{what}": int(count)
            for lane, pair in counts.items()
            for what, count in zip(("images", "shown"), pair, strict=True)
        }

    @cached_property
    def _constants(self) -> Arrays:
        samples = self.study.training

        def measure() -> Arrays:
            sums = measured(samples)
            drawn = [sum(map(len, samples)), sum(int(sample.shown.sum()) for sample in samples)]
            return vars(sums.statistics()) | {"off": sums.off(), "drawn": np.array(drawn)}

        return self.study.cache.stage("constants", measure)

    @cached_property
    def values(self) -> dict[str, Floats]:
        """What each edit, `ablate` and `insert`, sets the units to, (units,)."""
        return edit_values(self.statistics, self.off, self.study.settings)

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
    def stopping(self) -> list[Sample]:
        """The stopping images of each learning seed."""
        return [self.study.stopping(number) for number in range(self.study.settings.seeds)]

    @cached_property
    def _stops(self) -> list[alpha.StopEffect]:
        """What judges each seed's learnings."""
        study = self.study
        return [
            alpha.StopEffect(stopping, study.segmenter, self.values, study.settings, self._drawing(number))
            for number, stopping in enumerate(self.stopping)
        ]

    @property
    def weight(self) -> float:
        """The penalty's weight: as given, or the heaviest that still lets the units act."""
        given = self.study.settings.penalty_weight
        return float(self._path["weight"]) if given is None else given

    @cached_property
    def _path(self) -> Arrays:
        """One learning per seed from a drawn start, in which the penalty grows until it costs too much.

        The weight, those tried with what they gain, and each seed's alpha at that weight (seeds, U).
        """
        study, settings = self.study, self.study.settings
        _ = self.values, self._starts

        def choose() -> Arrays:
            begin = [self._starts[number]["drawn"] for number in range(settings.seeds)]
            learnings = [
                self._learning(number, start, convergence.LADDER[0]) for number, start in enumerate(begin)
            ]
            reached: dict[float, Floats] = {}
            lighter: list[float] = []

            def gain(weight: float) -> float:
                steps, gains = settings.path_steps if reached else settings.first_steps, list[float]()
                for each in learnings:
                    each.weigh(weight)
                while not gains or (reached and not convergence.settled(gains, lighter[-1])):
                    self._run(learnings, steps, steps, f"penalty weight {weight:g}")
                    gains.append(float(np.mean([each.losses.gain for each in learnings])))
                    steps += settings.path_steps
                    if steps > settings.steps:
                        break
                lighter.append(gains[-1])
                reached[weight] = np.stack([each.mean.cpu().numpy() for each in learnings])
                return gains[-1]

            weight, tried = convergence.choose_weight(gain)
            found = reached.get(weight, np.stack(begin))
            return {"weight": np.array(weight), "tried": tried, "alphas": found.astype(float)}

        return study.cache.stage("weight", choose)

    @cached_property
    def learned(self) -> list[Arrays]:
        """What each seed learned: see `alpha.learn_best`."""
        study, settings = self.study, self.study.settings
        _ = self.values, self.weight
        begin = [dict(starts) for starts in self._starts]
        if settings.penalty_weight is None:
            for starts, reached in zip(begin, self._path["alphas"], strict=True):
                starts["drawn"] = reached

        def learn() -> Arrays:
            learnings = [
                {name: self._learning(number, start) for name, start in starts.items()}
                for number, starts in enumerate(begin)
            ]
            every = [each for starts in learnings for each in starts.values()]
            self._run(every, settings.steps, settings.every, "alpha")
            found = [alpha.learn_best(starts) for starts in learnings]
            for arrays, stopping in zip(found, self.stopping, strict=True):
                arrays["stopping"] = np.array([len(stopping), int(stopping.shown.sum())])
            return {
                f"{name}-{number}": array
                for number, arrays in enumerate(found)
                for name, array in arrays.items()
            }

        arrays = study.cache.stage("alpha", learn)
        return [
            {name.rpartition("-")[0]: array for name, array in arrays.items() if name.endswith(f"-{number}")}
            for number in range(settings.seeds)
        ]

    @cached_property
    def _starts(self) -> list[dict[str, Floats]]:
        """Where the learnings of each seed start, by name."""
        alone = self.alone.effect("both", self.study.segmenter.index)
        return [alpha.starts(alone, self._drawing(number)) for number in range(self.study.settings.seeds)]

    def _drawing(self, number: int) -> int:
        """What draws the images and cells of a learning seed."""
        return 1000 * self.study.seed + 2 * number

    def _learning(self, number: int, begin: Floats, weight: float | None = None) -> alpha.Learning:
        study = self.study
        return alpha.Learning(
            study.training[number],
            self._stops[number],
            begin,
            study.settings,
            self.weight if weight is None else weight,
            self._drawing(number),
        )

    def _run(self, learnings: list[alpha.Learning], steps: int, every: int, stage: str) -> None:
        study = self.study
        alpha.run(
            learnings,
            study.segmenter,
            self.values,
            steps,
            every,
            study.settings.batch,
            lambda done, total: study.progress(stage, done, total),
        )

    @cached_property
    def alphas(self) -> Floats:
        """The alpha of each seed, (seeds, units)."""
        return np.stack([learned["alpha"] for learned in self.learned])

    @property
    def acting(self) -> list[int]:
        """The units of the causal set whose mean alpha is over 0, best first."""
        strength = self.alphas.mean(0)
        return [int(unit) for unit in self.orders["ace"][: self.study.top] if strength[unit] > 0]

    @cached_property
    def alone(self) -> Alone:
        """Every unit edited alone on training images, which ranks units: those that do most on more images.

        All units first edit a few images. The quarter that does most to the concept goes on, and no fewer
        than twice the causal set.
        """
        study, settings = self.study, self.study.settings
        images = spread(study.training[0].shown.numpy(), settings.choosing)
        first = min(settings.first_choosing, len(images))

        def score(which: Mask, done: int, stop: int, name: str) -> EditScores:
            wanted = np.zeros((study.layer.units, len(images)), bool)
            wanted[which, done:stop] = True
            return self._alone(f"choosing-{name}", study.training[0], images, wanted)

        every = np.ones(study.layer.units, bool)
        found = Alone(score(every, 0, first, "all"), images)
        least = max(2 * study.top, -(-study.layer.units // 4))
        most = most_of(self._importance(found), least)
        return found if first == len(images) else found.joined(score(most, first, len(images), "most"))

    def _importance(self, alone: Alone) -> Floats:
        """How much each unit does to the concept, by either edit, (units,)."""
        concept = self.study.segmenter.index
        return np.max([np.abs(alone.effect(edit, concept)) for edit in self.values], 0)

    @cached_property
    def testing(self) -> Alone:
        """Every unit edited alone on test images, which measures it.

        Units that did little on the choosing images edit only a few. The acting units of the causal set, and
        as many of those that did most, edit all.
        """
        study, settings = self.study, self.study.settings
        sample = study.testing
        images = spread(sample.shown.numpy(), settings.single_images or len(sample))
        much = most_of(self._importance(self.alone), study.top)
        much[self.acting] = True
        wanted = np.ones((study.layer.units, len(images)), bool)
        wanted[~much, settings.minor_images :] = False
        return Alone(self._alone("test", sample, images, wanted), images)

    def _alone(self, which: str, sample: Sample, images: Spread, wanted: Mask) -> EditScores:
        study, values = self.study, self.values
        units = [[unit] for unit in range(study.layer.units)]

        def score() -> EditScores:
            count = study.counter(f"single units, {which}", 2 * int(wanted.sum()))
            sets = dict.fromkeys(values, units)
            return score_edits(
                sample, study.segmenter, sets, values, images.rows[None], wanted=wanted, progress=count
            )

        return stored_edits(study.cache, f"single-{which}", score)

    @cached_property
    def orders(self) -> dict[str, Ints]:
        """Unit numbers by each ranking, best first; all chosen on training images, or by hand."""
        found: dict[str, Array] = {
            "ace": ranked(self.alphas.mean(0), self.iou),
            "iou": ranked(self.iou),
            "single": ranked(self.alone.effect("both", self.study.segmenter.index)),
        }
        return found | ({"hand": np.array(self.study.by_hand, np.int64)} if self.study.by_hand else {})


def most_of(scores: Floats, count: int) -> Mask:
    """Return which units have the largest scores, at most `count` of them, bool (U,)."""
    found = np.zeros(len(scores), bool)
    found[ranked(scores)[:count]] = True
    return found


def edit_values(statistics: UnitStatistics, off: Floats, settings: CausesSettings) -> dict[str, Floats]:
    """Return what each edit, `ablate` and `insert`, sets every unit to, (units,)."""
    gone = {"off": off, "mean": statistics.mean, "zero": np.zeros_like(statistics.mean)}[settings.ablate]
    there = statistics.constant(CONSTANT[settings.insert])
    # Four digits, so that an edit's text is short and still exactly what was scored.
    return {
        edit: np.array([float(f"{value:.4g}") for value in values])
        for edit, values in (("ablate", gone), ("insert", there))
    }


def measured(samples: list[Sample]) -> UnitSums:
    """Return the sums of units' activations over samples of one concept.

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
    return sums
