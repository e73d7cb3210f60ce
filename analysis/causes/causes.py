"""Cause, not correlation: which units of a layer make a concept appear (Bau et al. 2019, section 3.2).

    causes = ace(generator, segmenter, layer="layer3", concept="tree", seed=1)
    causes.alpha                      # one learned strength per unit, 0 to 1
    causes.ranking[:8]                # the causal set of eight units
    causes.curve                      # effect against n: ACE, IoU, single units, random sets
    causes.edit("ablate", 8)          # the edit as a value, for a URL or `with edited(...)`

docs/causes.md says what each number means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from analysis.causes import tables
from analysis.causes.settings import CausesSettings
from analysis.editing.edits import Edit
from analysis.shared.arrays import Array, Arrays, Floats, Ints
from analysis.shared.errors import GanatomyError
from analysis.shared.options import with_options

if TYPE_CHECKING:
    from torch import Tensor

    from analysis.models.generator import Generator
    from analysis.models.segmenter import Segmenter
    from analysis.shared.concepts import Concept


@dataclass(frozen=True)
class Causes:
    """What `ace` found. Tables have the columns of the store, without run_id."""

    layer: str
    concept: str
    alphas: Floats  # (seeds, units)
    iou: Array  # (units,) calibration IoU with the concept
    values: dict[str, Floats]  # what an ablation and an insertion set each unit to, (units,)
    rankings: dict[str, Ints]
    needed: dict[
        str, Floats
    ]  # how much less each edit moves without an acting unit of the causal set, (units,)
    top: int
    images: int  # test images that were drawn
    curve: pd.DataFrame
    single: pd.DataFrame
    side: pd.DataFrame
    learning: pd.DataFrame
    summary: pd.DataFrame
    random_energy: Array  # (random sets, 2) energy of ablation and insertion over that of the set matched
    seed: int = 1
    settings: CausesSettings = field(default_factory=CausesSettings)

    @property
    def alpha(self) -> Floats:
        """The mean over seeds, (units,)."""
        return np.asarray(self.alphas.mean(0))

    @property
    def ranking(self) -> Ints:
        """Unit numbers by alpha, best first; equal alphas by calibration IoU."""
        return self.rankings["ace"]

    @cached_property
    def overlap(self) -> pd.DataFrame:
        """The share that the seeds' first n units have in common, for each n (units, overlap)."""
        return tables.overlap(self.alphas, self.iou)

    def edit(self, operation: Literal["ablate", "insert"], units: int, ranking: str = "ace") -> Edit:
        """Return the edit that was scored: ablate or insert the first units of a ranking, at all cells."""
        chosen = [int(unit) for unit in self.rankings[ranking][:units]]
        if not chosen:
            return Edit()
        values = {unit: float(self.values[operation][unit]) for unit in chosen}
        if operation == "insert":
            return Edit.insert(self.layer, values)
        return Edit.mean(self.layer, values) if any(values.values()) else Edit.ablate(self.layer, chosen)

    @property
    def units(self) -> pd.DataFrame:
        """Table ace_unit: alpha over the seeds, rank, and what the edits set each unit to."""
        return self._placed(tables.unit_rows(self.alphas, self.ranking, self.values, self.needed))

    def tables(self) -> dict[str, pd.DataFrame]:
        """The store's tables of this run, without run_id."""
        single = self.single.copy()
        single.insert(0, "layer", self.layer)
        return {
            "ace_unit": self.units,
            "ace_curve": self._placed(self.curve),
            "unit_effect": single,
            "side_effect": self._placed(self.side),
            "ace_overlap": self._placed(self.overlap),
            "ace_learning": self._placed(self.learning),
            "ace_summary": self._placed(self.summary),
        }

    def arrays(self) -> dict[str, Arrays]:
        """What pages read beside the tables."""
        return {
            f"causes-{self.layer}": {
                "alphas": self.alphas,
                "iou": np.asarray(self.iou, float),
                **{f"{edit}_values": values for edit, values in self.values.items()},
                "random_energy": np.asarray(self.random_energy, float),
                **{f"ranking_{name}": order for name, order in self.rankings.items()},
            }
        }

    def _placed(self, frame: pd.DataFrame) -> pd.DataFrame:
        placed = frame.copy()
        placed.insert(0, "concept", self.concept)
        placed.insert(0, "layer", self.layer)
        return placed


def ace(
    generator: Generator,
    segmenter: Segmenter,
    *,
    layer: str,
    concept: Concept | str,
    seed: int = 1,
    by_hand: Sequence[int] = (),
    iou: Array | None = None,
    second_segmenter: Segmenter | None = None,
    feature: Callable[[Tensor], Tensor] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    keep: Path | None = None,
    settings: CausesSettings | None = None,
    learning: Mapping[str, Any] | None = None,
    amounts: Mapping[str, Any] | None = None,
    **options: Any,
) -> Causes:
    """Learn which units cause a concept, and measure them on images that chose nothing.

    Args:
        generator: the generator.
        segmenter: a segmenter that knows the concept.
        layer: the layer's name or module path.
        concept: the concept, or its name.
        seed: every image follows from it.
        by_hand: units in order, which make a further ranking `hand`.
        iou: the calibration IoU (units,) with the concept, from a dissection. By default it is measured on
            the training images.
        second_segmenter: another segmenter that knows the concept; it scores the causal set once more.
        feature: maps images to features (N, d) for the realism score. By default the segmenter's own
            features, else pooled pixels.
        progress: called as `progress(stage, done, total)`; it counts images, or steps.
        keep: a folder for finished stages. A second call goes on from them.
        settings: how alpha is learned, and on how many images everything is measured.
        learning: options by name, as earlier versions took them.
        amounts: likewise.
        options: fields of `CausesSettings` that replace those of `settings`, such as `seeds=5, images=128`.

    Raises:
        GanatomyError: no such layer, concept, unit or option, or none of the training images shows the
            concept.
    """
    from analysis.causes.measurements import Measurements
    from analysis.causes.rankings import Rankings
    from analysis.causes.study import Study

    # `learning` called the images of a step `batch`, which now is the number that pass together.
    for name, given in (("learning", learning), ("amounts", amounts)):
        if both := sorted(set(given or {}) & set(options)):
            raise GanatomyError(f"{both[0]} was given twice, in {name} and by its own name; give it once.")
    renamed = {"step_images" if name == "batch" else name: value for name, value in (learning or {}).items()}
    chosen = with_options(settings or CausesSettings(), {**renamed, **(amounts or {}), **options})
    study = Study.of(
        generator,
        segmenter,
        layer,
        concept,
        seed,
        chosen,
        iou,
        by_hand,
        second_segmenter,
        feature,
        progress,
        keep,
    )
    rankings = Rankings(study)
    found = Measurements(rankings)
    # In this order, a call that is cut off has cached the dearest stages first.
    curve, side = tables.curve(found), tables.side_effects(found)
    single = tables.single_units(rankings)
    return Causes(
        layer=study.layer.name,
        concept=study.segmenter.concept,
        alphas=rankings.alphas,
        iou=rankings.iou,
        values=rankings.values,
        rankings=rankings.orders,
        needed=found.needed,
        top=study.top,
        images=len(found.shown),
        curve=curve,
        single=single,
        side=side,
        learning=tables.learning(rankings),
        summary=tables.summary(found),
        random_energy=np.array([[*drawn.ratio.values()] for drawn in found.random_sets]),
        seed=seed,
        settings=chosen,
    )
