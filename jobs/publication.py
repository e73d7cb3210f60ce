"""Publish what was found in Python, such as in a notebook, so that it is on every page of a store.

    from analysis import dissect
    from jobs.publication import publish

    result = dissect(generator, segmenter, images=1000, calibration=500)
    publish(result, "store", generator=generator, segmenter=segmenter, name="my-gan", owner="ada")

Edits are rendered where the same generator is registered under that name (`ganatomy models add`). Elsewhere
pages show everything but those pictures, and say why.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from analysis.artifacts.artifacts import Artifacts
from analysis.causes.causes import Causes
from analysis.context.context import Context
from analysis.dissection.dissection import Dissection, describe
from analysis.models import generators, segmenters
from analysis.models.catalogue import ModelInfo, check_name
from analysis.models.inputs import Inputs
from analysis.shared import latent_ranges
from analysis.shared.arrays import Arrays
from analysis.shared.errors import GanatomyError
from db import store as stores
from db.layout import Layout
from db.queries import causes as queries
from db.store import bundles
from db.times import utc_now
from jobs.kinds import catalogue
from jobs.kinds.base import run_id
from jobs.kinds.requests import KINDS, parse
from jobs.system.live import JsonObject
from jobs.tasks import provenance
from jobs.tasks.context import Stored

if TYPE_CHECKING:
    from analysis.models.generator import Generator
    from analysis.models.segmenter import Segmenter

Study = Dissection | Causes | Context | Artifacts
COMMANDS = {Dissection: "dissect", Causes: "ace", Context: "context", Artifacts: "artifacts"}
Facts = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Found:
    """A result with what its run says of it."""

    tables: dict[str, pd.DataFrame]
    arrays: dict[str, Arrays]
    seed: int
    settings: JsonObject  # as a request has them, without the models
    about: dict[str, Any]  # further columns of table `run`


def publish(
    result: Study,
    store: str | Path,
    *,
    generator: Generator | None = None,
    segmenter: Segmenter | None = None,
    name: str | None = None,
    parent: str | None = None,
    owner: str = "anyone",
    project: str = "default",
) -> str:
    """Make a study's result a run of a store, which every page shows; returns the run's id.

    A dissection that a job could have made has the id of that job's run. Publishing twice makes one run.

    Args:
        result: what `dissect`, `ace`, `insertion_context` or `rank_artifacts` returned.
        store: the store's folder; a new one is made.
        generator: the generator of the study. A dissection knows it, unless inputs were chosen.
        segmenter: the segmenter of the study. A dissection knows it, and artifacts need none.
        name: what pages call the generator, by default its own name: lower-case letters, digits, - and _.
        parent: the dissection that a study of one layer stands on, by default the newest that fits.
        owner: who made it.
        project: a word to group runs by.

    Raises:
        GanatomyError: the name cannot be one, or another generator is registered under it; the generator or
            segmenter is not that of the result; or they are missing.
    """
    kind = KINDS[_command(result)]
    layout = Layout.create(store)
    facts = _facts(result, generator, segmenter)
    facts["generator"]["name"] = check_name(name or str(facts["generator"]["name"]))
    inputs = _inputs(layout, str(facts["generator"]["name"]), generator)
    identity = _identity(result, generator)
    known = [
        _registered_generator(layout, facts, identity, inputs),
        _registered_segmenter(layout, facts),
    ]
    for role, info in zip(("generator", "segmenter"), known, strict=True):
        if info is not None:
            facts[role] |= {key: getattr(info, key) for key in ("family", "title", "licence")}
    found = _found(result)
    names = {"generator": facts["generator"]["name"], "segmenter": facts["segmenter"]["name"]}
    names["inputs"] = str(inputs) or None
    run = _run(found, kind.command, {**names, "owner": owner, "project": project}, facts, known)
    if catalogue.finished(layout, run.run_id):
        return run.run_id
    if kind.name != "dissection":
        run.row["parent_run_id"] = parent or _parent(layout, names, str(found.about["layers"]))
    now = utc_now()
    row = run.row | {
        "run_id": run.run_id,
        "kind": kind.name,
        "state": "final",
        **names,
        "seed": found.seed,
        "device": str(generator.device) if generator is not None else None,
        "owner": owner,
        "project": project,
        "started_at": now,
        "finished_at": now,
        "generator_sha256": facts["generator"]["weights_sha256"],
        "segmenter_sha256": facts["segmenter"]["weights_sha256"],
        **provenance.columns(),
        **found.about,
    }
    tables = found.tables | {role: pd.DataFrame([about]) for role, about in facts.items()}
    bundles.write(layout, row, tables, found.arrays)
    stores.publish(layout, [run.run_id])
    return run.run_id


@dataclass(frozen=True)
class _Run:
    run_id: str
    row: dict[str, Any]


def _command(result: Study) -> str:
    for kind, command in COMMANDS.items():
        if isinstance(result, kind):
            return command
    raise GanatomyError(
        f"A {type(result).__name__} cannot be published; give what dissect, ace, insertion_context or "
        "rank_artifacts returned."
    )


def _facts(result: Study, generator: Generator | None, segmenter: Segmenter | None) -> Facts:
    """The rows about generator and segmenter."""
    if isinstance(result, Dissection):
        facts: Facts = {role: dict(result.facts[role]) for role in ("generator", "segmenter")}
        if segmenter is not None and generator is not None:
            given = describe(generator, segmenter)
            if given["segmenter"]["weights_sha256"] != facts["segmenter"]["weights_sha256"]:
                raise GanatomyError("The result is of another segmenter than the one given; give its own.")
            facts["generator"]["name"] = given["generator"]["name"]
    elif generator is None or (segmenter is None and not isinstance(result, Artifacts)):
        raise GanatomyError(
            f"{type(result).__name__} does not hold its models; give publish generator= and segmenter=."
        )
    elif segmenter is None:
        name = str(result.about["extractor"]) if isinstance(result, Artifacts) else ""
        facts = describe(generator, _Nobody(name))  # type: ignore[arg-type]
    else:
        facts = describe(generator, segmenter)
    facts["segmenter"]["weights_sha256"] = facts["segmenter"]["weights_sha256"] or facts["segmenter"]["name"]
    return facts


@dataclass(frozen=True)
class _Nobody:
    """In the place of the segmenter of a study that used features of another network."""

    name: str
    concepts: tuple[()] = ()


def _identity(result: Study, generator: Generator | None) -> str:
    """The identity of the study's generator."""
    if not isinstance(result, Dissection):
        assert generator is not None
        return generator.identity
    own = str(result.evaluation_counts.about["generator"])
    if generator is not None and generator.identity != own:
        raise GanatomyError("The result is of another generator than the one given; give its own.")
    return own


