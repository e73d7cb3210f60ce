"""The questions that pages ask, by name: each takes a snapshot and returns a data frame.

A unit is named under a `NamingRule`: the paper's cut on IoU, or the calibrated one.
"""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from db.schema.base import concept, generator, layer, run, segmenter
from db.schema.dissection import unit_concept, unit_image
from db.schema.naming_rule import NamingRule
from db.schema.views import unit_label
from db.store import Snapshot


def runs(snapshot: Snapshot, kind: str | None = None) -> pd.DataFrame:
    """Every run, or those of one kind, newest first.

    Beside the run's row: its units, named units and distinct concepts under the paper's rule.
    """
    named = NamingRule().of_rows(unit_label)
    tally = (
        sa.select(
            unit_label.c.run_id,
            sa.func.count().label("units"),
            sa.func.count().filter(named).label("named"),
            sa.func.count(sa.distinct(unit_label.c.concept)).filter(named).label("distinct_concepts"),
        )
        .group_by(unit_label.c.run_id)
        .subquery()
    )
    joined = run.outerjoin(tally, run.c.run_id == tally.c.run_id)
    newest = sa.select(run, tally.c.units, tally.c.named, tally.c.distinct_concepts).select_from(joined)
    newest = newest if kind is None else newest.where(run.c.kind == kind)
    frame = snapshot.read(newest.order_by(run.c.started_at.desc(), run.c.run_id))
    counts = ["units", "named", "distinct_concepts"]
    return frame.assign(**frame[counts].fillna(0).astype(int))


