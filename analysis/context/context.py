"""Where a concept may appear: its units forced on at every cell, by what was there.

The method is in docs/method.md section 4.

context = insertion_context(generator, segmenter, layer="layer3", concept="door", units=[4, 17, 31])
print(context.frame())                       # one row per strength and context; docs/context.md says what of
context.arrays()["cells"]["effect"]          # (strengths, images, h, w): maps of where it may appear
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.context import tables
from analysis.context.settings import STRENGTHS, ContextSettings
from analysis.context.tables import Measured
from analysis.editing.edits import Edit
from analysis.models.segmenter import checked_segmenter, segmenter_hash
from analysis.shared.arrays import Arrays, Floats
from analysis.shared.concepts import Concept, concept_index
from analysis.shared.errors import GanatomyError
from analysis.shared.latent_ranges import FORCING, MEASURING, span
from analysis.shared.options import with_options

if TYPE_CHECKING:
    from analysis.models.generator import Generator
    from analysis.models.segmenter import Segmenter
    from analysis.shared.unit_statistics import UnitStatistics

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Context:
    """The measured maps of one concept's insertion, and every table that follows from them."""

    layer: str
    concept: str
    strengths: tuple[str, ...]
    units: tuple[int, ...]
    values: dict[str, Floats]  # strength to values (units,)
    latents: tuple[int, int]
    measured: Measured = field(repr=False)
    facts: dict[str, Any] = field(default_factory=dict)
    patch: int = 1
    seed: int = 1
    settings: ContextSettings = field(default_factory=ContextSettings)

    def frame(self) -> pd.DataFrame:
        """Return one row per strength and context.

        It holds locations, images, effect, row_effect and random_effect, each with its interval, and whether
        these cells were left out of the comparison.
        """
        return self._tables["insertion_context"]

    def edit(self, strength: str | None = None) -> Edit:
        """The edit, everywhere; `replace` its cells to apply it at one."""
        values = self.values[strength or self.strengths[0]]
        return Edit.insert(self.layer, dict(zip(self.units, values.tolist(), strict=True)))

    def tables(self) -> dict[str, pd.DataFrame]:
        """The store's tables of this run, without run_id."""
        return dict(self._tables)

    def arrays(self) -> dict[str, Arrays]:
        """Return the maps as arrays by file.

        `cells` has effect and random_effect (strengths, N, h, w), near (N, h, w), members (contexts, N, h,
        w), and latents. `trace` has change (places, traced images, h, w), unless no image was traced.
        """
        m = self.measured
        cells: Arrays = {
            "effect": m.effect,
            "mean_effect": m.effect.mean(1),
            "random_effect": m.random,
            "near": m.near,
            "members": m.members,
            "contexts": np.array(m.contexts),
            "strengths": np.array(self.strengths),
            "latents": np.arange(*self.latents),
            "units": np.array(self.units),
            "values": np.stack([self.values[name] for name in self.strengths]),
        }
        if not m.places:
            return {"cells": cells}
        trace = {"places": np.array(m.places), "change": m.trace, "outside": m.outside}
        return {"cells": cells, "trace": trace | {"scale": np.array(m.scales)}}

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        about = {"layer": self.layer, "concept": self.concept}
        frames = {
            "insertion_context": tables.contexts(self.measured, self.strengths, self.concept),
            "context_row": tables.rows(self.measured, self.strengths, self.concept),
            "context_trace": tables.traces(self.measured, self.strengths[0]),
            "context_summary": tables.summary(self.measured, self.strengths, self._about()),
        }
        return {name: pd.concat([_constant(about, frame), frame], axis=1) for name, frame in frames.items()}

    def _about(self) -> list[dict[str, Any]]:
        return [
            {"units": len(self.units), "patch": self.patch, "edit": str(self.edit(name)), **self.facts}
            for name in self.strengths
        ]


