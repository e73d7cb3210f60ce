"""The questions that pages ask about causes: runs that stand on a dissection, and what they found."""

from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from db.queries.answers import remembered
from db.schema.base import layer, run
from db.schema.causes import (
    ace_curve,
    ace_learning,
    ace_overlap,
    ace_summary,
    ace_unit,
    side_effect,
    unit_effect,
)
from db.schema.dissection import unit_concept
from db.store import Snapshot


@remembered
def dissections(snapshot: Snapshot, generator: str, segmenter: str, layer_name: str) -> pd.DataFrame:
    """The finished dissections of two models that have a layer, newest first: run_id, inputs."""
    has = sa.select(layer.c.run_id).where(layer.c.layer == layer_name)
    c = run.c
    chosen = sa.select(c.run_id, c.inputs).where(
        c.kind == "dissection",
        c.state == "final",
        c.generator == generator,
        c.segmenter == segmenter,
        c.run_id.in_(has),
    )
    return snapshot.read(chosen.order_by(c.started_at.desc(), c.run_id))


def calibration_iou(
    snapshot: Snapshot, run_id: str, layer_name: str, concept: str
) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """The IoU of each unit of a layer with a concept on calibration images, shape (units,).

    It is 0 where the pair has no threshold, and where low activations go with the concept: these are not
    what an insertion sets.
    """
    c, y = unit_concept.c, layer.c
    width = snapshot.read(sa.select(y.units).where(y.run_id == run_id, y.layer == layer_name))
    pairs = sa.select(c.unit, c.calibration_iou).where(
        c.run_id == run_id,
        c.layer == layer_name,
        c.concept == concept,
        c.calibration_iou.is_not(None),
        sa.func.coalesce(c.side, "high") == "high",  # older runs have no other side
    )
    rows = snapshot.read(pairs)
    found = np.zeros(int(width.units[0]))
    found[rows.unit.to_numpy()] = rows.calibration_iou.to_numpy()
    return found


@remembered
def causes(snapshot: Snapshot) -> pd.DataFrame:
    """Every run of causes, newest first: the run's row, with its layer, concept and top units."""
    s = ace_summary.c
    about = sa.select(s.run_id, s.layer, s.concept, sa.func.max(s.top_units).label("top_units"))
    found = about.group_by(s.run_id, s.layer, s.concept).subquery()
    facts = sa.select(run, found.c.layer, found.c.concept, found.c.top_units)
    joined = run.join(found, run.c.run_id == found.c.run_id)
    return snapshot.read(facts.select_from(joined).order_by(run.c.started_at.desc(), run.c.run_id))


