"""The questions that are asked about generators side by side, over trainings."""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from db.queries.answers import remembered
from db.schema.base import concept, run
from db.schema.comparison import comparison_layer, comparison_mean
from db.schema.naming_rule import NamingRule
from db.schema.views import control_run, layer_concept, layer_summary, unit_label
from db.store import Snapshot


@remembered
def layers(snapshot: Snapshot, runs: Sequence[str]) -> pd.DataFrame:
    """generator, run_id, layer, units of these dissections, in the generators' order, beside their controls.

    twin_detectors are those with random weights; lift and rotated_lift (of rotated units) are means over
    units of the lift of their names, 0 for a unit without one. NULL where nobody dissected it so.
    """
    c, r = layer_summary.c, run.c
    own, turned = _lifts("own"), _lifts("turned")
    control = _rotation()
    chosen = sa.select(
        *(r.generator, c.run_id, c.layer, c.units, c.twin_detectors),
        own.c.lift,
        turned.c.lift.label("rotated_lift"),
    )
    chosen = chosen.select_from(
        layer_summary.join(run, c.run_id == r.run_id)
        .outerjoin(control, c.run_id == control.c.run_id)
        .outerjoin(own, (own.c.run_id == c.run_id) & (own.c.layer == c.layer))
        .outerjoin(turned, (turned.c.run_id == control.c.control) & (turned.c.layer == c.layer))
    )
    order = sa.func.list_position(sa.literal(list(runs), sa.ARRAY(sa.Text)), c.run_id)
    return snapshot.read(chosen.where(c.run_id.in_(list(runs))).order_by(order, c.position))


def _rotation() -> sa.Subquery:
    """run_id, control: the run of each dissection's layers with rotated units."""
    return control_run("rotation", "control").subquery("rotation")


def _lifts(name: str) -> sa.Subquery:
    """The mean over a layer's units of the lift of their names; a unit without a name counts as 0."""
    c = unit_label.c
    mean = sa.func.avg(sa.func.coalesce(c.lift, 0.0)).label("lift")
    return sa.select(c.run_id, c.layer, mean).group_by(c.run_id, c.layer).subquery(name)


@remembered
def detecting(snapshot: Snapshot, runs: Sequence[str], rotated: bool = False) -> pd.DataFrame:
    """generator, layer, concept, category, detectors: the concepts that name detectors, with their number.

    `rotated` counts the rotated units of these dissections, where somebody dissected them.
    """
    c, r, control = unit_label.c, run.c, _rotation()
    keys = [r.generator, c.layer, c.concept, c.category]
    chosen = sa.select(*keys, sa.func.count().label("detectors"))
    if rotated:
        named = run.join(control, r.run_id == control.c.run_id)
        chosen = chosen.select_from(named.join(unit_label, c.run_id == control.c.control))
    else:
        chosen = chosen.select_from(unit_label.join(run, c.run_id == r.run_id))
    chosen = chosen.where(r.run_id.in_(list(runs)), NamingRule().of_rows(unit_label))
    return snapshot.read(chosen.group_by(*keys).order_by(*keys))


def shared_concepts(snapshot: Snapshot, runs: Sequence[str]) -> tuple[str, ...] | None:
    """The concepts that all these dissections know, in order; None where their vocabularies are the same."""
    c = concept.c
    knowing = sa.func.count(c.run_id.distinct()).label("runs")
    chosen = sa.select(c.concept, knowing).where(c.run_id.in_(list(runs))).group_by(c.concept)
    found = snapshot.read(chosen.order_by(c.concept))
    shared = found[found["runs"] == len(runs)]
    return None if len(shared) == len(found) else tuple(shared["concept"])


@remembered
def best(snapshot: Snapshot, runs: Sequence[str]) -> pd.DataFrame:
    """generator, concept, category, layer: where each detected concept has the detector of largest lift."""
    c, r = layer_concept.c, run.c
    keys = [r.generator, c.concept, c.category]
    chosen = sa.select(*keys, sa.func.arg_max(c.layer, c.best_lift).label("layer"))
    chosen = chosen.select_from(layer_concept.join(run, c.run_id == r.run_id))
    chosen = chosen.where(c.run_id.in_(list(runs)), c.detecting > 0)
    return snapshot.read(chosen.group_by(*keys).order_by(*keys))


@remembered
def comparisons(snapshot: Snapshot) -> pd.DataFrame:
    """run_id, generator, dissection: what each published comparison compares, the newest comparison first."""
    r, c = run.c, comparison_layer.c
    chosen = sa.select(r.run_id, c.generator, c.dissection).distinct().add_columns(c.position, r.started_at)
    chosen = chosen.select_from(comparison_layer.join(run, c.run_id == r.run_id))
    return snapshot.read(chosen.order_by(r.started_at.desc(), r.run_id, c.position))


@remembered
def means(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """The rows of comparison_mean of a comparison, in the order in which they were made."""
    return snapshot.read(sa.select(comparison_mean).where(comparison_mean.c.run_id == run_id))
