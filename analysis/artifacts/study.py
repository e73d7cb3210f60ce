"""One layer's artifact units, stage by stage: rank them twice, then ablate lists on other latents.

The method is in docs/method.md section 5.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from analysis.artifacts import ablations, top_images
from analysis.artifacts.features import Extractor
from analysis.artifacts.settings import ArtifactsSettings
from analysis.artifacts.tables import Metric, Ranking, Scored, UnitList
from analysis.editing.kept_maps import KeptMaps
from analysis.models.generator import Generator
from analysis.models.layer import Layer
from analysis.shared.arrays import Arrays, Ints
from analysis.shared.distances import Distance, Yardstick
from analysis.shared.latent_ranges import RANKING, SCORING, span
from analysis.shared.stage_cache import StageCache

CHUNK = 8  # units or lists whose features are in memory at once
SHOWN_TOP, SHOWN_EXAMPLES = 9, 12
LARGEST_SHEET = 64_000_000  # bytes of top pictures over all units

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class RankingImages:
    """The ranking images without an edit."""

    activity: NDArray[np.float32]  # (units, N): how much each unit does in each image
    features: NDArray[np.float32]  # (N, d)

    def order(self) -> Ints:
        """Return each unit's images (units, N), the one in which it does most first."""
        return np.argsort(-self.activity, axis=1, kind="stable")