@remembered
def rankings(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """The units of a causes run, largest alpha first.

    The columns are alpha with its range over seeds and its rank, the values that the edits set the unit to,
    the effects of ablating the unit alone (those of inserting it begin with insert_), the parent's IoU on
    calibration images, and the ranks by the other two rankings.
    """
    a, p = ace_unit, unit_concept
    off, on, both = unit_effect.alias(), unit_effect.alias(), unit_effect.alias()
    same_iou = (
        (p.c.run_id == run.c.parent_run_id)
        & (p.c.layer == a.c.layer)
        & (p.c.unit == a.c.unit)
        & (p.c.concept == a.c.concept)
    )
    iou_rank = sa.func.rank().over(order_by=p.c.calibration_iou.desc().nulls_last())
    columns = [column for name, column in a.c.items() if name not in ("run_id", "layer", "concept")]
    alone = (off.c.choosing_effect, off.c.effect, off.c.effect_low, off.c.effect_high, off.c.relative_effect)
    inserted = [
        on.c[name].label(f"insert_{name}") for name in ("choosing_effect", "effect_low", "effect_high")
    ]
    places = (both.c.rank.label("single_rank"), iou_rank.label("iou_rank"))
    chosen = sa.select(*columns, *alone, *inserted, p.c.calibration_iou, p.c.iou, *places)
    joined = (
        a.join(run, run.c.run_id == a.c.run_id)
        .outerjoin(off, _alone(off, "ablate"))
        .outerjoin(on, _alone(on, "insert"))
        .outerjoin(both, _alone(both, "both"))
        .outerjoin(p, same_iou)
    )
    return snapshot.read(chosen.select_from(joined).where(a.c.run_id == run_id).order_by(a.c.rank))


def _alone(e: sa.FromClause, edit: str) -> sa.ColumnElement[bool]:
    """Joins what an edit of the unit alone does to the concept of table ace_unit."""
    a = ace_unit.c
    return (a.run_id == e.c.run_id) & (a.unit == e.c.unit) & (a.concept == e.c.concept) & (e.c.edit == edit)


@remembered
def curves(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """The effects of a causes run against the number of units, by ranking and edit."""
    c = ace_curve.c
    return snapshot.read(sa.select(ace_curve).where(c.run_id == run_id).order_by(c.edit, c.ranking, c.units))


@remembered
def side_effects(snapshot: Snapshot, run_ids: list[str], edit: str) -> pd.DataFrame:
    """What editing the causes of these runs' concepts does to every concept, by one edit."""
    c = side_effect.c
    chosen = sa.select(side_effect).where(c.run_id.in_(run_ids), c.edit == edit)
    return snapshot.read(chosen.order_by(c.concept, c.ranking, c.units, c.affected))


@remembered
def overlap(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """How far the seeds agree on the first n units: units, overlap."""
    c = ace_overlap.c
    return snapshot.read(sa.select(c.units, c.overlap).where(c.run_id == run_id).order_by(c.units))


@remembered
def learning(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """The losses of the learning, seed by seed."""
    c = ace_learning.c
    return snapshot.read(sa.select(ace_learning).where(c.run_id == run_id).order_by(c.seed, c.step))


@remembered
def summary(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """How the units were learned and at what cost: one row per scoring segmenter, the run's own first."""
    c = ace_summary.c
    own = sa.select(run.c.segmenter).where(run.c.run_id == run_id).scalar_subquery()
    chosen = sa.select(ace_summary).where(c.run_id == run_id)
    return snapshot.read(chosen.order_by((c.segmenter == own).desc(), c.segmenter))


@remembered
def unit_causes(snapshot: Snapshot, parent_run_id: str, layer_name: str, unit: int) -> pd.DataFrame:
    """What editing one unit does to each concept, by the newest causes run of its layer on a dissection.

    The columns are run_id, images and concept; effect with its interval, relative_effect and rank of ablating
    the unit; and ace with its interval. The concepts are ordered by the effect on the choosing images, which
    is independent of the effects shown.
    """
    r, e = run.c, unit_effect.c
    newest = (
        sa.select(r.run_id)
        .where(
            r.parent_run_id == parent_run_id,
            r.state == "final",
            r.run_id.in_(sa.select(e.run_id).where(e.layer == layer_name)),
        )
        .order_by(r.started_at.desc(), r.run_id)
        .limit(1)
    )
    off, both = unit_effect.alias(), unit_effect.alias()
    same = (off.c.run_id == both.c.run_id) & (off.c.unit == both.c.unit) & (off.c.concept == both.c.concept)
    facts = (off.c.run_id, off.c.images, off.c.concept, off.c.effect, off.c.effect_low, off.c.effect_high)
    ace = [both.c[f"effect{end}"].label(f"ace{end}") for end in ("", "_low", "_high")]
    chosen = sa.select(*facts, off.c.relative_effect, off.c.rank, *ace).select_from(off.join(both, same))
    chosen = chosen.where(off.c.run_id.in_(newest), off.c.layer == layer_name, off.c.unit == unit)
    chosen = chosen.where(off.c.edit == "ablate", both.c.edit == "both")
    return snapshot.read(chosen.order_by(sa.func.abs(both.c.choosing_effect).desc(), off.c.concept))


@remembered
def unit_alphas(snapshot: Snapshot, parent_run_id: str, layer_name: str, unit: int) -> pd.DataFrame:
    """A unit's alpha in every causes run of its layer on a dissection.

    The columns are run_id, concept, alpha with its range over seeds, and rank.
    """
    a, r = ace_unit.c, run.c
    facts = (a.run_id, a.concept, a.alpha, a.alpha_low, a.alpha_high, a.rank)
    chosen = sa.select(*facts).select_from(ace_unit.join(run, r.run_id == a.run_id))
    chosen = chosen.where(r.parent_run_id == parent_run_id, a.layer == layer_name, a.unit == unit)
    return snapshot.read(chosen.order_by(a.alpha.desc(), r.started_at.desc()))


@remembered
def units_where(snapshot: Snapshot, run_id: str, concept: str, edit: str) -> pd.DataFrame:
    """The single-unit effects of a causes run for a concept and an edit, ranked on the choosing images."""
    e = unit_effect.c
    chosen = sa.select(unit_effect).where(e.run_id == run_id, e.concept == concept, e.edit == edit)
    return snapshot.read(chosen.order_by(e.rank))


@remembered
def best_pairs(snapshot: Snapshot, run_id: str, most: int) -> pd.DataFrame:
    """The concepts whose causes are most worth learning: layer, concept, unit, above.

    Each concept is at the layer whose best unit has the largest lift on calibration images (`above`), among
    units whose high activations go with it.
    """
    p = unit_concept.c
    place = sa.func.row_number().over(partition_by=p.concept, order_by=p.calibration_lift.desc())
    ranked = (
        sa.select(p.layer, p.concept, p.unit, p.calibration_lift.label("above"), place.label("place"))
        .where(p.run_id == run_id, p.calibration_lift.is_not(None), p.side == "high")
        .subquery()
    )
    chosen = sa.select(ranked.c.layer, ranked.c.concept, ranked.c.unit, ranked.c.above)
    chosen = chosen.where(ranked.c.place == 1).order_by(ranked.c.above.desc(), ranked.c.concept)
    return snapshot.read(chosen.limit(most))