def _inputs(layout: Layout, name: str, generator: Generator | None) -> Inputs:
    """The generator's inputs; where it is not given, those that the one of its name has by itself."""
    if generator is not None:
        return generator.inputs
    if not catalogue.is_known(layout, "generator", name):
        return Inputs()
    return Inputs.parse(generators.describe(name, layout.models).inputs)


def _registered_generator(layout: Layout, facts: Facts, identity: str, inputs: Inputs) -> ModelInfo | None:
    """The model of that name in the store, if there is one: pages render edits with it.

    Raises:
        GanatomyError: it is another generator, so pages would show wrong pictures.
    """
    name = str(facts["generator"]["name"])
    if not catalogue.is_known(layout, "generator", name):
        return None
    info = generators.describe(name, layout.models)
    catalogue.must_be_here(layout, info)
    if generators.load(name, layout.models, "cpu", inputs, exact=True).identity != identity:
        raise GanatomyError(
            f"The store has another generator '{name}', or one with other inputs; publish under another "
            "name, as name='my-gan', or give publish generator=."
        )
    return info


def _registered_segmenter(layout: Layout, facts: Facts) -> ModelInfo | None:
    """The segmenter of that name, if there is one with these weights."""
    name = str(facts["segmenter"]["name"])
    if not catalogue.is_known(layout, "segmenter", name) or not segmenters.ready(name, layout.models):
        return None
    loaded = segmenters.load(name, layout.models)
    same = getattr(loaded, "weights_sha256", None) == facts["segmenter"]["weights_sha256"]
    return segmenters.describe(name, layout.models) if same else None


