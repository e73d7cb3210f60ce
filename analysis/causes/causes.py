"""Cause, not correlation: which units of a layer make a concept appear (Bau et al. 2019, section 3.2).

    causes = ace(generator, segmenter, layer="layer3", concept="tree", seed=1)
    causes.alpha                      # one learned strength a unit, 0 to 1
    causes.ranking[:8]                # the causal set of eight units
    causes.curve                      # effect against n: ACE, IoU, single units, random sets
    causes.edit("ablate", 8)          # the edit as a value, for a URL or `with edited(...)`

docs/causes.md says what each number means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.causes import frames, results
from analysis.editing.edits import Edit
from analysis.shared.errors import GanatomyError

if TYPE_CHECKING:
    from torch import Tensor

    from analysis.causes.task import Task
    from analysis.models.generator import Generator
    from analysis.models.segmenter import Segmenter
    from analysis.shared.concepts import Concept

Array = NDArray[Any]


@dataclass(frozen=True)
class Causes:
    """What `ace` found. Tables have the store's columns but run_id."""

    layer: str
    concept: str
    alphas: NDArray[np.float64]  # (seeds, units)
    iou: Array  # (units,) calibration IoU with the concept
    values: dict[str, NDArray[np.float64]]  # what an ablation and an insertion set each unit to, (units,)
    rankings: dict[str, NDArray[np.int64]]
    top: int
    curve: pd.DataFrame
    single: pd.DataFrame
    side: pd.DataFrame
    learning: pd.DataFrame
    summary: pd.DataFrame
    random_energy: Array  # (random sets, 2) energy of ablation and insertion over that of the set matched

    @property
    def alpha(self) -> NDArray[np.float64]:
        """The mean over seeds, (units,)."""
        return np.asarray(self.alphas.mean(0))

    @property
    def ranking(self) -> NDArray[np.int64]:
        """Unit numbers by alpha, best first; equal alphas by calibration IoU."""
        return self.rankings["ace"]

    @cached_property
    def overlap(self) -> pd.DataFrame:
        """The share that the seeds' first n units have in common, for each n (units, overlap)."""
        return results.overlap(self.alphas, self.iou)

    def edit(self, operation: Literal["ablate", "insert"], units: int, ranking: str = "ace") -> Edit:
        """Ablates the first units of a ranking everywhere, or inserts their constants: as was scored."""
        chosen = [int(unit) for unit in self.rankings[ranking][:units]]
        if not chosen:
            return Edit()
        values = {unit: float(self.values[operation][unit]) for unit in chosen}
        if operation == "insert":
            return Edit.insert(self.layer, values)
        return Edit.mean(self.layer, values) if any(values.values()) else Edit.ablate(self.layer, chosen)

    @property
    def units(self) -> pd.DataFrame:
        """Table ace_unit: alpha over the seeds, rank, and what the edits set the unit to."""
        rank = np.empty(len(self.ranking), np.int64)
        rank[self.ranking] = np.arange(1, len(rank) + 1)
        return self._placed(
            pd.DataFrame(
                {
                    "unit": np.arange(len(rank)),
                    "alpha": self.alpha,
                    "alpha_low": self.alphas.min(0),
                    "alpha_high": self.alphas.max(0),
                    "rank": rank,
                    "ablate_value": self.values["ablate"],
                    "insert_value": self.values["insert"],
                }
            )
        )

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

    def arrays(self) -> dict[str, dict[str, Array]]:
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
    seeds: int = 3,
    steps: int = 200,
    penalty: Literal["norm", "squared"] = "norm",
    penalty_weight: float | None = None,
    insert: Literal["mean", "double", "q99"] = "mean",
    ablate: Literal["zero", "mean"] = "zero",
    images: int = 64,
    random_sets: int = 50,
    top: int | None = None,
    by_hand: Sequence[int] = (),
    iou: Array | None = None,
    second_segmenter: Segmenter | None = None,
    feature: Callable[[Tensor], Tensor] | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    keep: Path | None = None,
    learning: dict[str, Any] | None = None,
    amounts: dict[str, Any] | None = None,
) -> Causes:
    """Learns the units that cause a concept, and measures them on images that chose nothing.

    `seeds` learn apart, each on its own latents, for at most `steps` steps; `images` counts test images.
    `top` is the size of the causal set that the summary speaks of. `by_hand` names units in order: a further
    ranking "hand", for the effect of any set. `iou` (units,) is the calibration IoU with the concept, from a
    dissection; left out, it is measured on the training latents. A `second_segmenter` that knows the concept
    scores the causal set once more. `feature` maps images to features (N, d) for the realism score; left out,
    the segmenter's own, or pooled pixels.

    `insert` sets units to k, 2k or their 99 % quantile, `ablate` to 0 or to their mean. `penalty_weight` is
    the paper's lambda; None chooses it on the stopping latents of the first seed. `learning` and `amounts`
    take further fields of analysis.causes.settings.Settings and analysis.causes.amounts.Amounts. With `keep`,
    a folder, each finished stage is a file there, and a second call goes on from them.
    `progress(stage, done, total)` counts images, or steps.

    Raises:
        GanatomyError: no such layer or concept, or the concept is in none of the training images.
    """
    from analysis.causes.amounts import Amounts
    from analysis.causes.settings import Settings
    from analysis.causes.task import Task

    task = Task(
        generator,
        segmenter,
        layer,
        concept if isinstance(concept, str) else concept.name,
        seed,
        ablate,
        insert,
        _made(Settings, steps=steps, penalty=penalty, penalty_weight=penalty_weight, **(learning or {})),
        _made(Amounts, seeds=seeds, images=images, random_sets=random_sets, **(amounts or {})),
        iou,
        feature,
        top,
        by_hand,
        second_segmenter,
        progress or (lambda stage, done, total: None),
        keep,
    )
    return _found(task)


def _made(kind: Any, **fields: Any) -> Any:
    try:
        return kind(**fields)
    except TypeError as error:
        raise GanatomyError(f"There is no such setting of {kind.__name__} ({error}).") from error


def _found(task: Task) -> Causes:
    # In an order in which a call that is cut off has kept the dearest first.
    curve, side = results.curve(task), results.side(task)
    names = [concept.name for concept in task.segmenter.concepts]
    single = frames.single_frame(task.single("choosing"), task.single("test"), names)
    return Causes(
        layer=task.layer,
        concept=task.concept,
        alphas=task.alphas,
        iou=task.agreement,
        values=task.values,
        rankings=task.rankings,
        top=task.causal_set,
        curve=curve,
        single=single,
        side=side,
        learning=results.learned(task),
        summary=results.summary(task, task.causal_set),
        random_energy=np.array([[*drawn.ratio.values()] for drawn in task.random_sets]),
    )
