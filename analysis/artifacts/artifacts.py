"""Units that make pictures worse: ranked, ablated, and measured on other latents (method.md section 5).

found = rank_artifacts(generator, segmenter, reference("drawn:churches", 1000), layer="layer3")
found.rankings["ablation"].units[:5]         # worst first
found.effects()                              # distances before and after, beside random units
str(found.edit("ablation", 5))               # 'ablate layer3 4,17,31,40,41'
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.artifacts import tables
from analysis.artifacts.tables import RANDOM, Ranking, Scored
from analysis.editing.edits import Edit
from analysis.shared.distances import Distance, Yardstick, check_enough

if TYPE_CHECKING:
    from torch import Tensor

    from analysis.models.generator import Generator

COUNTS = (1, 2, 4, 8, 12, 20)
RANDOM_COUNTS = (1, 4, 20)  # random sets are most of the work
HAND = "hand"

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
    counts: Sequence[int] = COUNTS,
    random_counts: Sequence[int] = RANDOM_COUNTS,
    sets: int = 50,
    activation: str = "rms",
    seed: int = 1,
    reference_name: str = "pictures",
    progress: Progress = _quiet,
    keep: Path | None = None,
) -> Artifacts:
    """Ranks a layer's units by the damage they do, and ablates the first of each ranking on other latents.

    `extractor` gives features of images: a module, a function, or a segmenter (its own features).
    `reference` is pictures (N, 3, H, W) or batches of them: every other one ranks, the rest score. `images`
    rank and as many others score. `by_hand` is a third ranking. `counts` are how many units are ablated, and
    a list by hand as a whole too; random sets are at `random_counts`, the largest count, and the number by
    hand. `activation` says in which images a unit does most: "rms" of its map, or the paper's "peak" (which
    compares raw features too; docs/artifacts.md). With `keep`, an iterator is known by `reference_name`.

    Raises:
        GanatomyError: fewer than five images or reference pictures a feature, more images than there are
            latents for, or no such layer, unit or activation.
    """
    from analysis.artifacts.features import as_extractor, content_of, features_of, name_of
    from analysis.artifacts.task import Task
    from analysis.artifacts.top_images import checked
    from analysis.shared.latent_ranges import RANKING, SCORING, span
    from analysis.shared.stage_cache import StageCache

    place, network = generator.layer(layer), as_extractor(extractor)
    hand = place.checked(by_hand) if by_hand else []
    about = {
        "generator": generator.weights_sha256,
        "extractor": content_of(extractor),
        "reference": _known_by(reference, reference_name),
        "asked": [place.name, images, sets, checked(activation)],
        "latents": [span(start, images) for start in (RANKING, SCORING)],
        "seed": seed,
    }
    cache = StageCache(keep, about)
    progress("reference", 0, 1)
    known = cache.stage("reference", lambda: {"features": features_of(network, reference).numpy()})[
        "features"
    ]
    for many in (images, len(known) // 2):
        check_enough(many, known.shape[1])
    block = min(100, images // 5, len(known) // 10)
    ranker, scorer = (Yardstick(half, block=block) for half in (known[::2], known[1::2]))
    task = Task(generator, network, place, ranker, scorer, images, seed, progress, cache, activation)
    plain = task.plain()
    ranking, top_facts, top = task.by_images(plain)
    rankings = {"images": ranking, "ablation": task.by_ablation(plain["features"])}
    if hand:
        rankings[HAND] = Ranking.given(hand)
    sizes = sorted(n for n in counts if 0 < n <= max(1, place.units // 2))
    lists = _lists(rankings, sizes)
    at = [n for n in _counts(lists) if n in {*random_counts, *sizes[-1:], len(hand)}]
    orders = np.random.default_rng([seed, 9]).permuted(np.tile(np.arange(place.units), (sets, 1)), axis=1)
    drawn = [(RANDOM, tuple(order[:n].tolist())) for order in orders for n in at]
    before, *scored = task.scored([("none", ()), *lists, *drawn])
    longest = {name: units for name, units in lists} | {RANDOM: drawn[-1][1]}
    facts = {
        "reference": reference_name,
        "extractor": name_of(extractor),
        "features": known.shape[1],
        "reference_images": len(known),
        "ranking_images": images,
        "scoring_images": images,
        "activation": activation,
        **top_facts,
        "tail_passes": images * (1 + place.units + 1 + len(lists) + len(drawn)),
        "seconds": cache.meter.seconds,
    }
    return Artifacts(
        layer=place.name,
        rankings=rankings,
        before=dict(before.after),
        lists=scored[: len(lists)],
        random=scored[len(lists) :],
        about=facts,
        sheets=task.sheets(longest),
        top=top,
    )


def _known_by(reference: Tensor | Iterable[Tensor], name: str) -> str:
    """What kept features are recognised by: the pictures, or the name where they can be read only once."""
    if isinstance(reference, Iterator):
        return name
    content = hashlib.sha256()
    for part in reference:
        content.update(part.cpu().numpy().tobytes())
    return content.hexdigest()


def _lists(rankings: dict[str, Ranking], counts: Sequence[int]) -> list[tuple[str, tuple[int, ...]]]:
    """The first n of each ranking; those marked by hand also all together."""
    return [
        (name, ranking.units[:n])
        for name, ranking in rankings.items()
        for n in sorted({*counts, len(ranking.units)} if name == HAND else counts)
        if n <= len(ranking.units)
    ]


def _counts(lists: Sequence[tuple[str, tuple[int, ...]]]) -> list[int]:
    return sorted({len(units) for _, units in lists})
