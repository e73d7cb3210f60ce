"""What the chosen units do to the test images: curves, random sets, single cells, a second segmenter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from analysis.causes import alpha, cells
from analysis.causes.effects import EditScores, Sets, score_edits, stored_edits
from analysis.causes.random_sets import matched_set
from analysis.causes.rankings import Rankings
from analysis.causes.single_cells import CellEffect, draw_cells, one_cell, score_cells
from analysis.causes.study import Study
from analysis.shared import latent_ranges
from analysis.shared.arrays import Array, Arrays, Floats, Ints


@dataclass(frozen=True)
class RandomSet:
    """A random counterpart of the first `size` units by alpha: one set of units for each edit.

    `ratio` is the energy of each edit over that of those units. Sets of equal `number` are scored on the same
    images.
    """

    size: int
    number: int
    units: dict[str, list[int]]
    ratio: dict[str, float]

    def key(self, edit: str) -> tuple[tuple[int, ...], ...]:
        """Which units an edit has, equal for sets that are the same; of both edits, those of each."""
        edits = self.units if edit == "both" else (edit,)
        return tuple(tuple(sorted(self.units[each])) for each in edits)


@dataclass
class Measurements:
    """The stages that measure. Each is cached; each first makes what it needs."""

    rankings: Rankings
    study: Study = field(init=False)

    def __post_init__(self) -> None:
        self.study = self.rankings.study

    def first(self, ranking: str, n: int) -> list[int]:
        """Return the first n units of a ranking."""
        return [int(unit) for unit in self.rankings.orders[ranking][:n]]

    @cached_property
    def lists(self) -> list[tuple[str, int]]:
        """Each ranking with every n that it reaches, except 0."""
        orders = self.rankings.orders
        return [(name, n) for name, order in orders.items() for n in self.study.sizes[1:] if n <= len(order)]

    @cached_property
    def sets(self) -> list[tuple[int, ...]]:
        """Each set of units on a curve, once."""
        return sorted({tuple(sorted(self.first(*named))) for named in self.lists})

    def index(self, ranking: str, n: int) -> int:
        """Return where the first n units of a ranking are in `sets`."""
        return self.sets.index(tuple(sorted(self.first(ranking, n))))

    @cached_property
    def curves(self) -> EditScores:
        """Every set of `sets`, ablated and inserted, on all test images."""
        return self._scores("curves", "curves", dict.fromkeys(self.rankings.values, self.sets))

    @cached_property
    def random(self) -> EditScores:
        """Every random set, on its images."""
        sets = {edit: [drawn.units[edit] for drawn in self.random_sets] for edit in self.rankings.values}
        return self._scores("random", "random sets", sets, self.random_rows)

    def _scores(
        self, name: str, stage: str, sets: Mapping[str, Sets], rows: Ints | None = None
    ) -> EditScores:
        study, values = self.study, self.rankings.values

        def score() -> EditScores:
            images = rows.size if rows is not None else len(sets["ablate"]) * len(study.testing)
            count = study.counter(stage, 2 * images)
            return score_edits(study.testing, study.segmenter, sets, values, rows, study.realism, count)

        return stored_edits(study.cache, name, score)

    def energy(self, edit: str, units: Sequence[int]) -> float:
        """Return the energy of editing these units; of `both` edits, their sum."""
        statistics, values = self.rankings.statistics, self.rankings.values
        edits = values if edit == "both" else (edit,)
        return float(sum(statistics.energy(values[name])[list(units)].sum() for name in edits))

    @cached_property
    def random_sets(self) -> list[RandomSet]:
        """The random sets of every n."""
        numbers = range(self.study.settings.random_sets)
        return [self._draw(n, number) for number in numbers for n in self.study.sizes[1:]]

    def _draw(self, n: int, number: int) -> RandomSet:
        units, ratio = {}, {}
        for place, (edit, values) in enumerate(self.rankings.values.items()):
            random = np.random.default_rng([self.study.seed, 77, number, n, place])
            energy = self.rankings.statistics.energy(values)
            units[edit], ratio[edit] = matched_set(energy, self.first("ace", n), random)
        return RandomSet(n, number, units, ratio)

    @cached_property
    def random_rows(self) -> Ints:
        """The test images (sets, n) of each random set: each number takes the next few."""
        settings = self.study.settings
        count = min(settings.random_images, settings.images)
        numbers = np.array([drawn.number for drawn in self.random_sets], np.int64)
        return np.asarray((numbers[:, None] * count + np.arange(count)) % settings.images)

    def random_of(self, n: int) -> Ints:
        """Return which random sets have n units."""
        return np.flatnonzero([drawn.size == n for drawn in self.random_sets])

    @cached_property
    def cells(self) -> dict[str, list[CellEffect]]:
        """One cell at a time: for each edit and set; without numbers for sets of rankings not tried."""
        values, _ = self.rankings.values, self.sets
        edits = (*values, "both")
        arrays = self.study.cache.stage("cells", lambda: self._cells(edits))
        return {edit: [CellEffect(*map(float, row)) for row in arrays[edit]] for edit in edits}

    def _cells(self, edits: Sequence[str]) -> Arrays:
        study = self.study
        found: Arrays = {edit: np.full((len(self.sets), len(CellEffect._fields)), np.nan) for edit in edits}
        if not study.settings.cell_images:
            return found
        drawn = draw_cells(study.testing, study.settings.cell_images, study.seed)
        tried = sorted({self.index(name, n) for name, n in self.lists if name in ("ace", "hand")})
        count = study.counter("single cells", 2 * len(tried) * len(drawn.rows))
        for number in tried:
            after = {
                edit: score_cells(study.testing, study.segmenter, self.sets[number], values, drawn, count)
                for edit, values in self.rankings.values.items()
            }
            for edit in edits:
                found[edit][number] = one_cell(drawn, edit, after)
        return found

    @cached_property
    def stratified(self) -> Floats:
        """Each seed's effect at stratified cells of the test images (seeds,); NaN if there are none."""
        alphas, study = self.rankings.alphas, self.study

        def score() -> Arrays:
            if not all(map(len, cells.strata(study.testing.there))):
                return {"effect": np.full(len(alphas), np.nan)}
            targets = alpha.Targets.of(self.rankings.values, study.generator.device)
            batches = alpha.Batches(study.testing, study.settings, study.seed)
            batch = batches.draw(study.settings.stop_images)
            learned = torch.as_tensor(alphas, dtype=torch.float32, device=study.generator.device)
            found = [alpha.effect_of(study.testing, study.segmenter, a, targets, batch) for a in learned]
            return {"effect": np.array(found)}

        return study.cache.stage("stratified", score)["effect"]

    @cached_property
    def shares(self) -> Floats:
        """Every concept's share (C,) of the unedited test images."""
        return self._plain["shares"]

    @cached_property
    def plain_realism(self) -> float:
        """The mean realism of the unedited test images."""
        return float(self._plain["realism"])

    @cached_property
    def _plain(self) -> dict[str, Array]:
        def measure() -> Arrays:
            realism = self.study.realism.of(self.study.testing.features).mean()
            shares = self.study.testing.shares.double().mean(0).cpu().numpy()
            return {"shares": shares, "realism": np.array(float(realism))}

        return self.study.cache.stage("plain", measure)

    def second_scores(self, units: Sequence[int]) -> EditScores | None:
        """Return one set's scores by the second segmenter; None if there is no such segmenter."""
        study, values, other = self.study, self.rankings.values, self.study.second
        if other is None:
            return None

        def score() -> EditScores:
            sample = study.sample("test images", latent_ranges.TESTING, segmenter=other)
            return score_edits(sample, other, {edit: [list(units)] for edit in values}, values)

        return stored_edits(study.cache, f"second-{other.identity[:12]}-{len(units)}", score)
