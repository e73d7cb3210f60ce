"""Units that make pictures worse: ranked, ablated, and measured on other latents (method.md section 5).

found = rank_artifacts(generator, segmenter, reference("drawn:churches", 1000), layer="layer3")
found.rankings["ablation"].units[:5]         # worst first
found.effects()                              # distances before and after, beside random units
str(found.edit("ablation", 5))               # 'ablate layer3 4,17,31,40,41'
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.distances import Distance, Yardstick, check_enough
from analysis.edits import Edit
from analysis.spoiling import tables
from analysis.spoiling.tables import RANDOM, Ranking, Scored

if TYPE_CHECKING:
    from torch import Tensor

    from analysis.generators.generator import Generator

COUNTS = (1, 2, 4, 8, 12, 20)

Progress = Callable[[str, int, int], None]


def _quiet(stage: str, done: int, total: int) -> None: ...


@dataclass(frozen=True)
class Artifacts:
    """Rankings of a layer's units and what ablating the first of each does."""

    layer: str
    rankings: dict[str, Ranking]
    before: dict[str, Distance]
    lists: list[Scored] = field(repr=False)
    random: list[Scored] = field(repr=False)
    about: dict[str, Any]
    sheets: dict[str, NDArray[Any]] = field(repr=False)
    top: dict[str, NDArray[Any]] = field(repr=False)

    def frame(self) -> pd.DataFrame:
        """One row a ranking and unit: score, error, rank."""
        return self.tables()["artifact_unit"]

    def effects(self) -> pd.DataFrame:
        """One row a list, metric and count of units: before, after, fall, with errors, and random sets."""
        return self.tables()["artifact_effect"]

    def edit(self, ranking: str, count: int) -> Edit:
        """The ablation of a ranking's first units, which others can apply."""
        return Edit.ablate(self.layer, self.rankings[ranking].units[:count])

    def tables(self) -> dict[str, pd.DataFrame]:
        """The store's tables of this run, without run_id."""
        found = {
            "artifact_unit": tables.units(self.rankings),
            "artifact_effect": tables.effects(self.before, self.lists, self.random),
            "artifact_summary": pd.DataFrame([self.about]),
        }
        for frame in found.values():
            frame.insert(0, "layer", self.layer)
        return found

    def arrays(self) -> dict[str, dict[str, NDArray[Any]]]:
        """`top`: latents and pictures that activate each unit most; `sheets`: pictures before and after."""
        return {"top": self.top, "sheets": self.sheets}


def rank_artifacts(
    generator: Generator,
    extractor: Any,
    reference: Tensor | Iterable[Tensor],
    *,
    layer: str,
    by_hand: Sequence[int] = (),
    images: int = 1000,
    counts: Sequence[int] | None = None,
    random_counts: Sequence[int] | None = None,
    sets: int = 50,
    seed: int = 1,
    reference_name: str = "pictures",
    progress: Progress = _quiet,
    keep: Path | None = None,
) -> Artifacts:
    """Ranks a layer's units by the damage they do, and ablates the first of each ranking on other latents.

    `extractor` gives features of images: a module, a function, or a segmenter (its own features).
    `reference` is pictures (N, 3, H, W) or batches of them. `images` rank and as many others score.
    `by_hand` is a third ranking. `counts` are how many units are ablated; `random_counts` those at which
    random sets are too (None: all of `counts`).

    Raises:
        GanatomyError: fewer than five images a feature, or no such layer or unit.
    """
    from analysis.inserting.keeping import Kept
    from analysis.inserting.sweep import checked_set
    from analysis.spoiling.features import as_extractor, features_of, name_of
    from analysis.spoiling.task import Task

    begun, place = time.monotonic(), generator.layer(layer)
    hand = checked_set(place, by_hand) if by_hand else []
    chosen = tuple(n for n in (counts or COUNTS) if 0 < n <= max(1, place.units // 2))
    network = as_extractor(extractor)
    progress("reference", 0, 1)
    known = features_of(network, reference).numpy()
    for many in (images, len(known)):
        check_enough(many, known.shape[1])
    about = {
        "generator": generator.weights_sha256,
        "reference": hashlib.sha256(known.tobytes()).hexdigest(),
        "asked": [place.name, images, sets],
        "seed": seed,
    }
    block = min(100, images // 5, len(known) // 5)
    yardstick, kept = Yardstick(known, block=block), Kept(keep, about)
    task = Task(generator, network, place, yardstick, images, seed, progress, kept)
    plain = task.plain()
    ranking, top_facts, top = task.by_images(plain)
    rankings = {"images": ranking, "ablation": task.by_ablation(plain["features"])}
    if hand:
        rankings["hand"] = Ranking.given(hand)
    lists = [(name, r.units[:n]) for name, r in rankings.items() for n in chosen if n <= len(r.units)]
    at = [n for n in chosen if n in (chosen if random_counts is None else random_counts)]
    orders = np.random.default_rng([seed, 9]).permuted(np.tile(np.arange(place.units), (sets, 1)), axis=1)
    drawn = [(RANDOM, tuple(order[:n].tolist())) for order in orders for n in at]
    before, *scored = task.scored([("none", ()), *lists, *drawn])
    facts = {
        "reference": reference_name,
        "extractor": name_of(extractor),
        "features": known.shape[1],
        "reference_images": len(known),
        "ranking_images": images,
        "scoring_images": images,
        **top_facts,
        "tail_passes": images * (1 + place.units + 1 + len(lists) + len(drawn)),
        "seconds": time.monotonic() - begun,
    }
    return Artifacts(
        layer=place.name,
        rankings=rankings,
        before=dict(before.after),
        lists=scored[: len(lists)],
        random=scored[len(lists) :],
        about=facts,
        sheets=task.sheets(rankings, orders[0], max(chosen)),
        top=top,
    )
