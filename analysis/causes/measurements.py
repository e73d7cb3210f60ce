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
from analysis.causes.spread import spread
from analysis.causes.study import Study
from analysis.shared import latent_ranges
from analysis.shared.arrays import Array, Arrays, Floats, Ints, Mask


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
            return score_edits(
                study.testing, study.segmenter, sets, values, rows, study.realism, progress=count
            )

        return stored_edits(study.cache, name, score)

    @cached_property
    def needed(self) -> dict[str, Floats]:
        """How much less of the concept each edit moves when one acting unit is left out of the set, (units,).

        Over the concept's share before. NaN for units that are not in the set. Where one unit suffices to
        make the concept, each is needed to remove it; where it takes all of them, none is.
        """
        study, chosen, concept = self.study, self.rankings.acting, self.study.segmenter.index
        found = {edit: np.full(study.layer.units, np.nan) for edit in self.rankings.values}
        if not chosen:
            return found
        images = spread(self.shown, study.settings.needed_images)
        rows, weights = images.rows, images.weights(len(images))
        sets: list[Sequence[int]] = [[unit for unit in chosen if unit != out] for out in chosen]
        whole = tuple(sorted(chosen))
        if whole not in self.sets:
            sets.append(chosen)
        scores = self._scores("needed", "sets without a unit", dict.fromkeys(found, sets), rows[None])
        share = float(scores.before_of(0)[:, concept] @ weights)
        for edit, values in found.items():
            moved = scores.gain(edit, concept)
            known = whole in self.sets
            all_move = self.curves.gain(edit, concept)[self.sets.index(whole)][rows] if known else moved[-1]
            values[chosen] = (all_move - moved[: len(chosen)]) @ weights / share if share > 0 else np.nan
        return found

    def energy(self, edit: str, units: Sequence[int]) -> float:
        """Return the energy of editing these units; of `both` edits, their sum."""
        statistics, values = self.rankings.statistics, self.rankings.values
        edits = values if edit == "both" else (edit,)
        return float(sum(statistics.energy(values[name])[list(units)].sum() for name in edits))

    @cached_property
    def random_sets(self) -> list[RandomSet]:
        """The random sets of every n: fewer where n is not the size of the causal set or the list by hand."""
        settings, study = self.study.settings, self.study
        return [
            self._draw(n, number)
            for number in range(settings.random_sets)
            for n in study.sizes[1:]
            if number < settings.other_sets or n in (study.top, len(study.by_hand))
        ]

    def _draw(self, n: int, number: int) -> RandomSet:
        units, ratio = {}, {}
        for place, (edit, values) in enumerate(self.rankings.values.items()):
            random = np.random.default_rng([self.study.seed, 77, number, n, place])
            energy = self.rankings.statistics.energy(values)
            units[edit], ratio[edit] = matched_set(energy, self.first("ace", n), random)
        return RandomSet(n, number, units, ratio)

    @cached_property
    def random_rows(self) -> Ints:
        """The test images (sets, n) of each random set: each number takes the next few.

        At least half of them show the concept, where enough do: on others an ablation can do nothing.
        """
        shown, others = np.flatnonzero(self.shown), np.flatnonzero(~self.shown)
        count = min(self.study.settings.random_images, len(self.shown))
        held = max(round(count * len(shown) / len(self.shown)), -(-count // 2))
        held = min(len(shown), held if len(others) else count)
        numbers = np.array([drawn.number for drawn in self.random_sets], np.int64)[:, None]
        parts = [
            rows[(numbers * many + np.arange(many)) % len(rows)]
            for rows, many in ((shown, held), (others, min(count - held, len(others))))
            if many
        ]
        return np.concatenate(parts, 1)

    @cached_property
    def random_weights(self) -> Floats:
        """Weights (n,) of a random set's images, so that their mean is one over all test images."""
        rows, share = self.shown[self.random_rows[0]], self.shown.mean()
        weights = np.where(rows, share / max(rows.sum(), 1), (1 - share) / max((~rows).sum(), 1))
        return np.asarray(weights / weights.sum())

    @cached_property
    def shown(self) -> Mask:
        """Which test images show the concept, bool (images,)."""
        return np.asarray(self.curves.before_of(0)[:, self.study.segmenter.index] > 0)

    @cached_property
    def random_sizes(self) -> list[int]:
        """The numbers n of units that random sets were drawn for."""
        return sorted({drawn.size for drawn in self.random_sets})

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
        # The effect of both edits needs each edit in every cell, so only the sets of interest have it.
        whole = {self.index("ace", study.top)}
        whole |= {self.index("hand", len(study.by_hand))} if study.by_hand else set()
        strata = {"ablate": drawn.held, "insert": ~drawn.held}
        at = {
            (number, edit): np.ones_like(held) if number in whole else held
            for number in tried
            for edit, held in strata.items()
        }
        count = study.counter("single cells", sum(int(each.sum()) for each in at.values()))
        for number in tried:
            after = {
                edit: score_cells(
                    study.testing, study.segmenter, self.sets[number], values, drawn, at[number, edit], count
                )
                for edit, values in self.rankings.values.items()
            }
            for edit in edits if number in whole else self.rankings.values:
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
            found = [
                alpha.effect_of(alpha.Act(study.testing, each, batch), study.segmenter, targets)
                for each in learned
            ]
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
            many = len(study.testing)  # the same latents, however often this segmenter sees the concept
            sample = study.sample("test images", latent_ranges.TESTING, segmenter=other, exactly=many)
            return score_edits(sample, other, {edit: [list(units)] for edit in values}, values)

        return stored_edits(study.cache, f"second-{other.identity[:12]}-{len(units)}", score)