@dataclass(frozen=True)
class Study:
    """One layer's work, stage by stage. Each yardstick is half of the reference pictures."""

    generator: Generator
    extractor: Extractor
    layer: Layer
    ranker: Yardstick
    scorer: Yardstick
    settings: ArtifactsSettings
    seed: int
    progress: Progress
    cache: StageCache

    @property
    def images(self) -> int:
        """The number of images that rank, and of those that score."""
        return self.settings.images

    @cached_property
    def _ranking(self) -> KeptMaps:
        return ablations.kept_maps(self.generator, self.layer.name, self.seed, span(RANKING, self.images))

    @cached_property
    def _scoring(self) -> KeptMaps:
        return ablations.kept_maps(self.generator, self.layer.name, self.seed, span(SCORING, self.images))

    def ranking_images(self) -> RankingImages:
        """Make the ranking images, and keep what the rankings need of them."""

        def make() -> Arrays:
            return {
                "activity": ablations.activity(self._ranking, self.settings.activation),
                "features": self._features([()], self._ranking, "images", self.images)[0],
            }

        return RankingImages(**self.cache.stage("images", make))

    def by_images(self, plain: RankingImages) -> Ranking:
        """Rank units by the Fréchet distance of the images in which each does most.

        This is the FID ranking of Bau et al. 2019, section 4.3.
        """
        many, axes = top_images.amounts(self.images, self.ranker.reference.shape[1])
        best = plain.order()[:, :many]
        return Ranking.by(
            top_images.distances(self.ranker.reference, plain.features, best, axes, self.settings.activation)
        )

    def top(self, order: Ints) -> Arrays:
        """Return each unit's most activating latents, and their pictures where all are not too much."""
        order = order[:, :SHOWN_TOP]
        found: Arrays = {"latents": order + RANKING}
        if order.size * int(np.prod(self.generator.image_shape)) <= LARGEST_SHEET:
            numbers = np.unique(order)
            parts = [
                ablations.pictures(self.generator, self.layer.name, [()], self.seed, part.tolist())[0]
                for part in np.array_split(numbers + RANKING, -(-len(numbers) // 64))
            ]
            found["pictures"] = np.concatenate(parts)[np.searchsorted(numbers, order)]
        return found

    def by_ablation(self, features: NDArray[np.float32]) -> Ranking:
        """Rank units by how far the whole distance falls when a unit alone is ablated, on the same latents.

        The distance is FID_inf: FID itself also falls when a unit's ablation makes pictures more alike.
        `features` (N, d) are those of the ranking images.
        """
        parts, start = [], self.ranker.fid(features).extrapolated()
        for first in range(0, self.layer.units, CHUNK):
            units = range(first, min(first + CHUNK, self.layer.units))

            def make(units: range = units) -> Arrays:
                lists = [(unit,) for unit in units]
                total = self.layer.units * self.images
                rows = self._features(lists, self._ranking, "units", total, units.start * self.images)
                falls = [start.minus(self.ranker.fid(row).extrapolated()) for row in rows]
                return {
                    "fall": np.array([fall.value for fall in falls]),
                    "error": np.array([fall.error for fall in falls]),
                }

            parts.append(self.cache.stage(f"unit-falls-{first}", make))
        falls, errors = (np.concatenate([part[name] for part in parts]) for name in ("fall", "error"))
        return Ranking.by(falls, errors)

    def scored(self, lists: Sequence[UnitList]) -> list[Scored]:
        """Return the distances after the ablation of each list, on latents that ranked nothing.

        Lists of the same units are measured once.
        """
        measured = distinct(lists)
        known: dict[tuple[int, ...], dict[Metric, Distance]] = {}
        total = len(measured) * self.images
        for first in range(0, len(measured), CHUNK):
            units = measured[first : first + CHUNK]

            def make(units: Sequence[tuple[int, ...]] = units, first: int = first) -> Arrays:
                rows = self._features(units, self._scoring, "lists", total, first * self.images)
                fids = [self.scorer.fid(row) for row in rows]
                return _as_arrays({"FID": fids, "KID": [self.scorer.kid(row) for row in rows]})

            name = hashlib.sha256(repr(units).encode()).hexdigest()[:12]
            arrays = self.cache.stage(f"lists-{name}", make)
            known |= {some: _distances(arrays, row) for row, some in enumerate(units)}
        return [Scored(listed.ranking, listed.units, known[tuple(sorted(listed.units))]) for listed in lists]

    def sheets(self, lists: Sequence[UnitList]) -> Arrays:
        """Return pictures of the first scoring latents: before, and after the ablation of each list.

        `counts` are the lists' numbers of units.
        """
        numbers = range(SCORING, SCORING + min(SHOWN_EXAMPLES, self.images))
        units = [(), *(listed.units for listed in lists)]
        made = ablations.pictures(self.generator, self.layer.name, units, self.seed, numbers)
        shown = dict(zip(["before", *(listed.ranking for listed in lists)], made, strict=True))
        counts = np.array([len(listed.units) for listed in lists])
        return {"latents": np.array(numbers), "counts": counts} | shown

    def _features(
        self, lists: Sequence[Sequence[int]], kept: KeptMaps, stage: str, total: int, done: int = 0
    ) -> NDArray[np.float32]:
        """Return features (lists, N, d), and report progress from `done` of `total` passes on."""

        def tick(passes: int) -> None:
            nonlocal done
            done += passes
            self.progress(stage, done, total)

        return ablations.ablated_features(kept, self.extractor, lists, tick)


def distinct(lists: Sequence[UnitList]) -> list[tuple[int, ...]]:
    """Return the units of each list, in order and once: small random sets often repeat.

    Units are set to 0, so their order in a list does not matter.
    """
    return list({tuple(sorted(listed.units)): None for listed in lists})


def _as_arrays(distances: Mapping[str, Sequence[Distance]]) -> Arrays:
    """Return distances by metric as a stage's file holds them. FID and KID have other numbers of blocks."""
    found: Arrays = {}
    for metric, values in distances.items():
        found[metric] = np.array([distance.value for distance in values])
        found[f"{metric}-parts"] = np.stack([distance.parts for distance in values])
        found[f"{metric}-factor"] = np.array(values[0].factor)
    return found


def _distances(arrays: Arrays, row: int) -> dict[Metric, Distance]:
    """Return the distances of one list, from those that `_as_arrays` stored."""

    def stored(metric: str) -> Distance:
        factor = float(arrays[f"{metric}-factor"])
        return Distance.of(float(arrays[metric][row]), arrays[f"{metric}-parts"][row], factor)

    return {"FID_inf": stored("FID").extrapolated(), "KID": stored("KID"), "FID": stored("FID")}
