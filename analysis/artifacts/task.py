"""One layer's artifact units, stage by stage: rank them twice, then ablate lists on other latents."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.artifacts import ablations, tables, top_images
from analysis.artifacts.features import Extractor
from analysis.artifacts.tables import Ranking, Scored
from analysis.models.generator import Generator
from analysis.models.layer import Layer
from analysis.shared.distances import Distance, Yardstick
from analysis.shared.latent_ranges import RANKING, SCORING, span
from analysis.shared.stage_cache import StageCache

CHUNK = 8  # units or lists whose features are held at once
SHOWN_TOP, SHOWN_EXAMPLES = 9, 12
LARGEST_SHEET = 64_000_000  # bytes of top pictures over all units


@dataclass(frozen=True)
class Task:
    """One layer's work, stage by stage. Each yardstick is half of the reference pictures."""

    generator: Generator
    extractor: Extractor
    layer: Layer
    ranker: Yardstick
    scorer: Yardstick
    images: int
    seed: int
    progress: Callable[[str, int, int], None]
    cache: StageCache
    activation: str = "rms"

    @property
    def ranking_span(self) -> tuple[int, int]:
        return span(RANKING, self.images)

    def plain(self) -> dict[str, NDArray[Any]]:
        """Activity (units, N) and features (N, d) of the ranking images as they are."""

        def make() -> dict[str, NDArray[Any]]:
            where = (self.layer.name, self.seed, self.ranking_span)
            activity = ablations.activity(self.generator, *where, self.activation)
            features = self._features([()], self.ranking_span, "images", self.images)[0]
            return {"activity": activity, "features": features}

        return self.cache.stage("images", make)

    def by_images(
        self, plain: dict[str, NDArray[Any]]
    ) -> tuple[Ranking, dict[str, int], dict[str, NDArray[Any]]]:
        """The Fréchet distance of the images in which each unit does most (Bau et al. 2019, section 4.3)."""
        known, made = self.ranker.reference, plain["features"]
        many, size = top_images.amounts(self.images, known.shape[1])
        order = np.argsort(-plain["activity"], axis=1, kind="stable")
        scores = top_images.distances(known, made, order[:, :many], size, self.activation)
        ranking = Ranking.by(scores, np.full(len(scores), np.nan))
        return ranking, {"top_images": many, "top_features": size}, self._top(order[:, :SHOWN_TOP])

    def _top(self, order: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """Each unit's most activating latents, and their pictures where all of them are not too much."""
        found: dict[str, NDArray[Any]] = {"latents": order + RANKING}
        if order.size * int(np.prod(self.generator.image_shape)) <= LARGEST_SHEET:
            numbers = np.unique(order)
            parts = [
                ablations.pictures(self.generator, self.layer.name, [()], self.seed, part.tolist())[0]
                for part in np.array_split(numbers + RANKING, -(-len(numbers) // 64))
            ]
            found["pictures"] = np.concatenate(parts)[np.searchsorted(numbers, order)]
        return found

    def by_ablation(self, features: NDArray[np.float32]) -> Ranking:
        """The fall of the full distance when a unit alone is ablated, on the same latents."""
        parts, start = [], self.ranker.fid(features)
        for first in range(0, self.layer.units, CHUNK):
            units = range(first, min(first + CHUNK, self.layer.units))

            def make(units: range = units) -> dict[str, NDArray[Any]]:
                lists = [(unit,) for unit in units]
                total = self.layer.units * self.images
                rows = self._features(lists, self.ranking_span, "units", total, units.start * self.images)
                falls = [start.minus(self.ranker.fid(row)) for row in rows]
                return {
                    "fall": np.array([f.value for f in falls]),
                    "error": np.array([f.error for f in falls]),
                }

            parts.append(self.cache.stage(f"units-{first}", make))
        return Ranking.by(*(np.concatenate([part[name] for part in parts]) for name in ("fall", "error")))

    def _features(
        self,
        lists: Sequence[Sequence[int]],
        place: tuple[int, int],
        stage: str,
        total: int,
        done: int = 0,
    ) -> NDArray[np.float32]:
        counted = [done]

        def tick(passes: int) -> None:
            counted[0] += passes
            self.progress(stage, counted[0], total)

        return ablations.ablated_features(
            self.generator, self.extractor, self.layer.name, lists, self.seed, place, tick
        )

    def scored(self, lists: Sequence[tuple[str, tuple[int, ...]]]) -> list[Scored]:
        """Both distances after each list, on latents that ranked nothing."""
        place, total = span(SCORING, self.images), len(lists) * self.images
        found: list[Scored] = []
        for first in range(0, len(lists), CHUNK):
            chunk = lists[first : first + CHUNK]
            name = hashlib.sha256(repr([units for _, units in chunk]).encode()).hexdigest()[:12]

            def make(
                chunk: Sequence[tuple[str, tuple[int, ...]]] = chunk, first: int = first
            ) -> dict[str, NDArray]:
                rows = self._features([u for _, u in chunk], place, "lists", total, first * self.images)
                return _packed([(self.scorer.fid(row), self.scorer.kid(row)) for row in rows])

            kept = self.cache.stage(f"lists-{name}", make)
            found += [
                Scored(ranking, units, _unpacked(kept, number))
                for number, (ranking, units) in enumerate(chunk)
            ]
        return found

    def sheets(self, lists: dict[str, tuple[int, ...]]) -> dict[str, NDArray[Any]]:
        """Pictures of the first scoring latents: before, and after each list; `counts` are its units."""
        numbers = range(SCORING, SCORING + min(SHOWN_EXAMPLES, self.images))
        made = ablations.pictures(self.generator, self.layer.name, [(), *lists.values()], self.seed, numbers)
        counts = np.array([len(units) for units in lists.values()])
        shown = dict(zip(["before", *lists], made, strict=True))
        return {"latents": np.array(numbers), "counts": counts} | shown


def _packed(rows: list[tuple[Distance, Distance]]) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    for place, metric in enumerate(tables.METRICS):
        found[metric] = np.array([row[place].value for row in rows])
        found[f"{metric}-parts"] = np.stack([row[place].parts for row in rows])
        found[f"{metric}-factor"] = np.array(rows[0][place].factor)
    return found


def _unpacked(kept: dict[str, NDArray[Any]], number: int) -> dict[str, Distance]:
    return {
        metric: Distance.of(
            float(kept[metric][number]), kept[f"{metric}-parts"][number], float(kept[f"{metric}-factor"])
        )
        for metric in tables.METRICS
    }
