"""The stages of an insertion: measure units, force them cell by cell, follow the trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from analysis.context import insertions
from analysis.context.cells import context_names, memberships, near
from analysis.context.forced_units import measure_units, random_edits
from analysis.context.passes import Forced, Job, Passes
from analysis.context.separation import Separation, separations
from analysis.context.settings import ContextSettings
from analysis.context.tables import Measured
from analysis.context.together import Together
from analysis.models.generator import Generator
from analysis.models.layer import Layer
from analysis.models.segmenter import Segmenter, checked_labels, checked_segmenter
from analysis.shared.arrays import Array, Arrays, Floats, Ints
from analysis.shared.concepts import concept_index
from analysis.shared.latent_ranges import FORCING, MEASURING, span
from analysis.shared.latents import latents
from analysis.shared.stage_cache import StageCache
from analysis.shared.unit_statistics import UnitStatistics

BATCH = 8  # images made together, which are one stage
CHECKED, ALONE = 48, 4  # passes of each edit of whose cells so many are also forced alone


@dataclass(frozen=True)
class Insertion:
    """One concept at one layer. Each stage is cached."""

    generator: Generator
    segmenter: Segmenter
    layer: Layer
    concept: str
    seed: int
    progress: Callable[[str, int, int], None]
    cache: StageCache
    patch: int = 1

    @property
    def label(self) -> int:
        return concept_index(self.segmenter.concepts, self.concept) + 1

    def unit_statistics(self, images: int) -> tuple[UnitStatistics, Floats]:
        """Return the units' statistics and IoU, from images that measure nothing else."""

        def make() -> Arrays:
            statistics, iou = measure_units(
                self.generator,
                self.segmenter,
                self.layer.name,
                self.concept,
                span(MEASURING, images),
                self.seed,
                lambda done: self.progress("units", done, images),
            )
            return vars(statistics) | {"iou": iou}

        found = dict(self.cache.stage("units", make))
        iou = found.pop("iou")
        return UnitStatistics(**found), iou

    def measured(
        self,
        statistics: UnitStatistics,
        units: list[int],
        values: dict[str, Floats],
        controls: tuple[str, ...],
        settings: ContextSettings,
    ) -> Measured:
        """Force the units to each strength's values, and random units beside the strengths in `controls`."""
        images, every, traced = settings.images, settings.every, min(settings.traced, settings.images)
        edits = [Forced.same(units, value, images, self.patch) for value in values.values()]
        energies = np.full(len(values), np.nan)
        at = [list(values).index(name) for name in controls]
        for name, place in zip(controls, at, strict=True):
            random_units, forced = random_edits(statistics, units, values[name], images, self.seed)
            edits.append(Forced(random_units, forced, self.patch))
            theirs = statistics.energy(forced, random_units).sum(1)
            energies[place] = np.mean(theirs / statistics.energy(values[name], units).sum())
        apart, check = self._separation(edits, images, every)
        parts = [self._part(start, images, edits, traced, every, apart) for start in range(0, images, BATCH)]
        effect = np.concatenate([part["effect"] for part in parts], 1)
        random = np.full_like(effect[: len(values)], np.nan)
        random[at] = effect[len(values) :]
        places = [str(name) for name in parts[0]["places"]] if traced else []
        with_trace = [part for part in parts if "trace" in part]
        return Measured(
            effect=effect[: len(values)],
            random=random,
            random_energy=energies,
            near=np.concatenate([part["near"] for part in parts]),
            members=np.concatenate([part["members"] for part in parts], 1),
            contexts=[str(name) for name in parts[0]["contexts"]],
            places=places,
            trace=_joined(with_trace, "trace"),
            outside=_joined(with_trace, "outside"),
            scales=self._scales(places),
            together=check,
            passes=sum(int(part["passes"]) for part in parts) + check.passes,
        )

    def _separation(self, edits: list[Forced], images: int, every: int) -> tuple[Separation, Together]:
        """Which cells are forced in one pass, and what that changes: some are also forced alone.

        The images are spread over all, and the cells drawn. Where the segmenter sees too much of the other
        cells, each has a pass of its own.
        """
        some = np.unique(np.linspace(0, images - 1, min(images, CHECKED)).round().astype(int))
        z = torch.cat(
            [latents(self.seed, FORCING + i, FORCING + i + 1, self.generator.latent_shape) for i in some]
        )
        passes = Passes(self.generator, self.layer, z)
        *candidates, alone = separations(passes, self.patch)
        spent = 0
        for number, apart in enumerate(candidates):

            def make(apart: Separation = apart) -> Arrays:
                return self._checked(passes, apart, [edit.of(some) for edit in edits], some, every)

            found = self.cache.stage(f"check-{number}", make)
            spent += int(found["passes"])
            check = Together.of(
                found["together"], found["alone"], float(found["cells"]), int(found["passes"])
            )
            if check.close:
                return apart, replace(check, passes=spent)
        return alone, replace(Together.none(len(edits)), passes=spent)

    def _checked(
        self, passes: Passes, apart: Separation, edits: list[Forced], some: Ints, every: int
    ) -> Arrays:
        """The effects (edits, cells) of drawn cells of the images numbered `some`, together and alone."""
        random = np.random.default_rng([self.seed, 10])
        jobs: list[Job] = []
        for number in range(CHECKED):
            image = number % len(some)
            groups = apart.groups(insertions.tried_cells(self.layer, every, int(some[image]) // BATCH))
            jobs.append((image, groups[random.integers(len(groups))]))
        # Of passes with many cells only some are also forced alone.
        counts = [len(cells) for _image, cells in jobs]
        starts = np.cumsum([0, *counts[:-1]])
        picked = [random.permutation(count)[:ALONE] for count in counts]
        single: list[Job] = [
            (image, [cells[at]]) for (image, cells), few in zip(jobs, picked, strict=True) for at in few
        ]
        also = np.concatenate([start + few for start, few in zip(starts, picked, strict=True)])
        found: dict[str, list[Floats]] = {"together": [], "alone": []}
        for number, edit in enumerate(edits):
            for name, asked, way in (("together", jobs, apart), ("alone", single, apart.alone())):
                values = insertions.changes(passes, self.segmenter, self.label, edit, asked, way)
                found[name].append(values[also] if name == "together" else values)
            self.progress("check", number + 1, len(edits))
        passed = len(edits) * (len(jobs) + len(single))
        facts = {"passes": np.array(passed), "cells": np.array(np.mean(counts))}
        return {name: np.stack(rows) for name, rows in found.items()} | facts

    def _part(
        self,
        start: int,
        images: int,
        edits: list[Forced],
        traced: int,
        every: int,
        apart: Separation,
    ) -> Arrays:
        """Everything about a batch of images, which is one stage."""
        stop = min(start + BATCH, images)
        tried = insertions.tried_cells(self.layer, every, start // BATCH)
        each = len(apart.groups(tried)) * len(edits)
        total, done = images * each, [start * each]

        def tick(passes: int) -> None:
            done[0] += passes
            self.progress("cells", done[0], total)

        def make() -> Arrays:
            z = latents(self.seed, FORCING + start, FORCING + stop, self.generator.latent_shape)
            passes = Passes(self.generator, self.layer, z)
            labels = checked_labels(self.segmenter, passes.images)
            concepts = checked_segmenter(self.segmenter)
            forcing = [edit.of(np.arange(start, stop)) for edit in edits]
            found: Arrays = {
                "effect": insertions.cell_effects(
                    passes, self.segmenter, self.label, forcing, tried, apart, tick
                ),
                "near": near(labels, self.label, passes.grid, 1 + self.patch // 2).cpu().numpy(),
                "members": memberships(labels, len(concepts), passes.grid).cpu().numpy(),
                "contexts": np.array(context_names(concepts)),
                "passes": np.array((stop - start) * each),
            }
            follow = max(0, min(traced - start, stop - start))
            if follow:
                trace = insertions.cell_traces(passes, forcing[0], tried, apart, follow)
                found["places"] = np.array(list(trace))
                stacked = np.stack(list(trace.values()))
                found["trace"], found["outside"] = stacked[:, 0], stacked[:, 1]
            return found

        # Until 0.2 the stage was "cells", with each cell alone.
        arrays = self.cache.stage(f"effects-{start}", make)
        self.progress("cells", stop * each, total)
        return arrays

    def _scales(self, places: list[str]) -> list[float]:
        if not places:
            return []
        z = latents(self.seed, MEASURING, MEASURING + 64, self.generator.latent_shape)
        scales = insertions.typical_scales(self.generator, self.layer, z)
        return [scales[name] for name in places]


def _joined(parts: list[Arrays], name: str) -> Array:
    return np.concatenate([part[name] for part in parts], 1) if parts else np.zeros((0, 0, 0, 0), np.float32)
