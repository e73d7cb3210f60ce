"""The questions that pages ask, by name: each takes a snapshot and returns a data frame.

A unit is named under a `NamingRule`: by its lift over controls, or as the paper does.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by

from db.queries.answers import remembered
from db.schema.base import concept, generator, layer, run, segmenter
from db.schema.dissection import unit, unit_concept, unit_image
from db.schema.naming_rule import NamingRule
from db.schema.views import labels, layer_concept, layer_summary, random_twin, unit_label
from db.store import Snapshot


@remembered
def runs(snapshot: Snapshot, kind: str | None = None) -> pd.DataFrame:
    """Every run, or those of one kind, newest first.

    Beside the run's row: its units, detectors and the distinct concepts of these; `twin_detectors`, the
    detectors of the same generator with random weights (NULL where these were not dissected); and `control`,
    which is "none" unless the run is a baseline itself.
    """
    tally, twins = _tally().subquery("tally"), _twins().subquery("twins")
    joined = run.outerjoin(tally, run.c.run_id == tally.c.run_id).outerjoin(
        twins, run.c.run_id == twins.c.run_id
    )
    counts = [tally.c.units, tally.c.detectors, tally.c.detected_concepts]
    control = sa.func.coalesce(sa.func.json_extract_string(run.c.settings, "$.control"), "none")
    beside = [twins.c.twin_detectors, control.label("control")]
    newest = sa.select(run, *counts, *beside).select_from(joined)
    newest = newest if kind is None else newest.where(run.c.kind == kind)
    frame = snapshot.read(newest.order_by(run.c.started_at.desc(), run.c.run_id))
    names = ["units", "detectors", "detected_concepts"]
    return frame.assign(**frame[names].fillna(0).astype(int))


@remembered
def naming_models(snapshot: Snapshot) -> pd.DataFrame:
    """Which run names which model: role, name, run_id and kind, newest run first.

    A second segmenter counts as a segmenter.
    """
    second = sa.func.json_extract_string(run.c.settings, "$.second_segmenter")
    named = (("generator", run.c.generator), ("segmenter", run.c.segmenter), ("segmenter", second))
    parts = [
        sa.select(
            sa.literal(role).label("role"), name.label("name"), run.c.run_id, run.c.kind, run.c.started_at
        ).where(name.is_not(None))
        for role, name in named
    ]
    found = sa.union(*parts).subquery()
    newest = (found.c.started_at.desc(), found.c.run_id)
    return snapshot.read(
        sa.select(found.c.role, found.c.name, found.c.run_id, found.c.kind).order_by(*newest)
    )


def _tally() -> sa.Select[Any]:
    """Units and detectors of each run."""
    c, named = unit_label.c, NamingRule().of_rows(unit_label)
    chosen = sa.select(
        c.run_id,
        sa.func.count().label("units"),
        sa.func.count().filter(named).label("detectors"),
        sa.func.count(sa.distinct(c.concept)).filter(named).label("detected_concepts"),
    )
    return chosen.group_by(c.run_id)


def _twins() -> sa.Select[Any]:
    """Detectors of each run's random twin, in the layers that the run has."""
    c, named = unit_label.c, NamingRule().of_rows(unit_label)
    same = (c.run_id == random_twin.c.twin_run_id) & (c.layer == layer.c.layer)
    joined = random_twin.join(layer, layer.c.run_id == random_twin.c.run_id).join(unit_label, same)
    many = sa.func.count().filter(named).label("twin_detectors")
    chosen = sa.select(random_twin.c.run_id, many).select_from(joined)
    return chosen.group_by(random_twin.c.run_id)


def generator_sha256(snapshot: Snapshot, run_id: str) -> str | None:
    """The hash of the generator that a run is of; None where the run is not there, or did not say."""
    found = snapshot.read(sa.select(run.c.generator_sha256).where(run.c.run_id == run_id))
    known = found["generator_sha256"].dropna()
    return str(known.iloc[0]) if len(known) else None


