"""Where a concept may appear: its units forced on at every cell, by what was there (method.md section 4).

context = insertion_context(generator, segmenter, layer="layer3", concept="door", units=[4, 17, 31])
print(context.frame())                       # one row a strength and context; docs/context.md says what of
context.arrays()["cells"]["effect"]          # (strengths, images, h, w): maps of where it may appear
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.context import tables
from analysis.context.tables import Measured
from analysis.editing.edits import Edit
from analysis.shared.concepts import Concept, concept_index
from analysis.shared.errors import GanatomyError

if TYPE_CHECKING:
    from analysis.context.forced_units import UnitFacts
    from analysis.models.generator import Generator
    from analysis.models.segmenter import Segmenter

Progress = Callable[[str, int, int], None]


def _quiet(stage: str, done: int, total: int) -> None: ...


@dataclass(frozen=True)
class Context:
    """The measured maps of one concept's insertion, and every table that follows from them."""

    layer: str
    concept: str
    strengths: tuple[str, ...]
    units: tuple[int, ...]
    values: dict[str, NDArray[np.float64]]  # strength to values (units,)
    latents: tuple[int, int]
    measured: Measured = field(repr=False)
    facts: dict[str, Any] = field(default_factory=dict)
    patch: int = 1

    def frame(self) -> pd.DataFrame:
        """One row a strength and context: locations, images, effect, row_effect, random_effect, each with
        its interval, and whether these cells were left out of the comparison."""
        return self._tables["insertion_context"]

    def edit(self, strength: str | None = None) -> Edit:
        """The edit, everywhere; `replace` its cells to apply it at one."""
        values = self.values[strength or self.strengths[0]]
        return Edit.insert(self.layer, dict(zip(self.units, values.tolist(), strict=True)))

    def tables(self) -> dict[str, pd.DataFrame]:
        """The store's tables of this run, without run_id."""
        return dict(self._tables)

    def arrays(self) -> dict[str, dict[str, NDArray[Any]]]:
        """`cells`: effect, random_effect (strengths, N, h, w), near, contexts (names' numbers as bits), and
        latents; `trace`: change (places, traced N, h, w) relative to the edited layer."""
        m = self.measured
        cells: dict[str, NDArray[Any]] = {
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
    strengths: Sequence[str] = ("k", "2k", "q99"),
    controls: Sequence[str] | None = None,
    images: int = 48,
    traced: int = 16,
    measuring: int = 512,
    every: int = 1,
    patch: int = 1,
    seed: int = 1,
    progress: Progress = _quiet,
    keep: Path | None = None,
) -> Context:
    """Forces units on at every single cell of `images` images, and tells the effect by what was there.

    `units` is the concept's causal set; None takes those of best IoU with it on latents of their own.
    `values` replaces the constants k of these units. Each strength is one pass over all cells; those in
    `controls` (None: the first) have another pass, with random units at equal energy. The first `traced`
    images are followed through the later layers at the first strength. With `every` of 2 or more only one
    cell in so many is tried, in other places for each batch of images; the rest is NaN. `patch` forces a
    square of that many cells a side around the cell, where one cell is too small for the concept.

    Raises:
        GanatomyError: no such layer, concept, unit or strength; more images than there are latents for; the
            concept is not made by the generator.
    """
    from analysis.context.task import Task
    from analysis.shared.latent_ranges import FORCING, MEASURING, span
    from analysis.shared.stage_cache import StageCache

    inserted, _ = span(FORCING, images), span(MEASURING, measuring)
    place, wanted = generator.layer(layer), concept if isinstance(concept, str) else concept.name
    controls = tuple(strengths[:1] if controls is None else controls)
    _check(segmenter, wanted, strengths, controls, (images, measuring, every, patch))
    about = {
        "generator": generator.weights_sha256,
        "segmenter": getattr(segmenter, "weights_sha256", type(segmenter).__name__),
        "asked": [place.name, wanted, units, values, list(strengths), controls, images, traced],
        "measuring": [measuring, every, patch],
        "seed": seed,
    }
    task = Task(generator, segmenter, place, wanted, seed, progress, StageCache(keep, about), patch)
    facts = task.unit_facts(measuring)
    chosen = task.chosen(facts, units)
    forcings = {name: _values(facts, chosen, name, values) for name in strengths}
    measured = task.measured(facts, chosen, forcings, controls, images, min(traced, images), every)
    return Context(
        layer=place.name,
        concept=wanted,
        strengths=tuple(strengths),
        units=tuple(chosen),
        values=forcings,
        latents=inserted,
        measured=measured,
        patch=patch,
        facts={"tail_passes": int(np.isfinite(measured.effect).sum() + np.isfinite(measured.random).sum())},
    )


def _check(
    segmenter: Segmenter,
    concept: str,
    strengths: Sequence[str],
    controls: Sequence[str],
    sizes: Sequence[int],
) -> None:
    from analysis.context.forced_units import STRENGTHS

    concept_index(segmenter.concepts, concept)
    wrong = [name for name in strengths if name not in STRENGTHS]
    wrong += [name for name in controls if name not in strengths]
    if wrong or not strengths:
        raise GanatomyError(
            f"'{', '.join(wrong)}' is no strength; choose from {', '.join(STRENGTHS)}, controls among them."
        )
    if min(sizes) < 1:
        raise GanatomyError("An insertion needs images and cells to insert into; ask for 1 or more.")


def _values(
    facts: UnitFacts, units: list[int], strength: str, given: Sequence[float] | None
) -> NDArray[np.float64]:
    if given is None or strength == "q99":
        return facts.values(strength)[units]
    if len(given) != len(units):
        raise GanatomyError(f"{len(given)} values do not fit {len(units)} units; give one for each.")
    return np.asarray(given, np.float64) * (2 if strength == "2k" else 1)
