"""The addresses of the HTTP API: what each takes, and the question that it asks of the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from analysis.shared.errors import GanatomyError
from db.queries import artifacts, causes, concepts, context, runs
from db.store import Snapshot
from jobs.api import records

MOST_UNITS = 100_000  # of one concept; a page of them is what is sent
Asked = Mapping[str, str]


class MissingError(GanatomyError):
    """What an address names is not in the store."""


@dataclass(frozen=True)
class Endpoint:
    """One address, which answers with a list of records."""

    path: str
    record: type
    about: str
    answer: Callable[[Snapshot, Asked], pd.DataFrame]
    takes: Mapping[str, str] = field(default_factory=dict)  # query parameters and what they mean


def run_row(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """The row of a run. Raises `MissingError` without one."""
    every = runs.runs(snapshot, None)
    found = every[every["run_id"] == run_id]
    if found.empty:
        raise MissingError(f"There is no run {run_id} in this store; /api/runs lists the runs.")
    return found


def _layer(snapshot: Snapshot, asked: Asked) -> None:
    run_row(snapshot, asked["run_id"])
    known = runs.layers(snapshot, asked["run_id"])["layer"].tolist()
    if asked["layer"] not in known:
        raise MissingError(
            f"Run {asked['run_id']} has no layer {asked['layer']}; it has {', '.join(known) or 'none'}."
        )


def unit_row(snapshot: Snapshot, asked: Asked) -> pd.DataFrame:
    """The row of a unit. Raises `MissingError` without one."""
    _layer(snapshot, asked)
    every = runs.units(snapshot, asked["run_id"], asked["layer"])
    number = asked["unit"]
    known = number.isascii() and number.isdigit() and len(number) < 10
    found = every[every["unit"] == int(number)] if known else every.head(0)
    if found.empty:
        raise MissingError(
            f"{asked['layer']} has units 0 to {len(every) - 1}; there is no unit {number[:20]}."
        )
    return found


def concept_row(snapshot: Snapshot, asked: Asked) -> pd.DataFrame:
    """The row of a concept of a run. Raises `MissingError` without one."""
    run_row(snapshot, asked["run_id"])
    every = concepts.concepts(snapshot, asked["run_id"])
    found = every[every["concept"] == asked["concept"]]
    if found.empty:
        known = ", ".join(every["concept"]) or "none"
        raise MissingError(f"Run {asked['run_id']} knows no concept {asked['concept']}; it knows {known}.")
    return found


def _of_kind(kind: str, question: Callable[[Snapshot, str], pd.DataFrame]) -> Callable[..., pd.DataFrame]:
    def answer(snapshot: Snapshot, asked: Asked) -> pd.DataFrame:
        own = str(run_row(snapshot, asked["run_id"])["kind"].iloc[0])
        if own != kind:
            raise MissingError(f"Run {asked['run_id']} is of kind {own}; this address is for kind {kind}.")
        return question(snapshot, asked["run_id"])

    return answer


def _runs(snapshot: Snapshot, asked: Asked) -> pd.DataFrame:
    return runs.runs(snapshot, asked.get("kind") or None)


def _layers(snapshot: Snapshot, asked: Asked) -> pd.DataFrame:
    run_row(snapshot, asked["run_id"])
    return runs.layers(snapshot, asked["run_id"])


def _concepts(snapshot: Snapshot, asked: Asked) -> pd.DataFrame:
    run_row(snapshot, asked["run_id"])
    return concepts.concepts(snapshot, asked["run_id"])


def _units(snapshot: Snapshot, asked: Asked) -> pd.DataFrame:
    _layer(snapshot, asked)
    found = runs.units(snapshot, asked["run_id"], asked["layer"])
    if concept := asked.get("concept"):
        concept_row(snapshot, asked)
        found = found[found["concept"] == concept]
    return found[found["detector"].fillna(False).astype(bool)] if truth(asked, "detectors") else found


def truth(asked: Asked, name: str) -> bool:
    """A parameter that is true or false. Raises `GanatomyError` for other text."""
    said = asked.get(name, "false")
    if said not in ("true", "false"):
        raise GanatomyError(f"The parameter {name} is {said}; it can be true or false.")
    return said == "true"


def _unit_concepts(snapshot: Snapshot, asked: Asked) -> pd.DataFrame:
    unit_row(snapshot, asked)
    return runs.unit_concepts(snapshot, asked["run_id"], asked["layer"], int(asked["unit"]))


def _top_images(snapshot: Snapshot, asked: Asked) -> pd.DataFrame:
    unit_row(snapshot, asked)
    return runs.top_images(snapshot, asked["run_id"], asked["layer"], int(asked["unit"]))


def _concept_units(snapshot: Snapshot, asked: Asked) -> pd.DataFrame:
    concept_row(snapshot, asked)
    return concepts.units(snapshot, asked["run_id"], asked["concept"], MOST_UNITS)


def _artifact_units(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    return pd.concat(
        [
            artifacts.ranked(snapshot, run_id, name).assign(ranking=name)
            for name in artifacts.rankings(snapshot, run_id)
        ]
    )


_RUN = "/api/runs/{run_id}"
_UNITS = f"{_RUN}/layers/{{layer}}/units"
ENDPOINTS: Sequence[Endpoint] = (
    Endpoint(
        "/api/runs",
        records.Run,
        "Every run, newest first.",
        _runs,
        {"kind": "only runs of this kind: dissection, causes, context, artifacts"},
    ),
    Endpoint(_RUN, records.Run, "One run.", lambda s, asked: run_row(s, asked["run_id"])),
    Endpoint(f"{_RUN}/layers", records.Layer, "The layers of a run, in the generator's order.", _layers),
    Endpoint(f"{_RUN}/concepts", records.Concept, "The concepts of a run, most detected first.", _concepts),
    Endpoint(
        f"{_RUN}/concepts/{{concept}}/units",
        records.Agreement,
        "The units of all layers that agree best with a concept, detectors first.",
        _concept_units,
    ),
    Endpoint(
        _UNITS,
        records.Unit,
        "The units of a layer under their names, the largest lift first.",
        _units,
        {"concept": "only units named after this concept", "detectors": "true for detectors only"},
    ),
    Endpoint(f"{_UNITS}/{{unit}}", records.Unit, "One unit.", unit_row),
    Endpoint(
        f"{_UNITS}/{{unit}}/concepts",
        records.Agreement,
        "One unit beside every concept, the largest lift first.",
        _unit_concepts,
    ),
    Endpoint(
        f"{_UNITS}/{{unit}}/images",
        records.TopImage,
        "The images that activate a unit most.",
        _top_images,
    ),
    Endpoint(
        f"{_RUN}/causes",
        records.Cause,
        "The units of a causes run, the largest alpha first.",
        _of_kind("causes", causes.rankings),
    ),
    Endpoint(
        f"{_RUN}/causes/summary",
        records.CauseSummary,
        "What a causes run found, one row per segmenter.",
        _of_kind("causes", causes.summary),
    ),
    Endpoint(
        f"{_RUN}/causes/curves",
        records.Curve,
        "Effects of a causes run against the number of units, by ranking and edit.",
        _of_kind("causes", causes.curves),
    ),
    Endpoint(
        f"{_RUN}/context",
        records.Context,
        "Effects of insertions by what was there before, by strength.",
        _of_kind("context", context.contexts),
    ),
    Endpoint(
        f"{_RUN}/context/summary",
        records.ContextSummary,
        "What insertions change on average, one row per strength.",
        _of_kind("context", context.summary),
    ),
    Endpoint(
        f"{_RUN}/artifacts",
        records.ArtifactUnit,
        "The units of an artifacts run, by ranking, worst first.",
        _of_kind("artifacts", _artifact_units),
    ),
    Endpoint(
        f"{_RUN}/artifacts/effects",
        records.ArtifactEffect,
        "Distances to the reference before and after units are switched off.",
        _of_kind("artifacts", artifacts.effects),
    ),
)
SINGLE = (_RUN, f"{_UNITS}/{{unit}}")  # these answer with one record
PICTURE = f"{_UNITS}/{{unit}}/picture.png"