def models(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """The run's generator and segmenter: role, title, licence."""
    parts = [
        sa.select(
            sa.literal(role).label("role"), table.c.name, table.c.title, table.c.family, table.c.licence
        ).where(table.c.run_id == run_id)
        for role, table in (("generator", generator), ("segmenter", segmenter))
    ]
    return snapshot.read(sa.union_all(*parts))


def layers(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """The run's layers in the generator's order."""
    return snapshot.read(sa.select(layer).where(layer.c.run_id == run_id).order_by(layer.c.position))


def concepts(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """The run's concepts, most frequent first."""
    chosen = sa.select(concept).where(concept.c.run_id == run_id)
    return snapshot.read(chosen.order_by(concept.c.frequency.desc(), concept.c.concept))


def units(snapshot: Snapshot, run_id: str, layer_name: str, rule: NamingRule | None = None) -> pd.DataFrame:
    """The layer's units, best IoU first: rows of unit_label, and `passes` under the rule."""
    u = unit_label.c
    chosen = sa.select(unit_label, (rule or NamingRule()).of_rows(unit_label).label("passes"))
    chosen = chosen.where(u.run_id == run_id, u.layer == layer_name)
    return snapshot.read(chosen.order_by(u.iou.desc().nulls_last(), u.unit))


def intervals(snapshot: Snapshot, run_id: str, layer_names: Sequence[str]) -> pd.DataFrame:
    """Each unit's IoU with its name and its interval, in some layers: iou, iou_low, iou_high."""
    u = unit_label.c
    chosen = sa.select(u.iou, u.iou_low, u.iou_high).where(u.run_id == run_id, u.layer.in_(layer_names))
    return snapshot.read(chosen)


def layer_scores(snapshot: Snapshot, run_id: str, layer_name: str, concept_name: str) -> pd.DataFrame:
    """How each unit of the layer agrees with one concept, whatever its own name is; best first."""
    c = unit_concept.c
    chosen = sa.select(unit_concept).where(
        c.run_id == run_id, c.layer == layer_name, c.concept == concept_name
    )
    return snapshot.read(chosen.order_by(c.iou.desc().nulls_last(), c.unit))


def unit_concepts(snapshot: Snapshot, run_id: str, layer_name: str, unit: int) -> pd.DataFrame:
    """One unit beside every concept, best IoU first."""
    c = unit_concept.c
    chosen = sa.select(unit_concept).where(c.run_id == run_id, c.layer == layer_name, c.unit == unit)
    return snapshot.read(chosen.order_by(c.iou.desc().nulls_last(), c.concept))


def top_images(snapshot: Snapshot, run_id: str, layer_name: str, unit: int) -> pd.DataFrame:
    """The images that activate the unit most, in order."""
    c = unit_image.c
    chosen = sa.select(unit_image).where(c.run_id == run_id, c.layer == layer_name, c.unit == unit)
    return snapshot.read(chosen.order_by(c.rank))


def best_units(
    snapshot: Snapshot, run_id: str, layer_name: str, concept_name: str, n: int | None = None
) -> pd.DataFrame:
    """The layer's units that agree best with a concept, by their IoU on calibration images.

    The evaluation images had no part in the choice, so what they show of these units is not biased by it.
    """
    c = unit_concept.c
    chosen = sa.select(c.unit, c.calibration_iou, c.iou, c.always_on, c.mask_iou).where(
        c.run_id == run_id, c.layer == layer_name, c.concept == concept_name, c.calibration_iou.is_not(None)
    )
    return snapshot.read(chosen.order_by(c.calibration_iou.desc(), c.unit).limit(n))


def layer_concepts(snapshot: Snapshot, run_id: str, layer_name: str) -> pd.DataFrame:
    """The concepts that the layer's units were beside, by how far its best unit is above always-on."""
    c = unit_concept.c
    above = sa.func.max(c.iou - sa.func.coalesce(c.always_on, 0.0)).label("above")
    chosen = sa.select(c.concept, c.category, sa.func.max(c.iou).label("best_iou"), above)
    chosen = chosen.where(c.run_id == run_id, c.layer == layer_name, c.iou.is_not(None))
    return snapshot.read(chosen.group_by(c.concept, c.category).order_by(sa.desc("above"), c.concept))


def showpieces(snapshot: Snapshot, run_id: str, most: int = 6) -> pd.DataFrame:
    """The best unit of each concept, over all layers, furthest above its concept's always-on score first."""
    u = unit_label.c
    above = u.iou - sa.func.coalesce(u.always_on, 0.0)
    place = sa.func.row_number().over(partition_by=u.concept, order_by=above.desc())
    best = sa.select(unit_label, above.label("above"), place.label("place")).where(
        u.run_id == run_id, u.named
    )
    ranked = best.subquery()
    chosen = sa.select(ranked).where(ranked.c.place == 1).order_by(ranked.c.above.desc())
    return snapshot.read(chosen.limit(most))


def layer_counts(snapshot: Snapshot, run_id: str, rule: NamingRule) -> pd.DataFrame:
    """For each layer, in the generator's order: units, named units and distinct concepts under the rule."""
    passes = rule.of_rows(unit_label)
    tally = (
        sa.select(
            unit_label.c.layer,
            sa.func.count().filter(passes).label("named"),
            sa.func.count(sa.distinct(unit_label.c.concept)).filter(passes).label("distinct_concepts"),
            sa.func.count().filter(passes & unit_label.c.detector).label("detectors"),
            sa.func.max(unit_label.c.iou).label("best_iou"),
        )
        .where(unit_label.c.run_id == run_id)
        .group_by(unit_label.c.layer)
        .subquery()
    )
    c = layer.c
    facts = (c.layer, c.position, c.module_path, c.units, c.height, c.width)
    chosen = sa.select(*facts, tally.c.named, tally.c.distinct_concepts, tally.c.detectors)
    chosen = chosen.add_columns(tally.c.best_iou)
    joined = layer.outerjoin(tally, c.layer == tally.c.layer)
    return snapshot.read(chosen.select_from(joined).where(c.run_id == run_id).order_by(c.position))


def concept_counts(snapshot: Snapshot, run_id: str, rule: NamingRule) -> pd.DataFrame:
    """For each layer and concept: how many units it names under the rule, and the best of them."""
    u = unit_label.c
    chosen = (
        sa.select(
            u.layer,
            u.concept,
            u.category,
            sa.func.count().label("units"),
            sa.func.max(u.iou).label("best_iou"),
            sa.func.arg_max(u.unit, u.iou).label("best_unit"),
            sa.func.max(u.always_on).label("always_on"),
            sa.func.max(u.mask_iou).label("mask_iou"),
        )
        .where(u.run_id == run_id, rule.of_rows(unit_label))
        .group_by(u.layer, u.concept, u.category)
    )
    return snapshot.read(chosen.order_by(u.layer, sa.desc("units"), u.concept))
