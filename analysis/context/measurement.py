"""The stages of an insertion: measure units, force them cell by cell, follow the trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from analysis.context import insertions
from analysis.context.cells import context_names, memberships, near
from analysis.context.forced_units import measure_units, random_edits
from analysis.context.settings import ContextSettings
from analysis.context.tables import Measured
from analysis.models.generator import Generator
from analysis.models.layer import Layer
from analysis.models.segmenter import Segmenter, checked_labels
from analysis.shared.arrays import Array, Arrays, Floats
from analysis.shared.concepts import concept_index
from analysis.shared.latent_ranges import FORCING, MEASURING, span
from analysis.shared.latents import latents
from analysis.shared.stage_cache import StageCache
from analysis.shared.unit_statistics import UnitStatistics

BATCH = 8  # images made together, which are one stage


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
        edits = [insertions.Forced.same(units, value, images, self.patch) for value in values.values()]
        energies = np.full(len(values), np.nan)
        at = [list(values).index(name) for name in controls]
        for name, place in zip(controls, at, strict=True):
            random_units, forced = random_edits(statistics, units, values[name], images, self.seed)
            edits.append(insertions.Forced(random_units, forced, self.patch))
            theirs = statistics.energy(forced, random_units).sum(1)
            energies[place] = np.mean(theirs / statistics.energy(values[name], units).sum())
        parts = [self._part(start, images, edits, traced, every) for start in range(0, images, BATCH)]
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
        )

    def _part(
        self, start: int, images: int, edits: list[insertions.Forced], traced: int, every: int
    ) -> Arrays:
        """Everything about a batch of images, which is one stage."""
        stop = min(start + BATCH, images)
        cells = (self.layer.height, self.layer.width)
        tried = insertions.tried_cells(self.layer, every, start // BATCH)
        passes = len(tried) * len(edits)
        total, done = images * passes, [start * passes]

        def tick(passes: int) -> None:
            done[0] += passes
            self.progress("cells", done[0], total)

        def make() -> Arrays:
            z = latents(self.seed, FORCING + start, FORCING + stop, self.generator.latent_shape)
            labels = checked_labels(self.segmenter, self.generator.images(z))
            concepts = self.segmenter.concepts
            forcing = [edit.part(start, stop) for edit in edits]
            found: Arrays = {
                "effect": insertions.cell_effects(
                    self.generator, self.segmenter, self.layer, z, self.label, forcing, tried, tick
                ),
                "near": near(labels, self.label, cells, 1 + self.patch // 2).cpu().numpy(),
                "members": memberships(labels, len(concepts), cells).cpu().numpy(),
                "contexts": np.array(context_names(concepts)),
            }
            follow = max(0, min(traced - start, stop - start))
            if follow:
                first = forcing[0].part(0, follow)
                trace = insertions.cell_traces(self.generator, self.layer, z[:follow], first, tried)
                found["places"] = np.array(list(trace))
                stacked = np.stack(list(trace.values()))
                found["trace"], found["outside"] = stacked[:, 0], stacked[:, 1]
            return found

        arrays = self.cache.stage(f"cells-{start}", make)
        self.progress("cells", stop * passes, total)
        return arrays

    def _scales(self, places: list[str]) -> list[float]:
        if not places:
            return []
        z = latents(self.seed, MEASURING, MEASURING + 64, self.generator.latent_shape)
        scales = insertions.typical_scales(self.generator, self.layer, z)
        return [scales[name] for name in places]


def _joined(parts: list[Arrays], name: str) -> Array:
    return np.concatenate([part[name] for part in parts], 1) if parts else np.zeros((0, 0, 0, 0), np.float32)
