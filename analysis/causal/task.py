"""One concept at one layer, stage by stage: samples, constants, alpha, single units, curves, random sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from analysis.causal import agreeing, constants, learning, scoring, streams
from analysis.causal.asked import Asked
from analysis.causal.meter import Eyes
from analysis.causal.randomsets import matched_set
from analysis.causal.sample import Sample
from analysis.causal.statistics import ranked
from analysis.segmenters.protocol import Segmenter

Array = NDArray[Any]
Arrays = dict[str, Array]
Progress = Callable[[str, int, int], None]
Feature = Callable[[Tensor], Tensor]
RANKINGS = ("ace", "iou", "single")


class Task(Asked):
    """The stages. Each is kept; what it stands on is made before it."""

    @cached_property
    def constants(self) -> constants.Constants:
        kept = self.keep.stage("constants", lambda: constants.measure(self.training).arrays())
        return constants.Constants(**kept)

    @cached_property
    def values(self) -> NDArray[np.float64]:
        """What an insertion sets each unit to."""
        return self.constants.insert(self.insert)

    @cached_property
    def agreement(self) -> Array:
        """Calibration IoU (U,) with the concept: as given, or measured on the training latents."""
        if self.iou is not None:
            return np.asarray(self.iou, float)

        def measured() -> Arrays:
            lanes = {streams.lane(streams.TRAINING, i, 1)[0]: s for i, s in enumerate(self.training)}
            return {"iou": agreeing.calibration_iou(self.generator, self.eyes, self.seed, lanes)}

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
            self._stopping = {
                number: self.sample(
                    f"stopping images {number + 1}",
                    streams.STOPPING,
                    number,
                    self.settings.stop_images,
                    False,
                )
            }
        return self._stopping[number]

    def _first(self) -> Arrays:
        """The first seed's; it also chooses the penalty's weight, where none is given."""
        if self.settings.penalty_weight is None:
            return learning.choose_weight(lambda weight: self._learn(0, weight))
        return self._learn(0, self.settings.penalty_weight)

    def _learn(self, number: int, weight: float) -> Arrays:
        begin = learning.start(self.agreement)
        return learning.learn(
            self.training[number],
            self.stopping(number),
            self.eyes,
            self.values,
            begin,
            replace(self.settings, penalty_weight=weight),
            1000 * self.seed + 2 * number,
            lambda done, total: self.progress(f"alpha {number + 1}", done, total),
        )

    @cached_property
    def alphas(self) -> NDArray[np.float64]:
        """(seeds, U)."""
        return np.stack([learned["alpha"] for learned in self.learned])

    def single(self, which: str) -> Arrays:
        """The sweep: every unit of the layer ablated alone; before (n, C) and after (U, n, C)."""
        units = [[unit] for unit in range(self.place.units)]

        def swept() -> Arrays:
            sample = self.testing if which == "test" else self.training[0]
            wanted = self.amounts.single_images or len(sample)
            count = min(wanted if which == "test" else self.amounts.choosing, len(sample))
            rows = np.tile(np.arange(count), (len(units), 1))
            found = scoring.score_sets(
                sample,
                self.eyes,
                units,
                np.zeros(len(units)),
                rows,
                progress=self._counting(f"single units, {which}", rows.size),
            )
            return {"before": found.before[0], "after": found.after}

        return self.keep.stage(f"single-{which}", swept)

    @cached_property
    def rankings(self) -> dict[str, NDArray[np.int64]]:
        """Unit numbers by each ranking, best first; all chosen on training latents."""
        chosen = self.single("choosing")
        removed = (chosen["before"] - chosen["after"])[..., self.eyes.label - 1].mean(1)
        return {
            "ace": ranked(self.alphas.mean(0), self.agreement),
            "iou": ranked(self.agreement),
            "single": ranked(removed),
        }

    @cached_property
    def sets(self) -> list[tuple[int, ...]]:
        """Each set of units on a curve, once: the first n of the rankings."""
        tops = (order[:n] for order in self.rankings.values() for n in self.sizes if n)
        return sorted({tuple(sorted(map(int, top))) for top in tops})

    def place_of(self, ranking: str, n: int) -> int:
        """Where the first n units of a ranking are in `sets`."""
        return self.sets.index(tuple(sorted(map(int, self.rankings[ranking][:n]))))

    @cached_property
    def curves(self) -> Arrays:
        """Every set, ablated and inserted, on all test images."""
        _ = self.values, self.sets
        return self.keep.stage("curves", lambda: self._both("curves", self.sets, None))

    @cached_property
    def random_sets(self) -> list[tuple[int, tuple[int, ...], float]]:
        """(n, units, energy over that of the first n by alpha) of every random set."""
        found = []
        for number in range(self.amounts.random_sets):
            random = np.random.default_rng([self.seed, 77, number])
            for n in self.sizes[1:]:
                top = [int(unit) for unit in self.rankings["ace"][:n]]
                drawn, ratio = matched_set(self.constants.energy, top, random)
                found.append((n, tuple(drawn), ratio))
        return found

    @cached_property
    def random(self) -> Arrays:
        """Every random set, on images of its own: each set takes the next few test images."""
        count = min(self.amounts.random_images, self.amounts.images)
        number = np.arange(len(self.random_sets)) // max(1, len(self.sizes) - 1)
        rows = (number[:, None] * count + np.arange(count)) % self.amounts.images
        sets, _ = [units for _, units, _ in self.random_sets], self.values
        return self.keep.stage("random", lambda: self._both("random sets", sets, rows))

    def _both(self, stage: str, sets: Sequence[Sequence[int]], rows: Array | None) -> Arrays:
        images = rows.size if rows is not None else len(sets) * len(self.testing)
        tick = self._counting(stage, 2 * images)
        found: Arrays = {}
        for edit, values in (("ablate", np.zeros(self.place.units)), ("insert", self.values)):
            scored = scoring.score_sets(self.testing, self.eyes, sets, values, rows, self.realism, tick)
            found |= {
                "before": scored.before,
                f"{edit}_after": scored.after,
                f"{edit}_created": scored.created,
                f"{edit}_distance": scored.distance,
                f"{edit}_realism": scored.realism,
            }
        return found

    @cached_property
    def cells(self) -> Arrays:
        """One cell at a time, (sets,) for ablate, insert and both; NaN for sets that are not ACE's."""
        _ = self.values, self.sets
        return self.keep.stage("cells", self._cells)

    def _cells(self) -> Arrays:
        found = {edit: np.full(len(self.sets), np.nan) for edit in ("ablate", "insert", "both")}
        if not self.amounts.cell_images:
            return found
        at = scoring.draw_cells(self.testing, self.amounts.cell_images, self.seed)
        places = sorted({self.place_of("ace", n) for n in self.sizes[1:]})
        tick = self._counting("single cells", 2 * len(places) * len(at.rows))
        for place in places:
            gone, there = (
                scoring.score_cells(self.testing, self.eyes, self.sets[place], values, at, tick)
                for values in (np.zeros(self.place.units), self.values)
            )
            found["ablate"][place] = scoring.one_cell(at, gone, None)
            found["insert"][place] = scoring.one_cell(at, None, there)
            found["both"][place] = scoring.one_cell(at, gone, there)
        return found

    def plain(self) -> Arrays:
        """The test images unedited: every concept's share (C,), and mean realism."""

        def looked() -> Arrays:
            realism = self.realism.of(self.testing.features).mean()
            shares = self.testing.shares.double().mean(0).cpu().numpy()
            return {"shares": shares, "realism": np.array(float(realism))}

        return self.keep.stage("plain", looked)

    def rescored(self, other: Segmenter, units: Sequence[int]) -> Arrays:
        """The same set by another segmenter: before, ablate_after, insert_after (n,) of the concept."""
        _ = self.values

        def scored() -> Arrays:
            eyes = Eyes(other, self.concept, self.meter)
            span = streams.lane(streams.TESTING, 0, self.amounts.images)
            sample = Sample(self.generator, self.layer, eyes, self.seed, span, self.meter, keep_images=True)
            found = {}
            for edit, values in (("ablate", np.zeros(self.place.units)), ("insert", self.values)):
                result = scoring.score_sets(sample, eyes, [units], values)
                found["before"] = result.before[0][:, eyes.label - 1]
                found[f"{edit}_after"] = result.after[0][:, eyes.label - 1]
            return found

        sha = getattr(other, "weights_sha256", None) or type(other).__name__
        return self.keep.stage(f"second-{sha[:12]}-{len(units)}", scored)

    def _counting(self, stage: str, total: int) -> Callable[[int], None]:
        done = 0

        def tick(more: int) -> None:
            nonlocal done
            done += more
            self.progress(stage, done, total)

        return tick
