"""What the chosen units do to the test images: curves, random sets, single cells, a second segmenter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.causes import alpha as learning
from analysis.causes import cells, effects, frames
from analysis.causes.choosing import Choosing
from analysis.causes.random_sets import matched_set
from analysis.causes.single_cells import draw_cells, one_cell, score_cells
from analysis.shared import latent_ranges

Array = NDArray[Any]
Arrays = dict[str, Array]
Sets = Sequence[Sequence[int]]


class RandomSet(NamedTuple):
    """One of the random sets beside the first `size` units by alpha: a set for each edit, as large an edit as
    those units', and by how much (energy over theirs). Of equal number: a pair, and the same images."""

    size: int
    number: int
    units: dict[str, list[int]]
    ratio: dict[str, float]


class Task(Choosing):
    """The stages. Each is kept; what it stands on is made before it."""

    @cached_property
    def lists(self) -> list[tuple[str, int]]:
        """Each ranking with every n that it reaches, but 0."""
        return [(name, n) for name, order in self.rankings.items() for n in self.sizes[1:] if n <= len(order)]

    def first(self, ranking: str, n: int) -> list[int]:
        """The first n units of a ranking."""
        return [int(unit) for unit in self.rankings[ranking][:n]]

    @cached_property
    def sets(self) -> list[tuple[int, ...]]:
        """Each set of units on a curve, once: the first n of the rankings."""
        return sorted({tuple(sorted(self.first(*named))) for named in self.lists})

    def place_of(self, ranking: str, n: int) -> int:
        """Where the first n units of a ranking are in `sets`."""
        return self.sets.index(tuple(sorted(self.first(ranking, n))))

    @cached_property
    def curves(self) -> Arrays:
        """Every set, ablated and inserted, on all test images."""
        _ = self.values, self.sets
        return self.keep.stage(
            "curves", lambda: self._edited("curves", dict.fromkeys(self.values, self.sets))
        )

    def energy(self, edit: str, units: Sequence[int]) -> float:
        """The energy of editing these units; of both edits, their sum."""
        edits = self.values if edit == "both" else (edit,)
        return float(sum(self.constants.energy(self.values[name])[list(units)].sum() for name in edits))

    @cached_property
    def random_sets(self) -> list[RandomSet]:
        """The random sets of every n."""
        numbers = range(self.amounts.random_sets)
        return [self._drawn(n, number) for number in numbers for n in self.sizes[1:]]

    def _drawn(self, n: int, number: int) -> RandomSet:
        units, ratio = {}, {}
        for place, (edit, values) in enumerate(self.values.items()):
            random = np.random.default_rng([self.seed, 77, number, n, place])
            energy = self.constants.energy(values)
            units[edit], ratio[edit] = matched_set(energy, self.first("ace", n), random)
        return RandomSet(n, number, units, ratio)

    @cached_property
    def random_rows(self) -> NDArray[np.int64]:
        """The test images (sets, n) of each random set: each number takes the next few."""
        count = min(self.amounts.random_images, self.amounts.images)
        numbers = np.array([drawn.number for drawn in self.random_sets], np.int64)
        return (numbers[:, None] * count + np.arange(count)) % self.amounts.images

    @cached_property
    def random(self) -> Arrays:
        """Every random set, on its images."""
        sets = {edit: [drawn.units[edit] for drawn in self.random_sets] for edit in self.values}
        return self.keep.stage("random", lambda: self._edited("random sets", sets, self.random_rows))

    def _edited(self, stage: str, sets: Mapping[str, Sets], rows: NDArray[np.int64] | None = None) -> Arrays:
        images = rows.size if rows is not None else len(sets["ablate"]) * len(self.testing)
        tick = self.counting(stage, 2 * images)
        return effects.score_edits(self.testing, self.eyes, sets, self.values, rows, self.realism, tick)

    @cached_property
    def cells(self) -> Arrays:
        """One cell at a time: for each edit (sets, facts); NaN for the sets of other rankings."""
        _ = self.values, self.sets
        return self.keep.stage("cells", self._cells)

    def _cells(self) -> Arrays:
        edits = (*self.values, "both")
        found = {edit: np.full((len(self.sets), len(frames.ONE_CELL)), np.nan) for edit in edits}
        if not self.amounts.cell_images:
            return found
        at = draw_cells(self.testing, self.amounts.cell_images, self.seed)
        places = sorted({self.place_of(name, n) for name, n in self.lists if name in ("ace", "hand")})
        tick = self.counting("single cells", 2 * len(places) * len(at.rows))
        for place in places:
            after = {
                edit: score_cells(self.testing, self.eyes, self.sets[place], values, at, tick)
                for edit, values in self.values.items()
            }
            for edit in edits:
                found[edit][place] = one_cell(at, edit, after)
        return found

    @property
    def stratified(self) -> Array:
        """Each seed's effect at stratified cells of the test images (seeds,); NaN where there are none."""
        _ = self.alphas
        return self.keep.stage("stratified", self._stratified)["effect"]

    def _stratified(self) -> Arrays:
        if not all(map(len, cells.strata(self.testing.there))):
            return {"effect": np.full(len(self.alphas), np.nan)}
        to = learning.Targets.of(self.values, self.generator.device)
        batch = learning.Drawer(self.testing, self.settings, self.seed).batch(self.settings.stop_images)
        alphas = torch.as_tensor(self.alphas, dtype=torch.float32, device=self.generator.device)
        found = [learning.effect_of(self.testing, self.eyes, alpha, to, batch) for alpha in alphas]
        return {"effect": np.array(found)}

    def plain(self) -> Arrays:
        """The test images unedited: every concept's share (C,), and mean realism."""

        def looked() -> Arrays:
            realism = self.realism.of(self.testing.features).mean()
            shares = self.testing.shares.double().mean(0).cpu().numpy()
            return {"shares": shares, "realism": np.array(float(realism))}

        return self.keep.stage("plain", looked)

    def rescored(self, units: Sequence[int]) -> Arrays:
        """The same set by the second segmenter: before, ablate_after, insert_after (1, n, C)."""
        _ = self.values
        sha = getattr(self.second, "weights_sha256", None) or type(self.second).__name__
        return self.keep.stage(f"second-{sha[:12]}-{len(units)}", lambda: self._rescored(units))

    def _rescored(self, units: Sequence[int]) -> Arrays:
        assert self.other is not None
        sample = self.sample("test images", latent_ranges.TESTING, 0, self.amounts.images, eyes=self.other)
        sets = {edit: [list(units)] for edit in self.values}
        return effects.score_edits(sample, self.other, sets, self.values)
