"""The questions that pages ask about one concept: which units detect it, where, and what causes it."""

from typing import Any

import pandas as pd
import sqlalchemy as sa

from db.queries.answers import remembered
from db.schema.base import concept, layer, run
from db.schema.causes import ace_curve, ace_summary
from db.schema.context import context_summary
from db.schema.dissection import unit, unit_concept, unit_image
from db.schema.views import random_twin
from db.store import Snapshot

_DETECTS = sa.func.coalesce(unit_concept.c.detector, sa.false())
_BEST_FIRST = (_DETECTS.desc(), unit_concept.c.lift.desc().nulls_last())


@remembered
def concepts(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """Every concept of a run, the most often detected first.

    The columns are concept, category and frequency; detectors, the units that detect it; and layer, unit and
    lift of its best unit, a detector where there is one.
    """
    c = unit_concept.c
    detectors = sa.func.count().filter(_DETECTS).over(partition_by=c.concept)
    place = sa.func.row_number().over(partition_by=c.concept, order_by=(*_BEST_FIRST, c.layer, c.unit))
    facts = (c.concept, c.layer, c.unit, c.lift, detectors.label("detectors"), place.label("place"))
    ranked = sa.select(*facts).where(c.run_id == run_id).subquery("ranked")
    best = sa.select(ranked).where(ranked.c.place == 1).subquery("best")
    k, b = concept.c, best.c
    many = sa.func.coalesce(b.detectors, 0)
    chosen = sa.select(k.concept, k.category, k.frequency, many.label("detectors"), b.layer, b.unit, b.lift)
    chosen = chosen.select_from(concept.outerjoin(best, k.concept == b.concept)).where(k.run_id == run_id)
    return snapshot.read(chosen.order_by(many.desc(), b.lift.desc().nulls_last(), k.concept))


@remembered
def units(snapshot: Snapshot, run_id: str, concept_name: str, most: int) -> pd.DataFrame:
    """The units of all layers that agree best with a concept: detectors first, then by lift.

    The columns are those of unit_concept, and name, the concept that the unit is named after.
    """
    c, u = unit_concept.c, unit.c
    same = (u.run_id == c.run_id) & (u.layer == c.layer) & (u.unit == c.unit)
    chosen = sa.select(unit_concept, u.concept.label("name")).select_from(unit_concept.outerjoin(unit, same))
    chosen = chosen.where(c.run_id == run_id, c.concept == concept_name, c.iou.is_not(None))
    return snapshot.read(chosen.order_by(*_BEST_FIRST, c.layer, c.unit).limit(most))


@remembered
def by_layer(snapshot: Snapshot, run_id: str, concept_name: str) -> pd.DataFrame:
    """For each layer, in the generator's order: its units, and how many detect the concept.

    Beside them are the best lift, and twin_detectors, the same count for the layer with random weights (NULL
    where nobody dissected it so).
    """
    twin_id = sa.select(random_twin.c.twin_run_id).where(random_twin.c.run_id == run_id).scalar_subquery()
    mine = _by_layer(run_id, concept_name).subquery("mine")
    other = _by_layer(twin_id, concept_name).subquery("twins")
    a = layer.c
    chosen = sa.select(
        a.layer,
        a.height,
        a.width,
        a.units,
        sa.func.coalesce(mine.c.detectors, 0).label("detectors"),
        mine.c.best_lift,
        other.c.detectors.label("twin_detectors"),
    ).select_from(layer.outerjoin(mine, mine.c.layer == a.layer).outerjoin(other, other.c.layer == a.layer))
    return snapshot.read(chosen.where(a.run_id == run_id).order_by(a.position))


def _by_layer(run_id: Any, concept_name: str) -> sa.Select[Any]:
    c = unit_concept.c
    detectors = sa.func.count().filter(_DETECTS).label("detectors")
    best = sa.func.max(c.lift).label("best_lift")
    chosen = sa.select(c.layer, detectors, best).where(c.run_id == run_id, c.concept == concept_name)
    return chosen.group_by(c.layer)


def images(snapshot: Snapshot, run_id: str, concept_name: str, most: int) -> list[int]:
    """Latents that activate the concept's units most: those that come up for most of its detectors first.

    Where no unit detects it, they are those of the unit with the largest lift.
    """
    c, i = unit_concept.c, unit_image.c
    best = (
        sa.select(c.layer, c.unit)
        .where(c.run_id == run_id, c.concept == concept_name, c.iou.is_not(None))
        .order_by(*_BEST_FIRST, c.layer, c.unit)
    )
    detecting = best.where(_DETECTS).limit(12)
    for chosen in (detecting, best.limit(1)):
        units = chosen.subquery("units")
        same = (i.layer == units.c.layer) & (i.unit == units.c.unit)
        found = sa.select(i.latent).select_from(unit_image.join(units, same)).where(i.run_id == run_id)
        found = found.group_by(i.latent).order_by(sa.func.count().desc(), sa.func.min(i.rank), i.latent)
        latents = snapshot.read(found.limit(most))["latent"].tolist()
        if latents:
            return [int(latent) for latent in latents]
    return []


@remembered
def causes(snapshot: Snapshot, run_id: str, concept_name: str | None = None) -> pd.DataFrame:
    """The newest finished causes run of each layer and concept on this dissection; most removed first.

    The columns are run_id, layer, concept, top_units and removed with its interval; sets, the random sets
    that were drawn; and the p-value of the removal against compared_sets of these, as_good.
    """
    r, s, e = run.c, ace_summary.c, ace_curve.c
    place = sa.func.row_number().over(
        partition_by=(s.layer, s.concept), order_by=(r.started_at.desc(), r.run_id)
    )
    facts = (r.run_id, s.layer, s.concept, s.top_units, s.removed, s.removed_low, s.removed_high)
    same = (r.run_id == s.run_id) & (r.segmenter == s.segmenter)
    newest = sa.select(*facts, place.label("place")).select_from(run.join(ace_summary, same))
    newest = newest.where(r.parent_run_id == run_id, r.state == "final")
    newest = newest if concept_name is None else newest.where(s.concept == concept_name)
    n = newest.subquery("newest")
    random, columns = ace_curve.alias("random"), [c for c in n.c if c.name != "place"]
    drawn = (random.c.sets.label("sets"), e.as_good, e.compared_sets)
    chosen = sa.select(*columns, *drawn).where(n.c.place == 1)
    joined: Any = n
    for rows, ranking in ((ace_curve, "ace"), (random, "random")):
        c = rows.c
        at = (c.run_id == n.c.run_id) & (c.units == n.c.top_units)
        joined = joined.outerjoin(rows, at & (c.ranking == ranking) & (c.edit == "ablate"))
    return snapshot.read(chosen.select_from(joined).order_by(n.c.removed.desc().nulls_last(), n.c.layer))


@remembered
def contexts(snapshot: Snapshot, run_id: str, concept_name: str) -> pd.DataFrame:
    """The finished context runs of a concept on this dissection, newest first: run_id, layer."""
    r, s = run.c, context_summary.c
    chosen = sa.select(r.run_id, s.layer, r.started_at).distinct()
    chosen = chosen.select_from(run.join(context_summary, r.run_id == s.run_id))
    chosen = chosen.where(r.parent_run_id == run_id, r.state == "final", s.concept == concept_name)
    return snapshot.read(chosen.order_by(r.started_at.desc(), r.run_id))


@remembered
def elsewhere(snapshot: Snapshot, concept_name: str) -> pd.DataFrame:
    """Every dissection that scored a concept, the newest first: its models, detectors and best unit."""
    c, r = unit_concept.c, run.c
    detectors = sa.func.count().filter(_DETECTS)
    lift = sa.func.max(c.lift)
    best = [
        sa.func.arg_max(c[name], sa.tuple_(_DETECTS, c.lift)).filter(c.lift.is_not(None)).label(name)
        for name in ("layer", "unit")
    ]
    facts = (r.run_id, r.generator, r.inputs, r.segmenter, r.images, r.started_at)
    chosen = sa.select(*facts, detectors.label("detectors"), lift.label("best_lift"), *best)
    chosen = chosen.select_from(run.join(unit_concept, r.run_id == c.run_id)).where(
        c.concept == concept_name, r.kind == "dissection"
    )
    return snapshot.read(chosen.group_by(*facts).order_by(r.started_at.desc(), r.run_id))
