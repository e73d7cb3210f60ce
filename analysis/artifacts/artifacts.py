"""Units that make pictures worse: ranked, ablated, and measured on other latents.

The method is in docs/method.md section 5.

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

from analysis.artifacts import tables
from analysis.artifacts.settings import ArtifactsSettings
from analysis.artifacts.tables import RANDOM, Metric, Ranking, Scored, UnitList
from analysis.editing.edits import Edit
from analysis.shared.arrays import Arrays
from analysis.shared.distances import Distance, Yardstick, check_enough
from analysis.shared.options import with_options

if TYPE_CHECKING:
    from torch import Tensor

    from analysis.artifacts.study import Progress
    from analysis.models.generator import Generator

HAND = "hand"


@dataclass(frozen=True)
class Artifacts:
    """Rankings of a layer's units, and what the ablation of each ranking's first units does."""

    layer: str
    rankings: dict[str, Ranking]
    before: dict[Metric, Distance]
    lists: list[Scored] = field(repr=False)
    random: list[Scored] = field(repr=False)
    about: dict[str, str | int | float]
    sheets: Arrays = field(repr=False)
    top: Arrays = field(repr=False)
    seed: int = 1
    settings: ArtifactsSettings = field(default_factory=ArtifactsSettings)

    def frame(self) -> pd.DataFrame:
        """Return one row per ranking and unit: score, error, rank."""
        return self.tables()["artifact_unit"]

    def effects(self) -> pd.DataFrame:
        """Return one row per list and metric: the distance before and after, and its fall, with errors.

        The random sets of each size have a row of their own.
        """
        return self.tables()["artifact_effect"]

    def edit(self, ranking: str, count: int) -> Edit:
        """Return the ablation of a ranking's first units, which others can apply."""
        return Edit.ablate(self.layer, self.rankings[ranking].units[:count])

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the store's tables of this run, without run_id."""
        found = {
            "artifact_unit": tables.units(self.rankings),
            "artifact_effect": tables.effects(self.before, self.lists, self.random),
            "artifact_summary": pd.DataFrame([self.about]),
        }
        for frame in found.values():
            frame.insert(0, "layer", self.layer)
        return found

    def arrays(self) -> dict[str, Arrays]:
        """Return `top`, the images that activate each unit most, and `sheets`, pictures before and after."""
        return {"top": self.top, "sheets": self.sheets}