@remembered
def models(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """The run's generator and segmenter: role, title, licence."""
    parts = [
        sa.select(
            sa.literal(role).label("role"), table.c.name, table.c.title, table.c.family, table.c.licence
        ).where(table.c.run_id == run_id)
        for role, table in (("generator", generator), ("segmenter", segmenter))
    ]
    return snapshot.read(sa.union_all(*parts))


@remembered
def layers(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """The run's layers in the generator's order."""
    return snapshot.read(sa.select(layer).where(layer.c.run_id == run_id).order_by(layer.c.position))


@remembered
def concepts(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """The run's concepts, most frequent first."""
    chosen = sa.select(concept).where(concept.c.run_id == run_id)
    return snapshot.read(chosen.order_by(concept.c.frequency.desc(), concept.c.concept))


@remembered
def units(snapshot: Snapshot, run_id: str, layer_name: str, rule: NamingRule | None = None) -> pd.DataFrame:
    """The layer's units, the largest lift first: rows of unit_label, `passes` under the rule, and others.

    `also` lists the other concepts that the unit detects, the largest lift first, and `also_shown` the same
    with sides and lifts; NULL for none.
    """
    rule = rule or NamingRule()
    view, c = labels(rule), unit_concept.c
    other = sa.func.coalesce(c.detector, sa.false()) & ~sa.func.coalesce(c[rule.flag], sa.false())
    side = sa.case((c.side == "low", " (low)"), else_="")
    told = c.concept + side + sa.func.printf(" %.3f", c.lift)
    listed = [
        sa.func.string_agg(text, aggregate_order_by(sa.literal(", "), c.lift.desc())).label(name)
        for name, text in (("also", c.concept), ("also_shown", told))
    ]
    also = (
        sa.select(c.unit, *listed)
        .where(c.run_id == run_id, c.layer == layer_name, other)
        .group_by(c.unit)
        .subquery("also")
    )
    u = view.c
    chosen = sa.select(view, also.c.also, also.c.also_shown, rule.of_rows(view).label("passes"))
    chosen = chosen.select_from(view.outerjoin(also, also.c.unit == u.unit))
    chosen = chosen.where(u.run_id == run_id, u.layer == layer_name)
    return snapshot.read(chosen.order_by(u.lift.desc().nulls_last(), u.unit))


def twin(snapshot: Snapshot, run_id: str) -> str | None:
    """The dissection of the run's generator with random weights, or None."""
    chosen = sa.select(random_twin.c.twin_run_id).where(random_twin.c.run_id == run_id)
    found = snapshot.read(chosen)["twin_run_id"]
    return None if found.empty else str(found.iloc[0])


@remembered
def intervals(snapshot: Snapshot, run_id: str, layer_names: Sequence[str]) -> pd.DataFrame:
    """Each unit's IoU with its name and its interval, in some layers: iou, iou_low, iou_high."""
    u = unit_label.c
    chosen = sa.select(u.iou, u.iou_low, u.iou_high).where(u.run_id == run_id, u.layer.in_(layer_names))
    return snapshot.read(chosen)


@remembered
def layer_scores(snapshot: Snapshot, run_id: str, layer_name: str, concept_name: str) -> pd.DataFrame:
    """How each unit of the layer agrees with one concept, whatever its own name; the largest lift first."""
    c = unit_concept.c
    chosen = sa.select(unit_concept).where(
        c.run_id == run_id, c.layer == layer_name, c.concept == concept_name
    )
    return snapshot.read(chosen.order_by(c.lift.desc().nulls_last(), c.unit))


@remembered
def unit_concepts(snapshot: Snapshot, run_id: str, layer_name: str, unit: int) -> pd.DataFrame:
    """One unit beside every concept, the largest lift first."""
    c = unit_concept.c
    chosen = sa.select(unit_concept).where(c.run_id == run_id, c.layer == layer_name, c.unit == unit)
    return snapshot.read(chosen.order_by(c.lift.desc().nulls_last(), c.iou.desc().nulls_last(), c.concept))


@remembered
def top_images(snapshot: Snapshot, run_id: str, layer_name: str, unit: int) -> pd.DataFrame:
    """The images that activate the unit most, in order."""
    c = unit_image.c
    chosen = sa.select(unit_image).where(c.run_id == run_id, c.layer == layer_name, c.unit == unit)
    return snapshot.read(chosen.order_by(c.rank))


@remembered
def best_units(
    snapshot: Snapshot, run_id: str, layer_name: str, concept_name: str, n: int | None = None
) -> pd.DataFrame:
    """The layer's units that agree best with a concept, by their IoU on calibration images.

    The evaluation images had no part in the choice, so what they show of these units is not biased by it.
    Units whose low activations go with the concept are left out: to switch them off does not take it away.
    """
    c = unit_concept.c
    chosen = sa.select(c.unit, c.calibration_iou, c.iou, c.always_on, c.mask_iou).where(
        c.run_id == run_id,
        c.layer == layer_name,
        c.concept == concept_name,
        c.calibration_iou.is_not(None),
        sa.func.coalesce(c.side, "high") == "high",  # older runs have no other side
    )
    return snapshot.read(chosen.order_by(c.calibration_iou.desc(), c.unit).limit(n))


@remembered
def layer_concepts(snapshot: Snapshot, run_id: str, layer_name: str) -> pd.DataFrame:
    """The concepts that the layer's units were held against, by the lift of its best unit."""
    c = layer_concept.c
    chosen = sa.select(c.concept, c.category, c.best_iou, c.best_lift)
    chosen = chosen.where(c.run_id == run_id, c.layer == layer_name)
    return snapshot.read(chosen.order_by(c.best_lift.desc().nulls_last(), c.concept))


@remembered
def showpieces(snapshot: Snapshot, run_id: str, most: int = 6) -> pd.DataFrame:
    """The best detector of each concept, over all layers, the largest lift first."""
    u = unit_label.c
    place = sa.func.row_number().over(partition_by=u.concept, order_by=u.lift.desc())
    best = sa.select(unit_label, place.label("place")).where(
        u.run_id == run_id, NamingRule().of_rows(unit_label)
    )
    ranked = best.subquery()
    chosen = sa.select(ranked).where(ranked.c.place == 1).order_by(ranked.c.lift.desc())
    return snapshot.read(chosen.limit(most))


@remembered
def layer_counts(snapshot: Snapshot, run_id: str, rule: NamingRule) -> pd.DataFrame:
    """For each layer, in the generator's order: units, and how many are named, after how many concepts.

    `named` and `distinct_concepts` are those of the rule; `detectors`, `multiple` (units that detect several
    concepts) and `twin_detectors` those of the lift; `scored` are the concepts that units were held against.
    `dead` units are always 0, `constant` ones never vary.
    """
    view = labels(rule)
    passes = rule.of_rows(view)
    tally = (
        sa.select(
            view.c.layer,
            sa.func.count().filter(passes).label("named"),
            sa.func.count(sa.distinct(view.c.concept)).filter(passes).label("distinct_concepts"),
        )
        .where(view.c.run_id == run_id)
        .group_by(view.c.layer)
        .subquery()
    )
    p = layer_concept.c
    scored = (
        sa.select(p.layer, sa.func.count(sa.distinct(p.concept)).label("scored"))
        .where(p.run_id == run_id)
        .group_by(p.layer)
        .subquery()
    )
    a = unit.c
    still = (
        sa.select(
            a.layer,
            sa.func.count().filter(a.activity == "dead").label("dead"),
            sa.func.count().filter(a.activity == "constant").label("constant"),
        )
        .where(a.run_id == run_id)
        .group_by(a.layer)
        .subquery()
    )
    c = layer_summary.c
    facts = (c.layer, c.position, c.module_path, c.units, c.height, c.width)
    own = (c.detectors, c.multiple, c.like_groups, c.twin_detectors, c.best_lift, c.best_iou)
    here = (tally.c.named, tally.c.distinct_concepts, scored.c.scored, still.c.dead, still.c.constant)
    chosen = sa.select(*facts, *here, *own)
    joined = layer_summary.outerjoin(tally, c.layer == tally.c.layer)
    joined = joined.outerjoin(scored, c.layer == scored.c.layer)
    joined = joined.outerjoin(still, c.layer == still.c.layer)
    return snapshot.read(chosen.select_from(joined).where(c.run_id == run_id).order_by(c.position))


@remembered
def concept_counts(snapshot: Snapshot, run_id: str, rule: NamingRule) -> pd.DataFrame:
    """For each layer and concept: how many units it names under the rule, and the best of them."""
    view = labels(rule)
    u = view.c
    best = u.lift if rule.name == "lift" else u.iou
    chosen = (
        sa.select(
            u.layer,
            u.concept,
            u.category,
            sa.func.count().label("units"),
            sa.func.max(u.iou).label("best_iou"),
            sa.func.max(u.lift).label("best_lift"),
            sa.func.arg_max(u.unit, best).label("best_unit"),
            sa.func.max(u.always_on).label("always_on"),
            sa.func.max(u.mask_iou).label("mask_iou"),
        )
        .where(u.run_id == run_id, rule.of_rows(view))
        .group_by(u.layer, u.concept, u.category)
    )
    return snapshot.read(chosen.order_by(u.layer, sa.desc("units"), u.concept))