def _constant(about: dict[str, str], frame: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({name: [value] * len(frame) for name, value in about.items()}, index=frame.index)


def insertion_context(
    generator: Generator,
    segmenter: Segmenter,
    *,
    layer: str,
    concept: Concept | str,
    units: Sequence[int] | None = None,
    values: Sequence[float] | None = None,
    controls: Sequence[str] | None = None,
    seed: int = 1,
    progress: Progress = lambda stage, done, total: None,
    keep: Path | None = None,
    settings: ContextSettings | None = None,
    **options: Any,
) -> Context:
    """Force units on at single cells of many images, and measure the effect by what was there.

    Cells that no pixel can depend on together share a pass of the generator's tail. What that changes for the
    segmenter is measured on cells that are also forced alone; where it is too much, all are. The images that
    are traced are followed through the later layers at the first strength. With `every` of 2 or more only one
    cell in so many is tried, in other places for each batch of images; the rest is NaN.

    Args:
        generator: the generator.
        segmenter: a segmenter that knows the concept.
        layer: the layer's name or module path.
        concept: the concept, or its name.
        units: the concept's causal set. By default the units of best IoU on images that measure nothing else.
        values: replaces the constants k of these units.
        controls: the strengths that have another pass, with random units at equal energy; also `"first"` or
            `"all"`.
        seed: every image follows from it.
        progress: called as `progress(stage, done, total)`.
        keep: a folder for finished stages. A second call goes on from them.
        settings: the strengths, and the images and cells that measure them.
        options: fields of `ContextSettings` that replace those of `settings`, such as `images=96, patch=3`.

    Raises:
        GanatomyError: no such layer, concept, unit, strength or option; more images than there are latents
            for; the generator does not make the concept.
    """
    from analysis.context.forced_units import best_units
    from analysis.context.measurement import Insertion
    from analysis.shared.stage_cache import StageCache

    chosen = with_options(settings or ContextSettings(), options)
    inserted, _ = span(FORCING, chosen.images), span(MEASURING, chosen.measuring)
    found, concepts = generator.layer(layer), checked_segmenter(segmenter, pictures=True)
    name = concepts[concept_index(segmenter.concepts, concept)].name
    strengths: tuple[str, ...] = chosen.strengths or STRENGTHS
    controls = chosen.controls if controls is None else controls
    beside = {"first": strengths[:1], "all": strengths}[controls] if isinstance(controls, str) else controls
    wrong = [strength for strength in strengths if strength not in STRENGTHS]
    wrong += [strength for strength in beside if strength not in strengths]
    if wrong:
        raise GanatomyError(
            f"'{', '.join(wrong)}' is no strength; choose from {', '.join(STRENGTHS)}, controls among them."
        )
    about = {
        "generator": generator.identity,
        "segmenter": segmenter_hash(segmenter),
        "edit": [found.name, name, units, values, list(strengths), list(beside)],
        "settings": asdict(chosen),
        "seed": seed,
    }
    cache = StageCache(keep, about)
    insertion = Insertion(generator, segmenter, found, name, seed, progress, cache, chosen.patch)
    statistics, iou = insertion.unit_statistics(chosen.measuring)
    forced = best_units(iou, max(4, round(0.04 * found.units))) if units is None else found.checked(units)
    constants = {strength: _values(statistics, forced, strength, values) for strength in strengths}
    measured = insertion.measured(statistics, forced, constants, tuple(beside), chosen)
    return Context(
        layer=found.name,
        concept=name,
        strengths=strengths,
        units=tuple(forced),
        values=constants,
        latents=inserted,
        measured=measured,
        patch=chosen.patch,
        seed=seed,
        settings=chosen,
        facts={"tail_passes": measured.passes},
    )


def _values(
    statistics: UnitStatistics, units: list[int], strength: str, given: Sequence[float] | None
) -> Floats:
    if given is None or strength == "q99":
        return statistics.constant(strength)[units]
    if len(given) != len(units):
        raise GanatomyError(f"{len(given)} values do not fit {len(units)} units; give one for each.")
    return np.asarray(given, np.float64) * (2 if strength == "2k" else 1)