def _run(found: Found, command: str, models: JsonObject, facts: Facts, known: list[ModelInfo | None]) -> _Run:
    """The run's id, and its settings as a job has them.

    A dissection that a request can ask for, of registered models, has the id of that request.
    """
    asked = found.settings | models | {"seed": found.seed}
    content = {name: value for name, value in asked.items() if name not in ("owner", "project")}
    info = [each for each in known if each is not None]
    if command == "dissect" and len(info) == len(known) and "bins" not in found.settings:
        request = parse(command, asked)
        keys = map(catalogue.weights_key, info)
        settings = request.model_dump(mode="json")
        return _Run(
            run_id(str(models["generator"]), command, request.content(), *keys),
            {"settings": json.dumps(settings, sort_keys=True)},
        )
    hashes = [str(facts[role]["weights_sha256"]) for role in ("generator", "segmenter")]
    name = run_id(str(models["generator"]), command, content, *hashes, _digest(found.tables))
    return _Run(name, {"settings": json.dumps(asked, sort_keys=True, default=str)})


def _digest(tables: Mapping[str, pd.DataFrame]) -> str:
    """A hash of every number, since a study in Python may have been given anything."""
    digest = hashlib.sha256()
    for name in sorted(tables):
        digest.update(name.encode() + tables[name].to_csv(index=False).encode())
    return digest.hexdigest()


def _parent(layout: Layout, names: JsonObject, layer: str) -> str | None:
    """The newest dissection of the same models, with the same inputs and this layer."""
    if not layout.current.exists():
        return None
    models = (str(names["generator"]), str(names["segmenter"]))
    found = queries.dissections(stores.open(layout), *models, layer)
    given = [text if isinstance(text, str) and text else None for text in found["inputs"]]
    runs = zip(found["run_id"], given, strict=True)
    return next((str(run) for run, inputs in runs if inputs == names["inputs"]), None)


def _found(result: Study) -> Found:
    if isinstance(result, Dissection):
        return _of_dissection(result)
    if isinstance(result, Causes):
        images = result.images
        latents = latent_ranges.lane(latent_ranges.TESTING, 0, images)
        hand = result.rankings.get("hand")
        more = {"concept": result.concept, "marked": None if hand is None else ",".join(map(str, hand))}
    elif isinstance(result, Context):
        images, latents = result.latents[1] - result.latents[0], result.latents
        more = {"concept": result.concept, "units": ",".join(map(str, result.units))}
    else:
        images = result.settings.images
        latents = latent_ranges.span(latent_ranges.SCORING, images)
        more = {"reference": str(result.about["reference"]), "marked": None}
    settings = dataclasses.asdict(result.settings) | {"layer": result.layer} | more
    about = {"layers": result.layer, "images": images}
    about |= {"evaluation_start": latents[0], "evaluation_stop": latents[1]}
    stored = Stored(result) if isinstance(result, Context) else result
    return Found(result.tables(), stored.arrays(), result.seed, settings, about)


def _of_dissection(result: Dissection) -> Found:
    plan, counts = result.plan, result.evaluation_counts
    (a, b), (c, d) = result.calibration, result.evaluation
    height, width = counts.grid
    settings: JsonObject = {
        "images": d - c,
        "calibration": b - a,
        "threshold": plan.threshold,
        "sides": plan.sides,
        "compositions": plan.compositions,
        "layers": list(counts.layers),
        "control": "none" if plan.rotation is None else "rotation",
        "second_segmenter": None,
        "device": "auto",
    }
    usual = type(plan).make(d - c, b - a, plan.seed, plan.layers, plan.threshold)
    rotation = None if plan.rotation is None else plan.seed
    usual = dataclasses.replace(usual, sides=plan.sides, compositions=plan.compositions, rotation=rotation)
    if plan != usual:  # what only Python can ask for
        settings |= {"bins": plan.bins, "naming": plan.naming, "level": plan.level}
        settings |= {"latents": [[a, b], [c, d]], "rotation": plan.rotation}
    about = {
        "layers": ",".join(counts.layers),
        "images": counts.images,
        "calibration": result.calibration_counts.images,
        "calibration_start": a,
        "calibration_stop": b,
        "evaluation_start": c,
        "evaluation_stop": d,
        "threshold_rule": str(plan.threshold),
        "grid_height": height,
        "grid_width": width,
    }
    return Found(result.tables(), result.arrays(), plan.seed, settings, about)