def rank_artifacts(
    generator: Generator,
    extractor: Any,
    reference: Tensor | Iterable[Tensor],
    *,
    layer: str,
    by_hand: Sequence[int] = (),
    seed: int = 1,
    reference_name: str = "pictures",
    progress: Progress = lambda stage, done, total: None,
    keep: Path | None = None,
    settings: ArtifactsSettings | None = None,
    **options: Any,
) -> Artifacts:
    """Rank a layer's units by the damage they do, and ablate the first of each ranking on other latents.

    Random sets have the sizes `random_counts`, the largest of `counts`, and the number of units by hand.

    Args:
        generator: the generator.
        extractor: gives features of images: a module, a function, or a segmenter (its own features).
        reference: pictures (N, 3, H, W) in [-1, 1], or batches of them. Every other one ranks, the rest
            score.
        layer: the layer's name or module path.
        by_hand: units that a person marked. They are a third ranking, and are also ablated all together.
        seed: every image follows from it.
        reference_name: what the tables call the reference. With `keep`, it also identifies an iterator,
            which can be read only once.
        progress: called as `progress(stage, done, total)`.
        keep: a folder for finished stages. A second call goes on from them.
        settings: the images that rank and score, and the random sets.
        options: fields of `ArtifactsSettings` that replace those of `settings`, such as `images=200`.

    Raises:
        GanatomyError: fewer than five images or reference pictures per feature, more images than there are
            latents for, or no such layer, unit, activation or option.
    """
    from analysis.artifacts import top_images
    from analysis.artifacts.features import as_extractor, content_of, features_of, name_of
    from analysis.artifacts.study import Study, distinct
    from analysis.shared.latent_ranges import RANKING, SCORING, span
    from analysis.shared.stage_cache import StageCache

    chosen = with_options(settings or ArtifactsSettings(), options)
    place, network, images = generator.layer(layer), as_extractor(extractor), chosen.images
    hand = place.checked(by_hand) if by_hand else []
    about = {
        "generator": generator.identity,
        "extractor": content_of(extractor),
        "reference": _identity(reference, reference_name),
        # The key and the order are those of 0.1.0, so that a newer worker goes on from its stages.
        "asked": [place.name, images, chosen.sets, chosen.activation],
        "latents": [span(start, images) for start in (RANKING, SCORING)],
        "seed": seed,
    }
    cache = StageCache(keep, about)
    progress("reference", 0, 2 * images)
    told = _told(reference, lambda done: progress("reference", done, max(done, 2 * images)))
    known = cache.stage("reference", lambda: {"features": features_of(network, told).numpy()})["features"]
    for many in (images, len(known) // 2):
        check_enough(many, known.shape[1])
    block = min(100, images // 5, len(known) // 10)
    ranker, scorer = (Yardstick(half, block=block) for half in (known[::2], known[1::2]))
    study = Study(generator, network, place, ranker, scorer, chosen, seed, progress, cache)
    plain = study.ranking_images()
    rankings = {"images": study.by_images(plain), "ablation": study.by_ablation(plain.features)}
    if hand:
        rankings[HAND] = Ranking.given(hand)
    # More than half of a layer leaves no random set of other units.
    sizes = sorted(n for n in chosen.counts if 0 < n <= max(1, place.units // 2))
    lists = _lists(rankings, sizes)
    drawn_sizes = {*chosen.random_counts, *sizes[-1:], len(hand)} & {len(listed.units) for listed in lists}
    random = _random_lists(place.units, sorted(drawn_sizes), chosen.sets, seed)
    every = [UnitList("none", ()), *lists, *random]
    before, *scored = study.scored(every)
    longest = {listed.ranking: listed for listed in [*lists, random[-1]]}  # of each ranking
    compared, axes = top_images.amounts(images, known.shape[1])
    return Artifacts(
        layer=place.name,
        rankings=rankings,
        before=dict(before.after),
        lists=scored[: len(lists)],
        random=scored[len(lists) :],
        about={
            "reference": reference_name,
            "extractor": name_of(extractor),
            "features": known.shape[1],
            "reference_images": len(known),
            "ranking_images": images,
            "scoring_images": images,
            "activation": chosen.activation,
            "top_images": compared,
            "top_features": axes,
            "tail_passes": images * (1 + place.units + len(distinct(every))),
            "seconds": cache.meter.seconds,
        },
        sheets=study.sheets(list(longest.values())),
        top=study.top(plain.order()),
        seed=seed,
        settings=chosen,
    )


def _told(pictures: Tensor | Iterable[Tensor], told: Callable[[int], None]) -> Iterator[Tensor]:
    """Yield the pictures in batches, and tell how many were used after each."""
    from analysis.artifacts.features import BATCH

    done = 0
    for batch in pictures if isinstance(pictures, Iterator) else _batches(pictures, BATCH):
        yield batch
        done += len(batch)
        told(done)


def _batches(pictures: Tensor | Iterable[Tensor], size: int) -> Iterable[Tensor]:
    """A tensor of pictures in parts; what is no tensor has its parts already."""
    found: Iterable[Tensor] = pictures.split(size) if hasattr(pictures, "split") else pictures
    return found


def _identity(reference: Tensor | Iterable[Tensor], name: str) -> str:
    """Return what cached features are identified by: the pictures' hash, or an iterator's name."""
    if isinstance(reference, Iterator):
        return name
    content = hashlib.sha256()
    for part in reference:
        content.update(part.cpu().numpy().tobytes())
    return content.hexdigest()


def _lists(rankings: dict[str, Ranking], sizes: Sequence[int]) -> list[UnitList]:
    """Return the first n units of each ranking; those marked by hand also all together."""
    return [
        UnitList(name, ranking.units[:n])
        for name, ranking in rankings.items()
        for n in sorted({*sizes, len(ranking.units)} if name == HAND else sizes)
        if n <= len(ranking.units)
    ]


def _random_lists(width: int, sizes: Sequence[int], sets: int, seed: int) -> list[UnitList]:
    """Return the first units of `sets` random orders of a layer, at each size.

    A larger set holds the smaller ones of its order, as the lists of a ranking do.
    """
    orders = np.random.default_rng([seed, 9]).permuted(np.tile(np.arange(width), (sets, 1)), axis=1)
    return [UnitList(RANDOM, tuple(order[:n].tolist())) for order in orders for n in sizes]
