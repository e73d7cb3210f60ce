"""The questions that are asked about generators side by side, over trainings."""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from db.queries.answers import remembered
from db.schema.base import run
from db.schema.comparison import comparison_layer, comparison_mean
from db.schema.naming_rule import NamingRule
from db.schema.views import control_run, layer_concept, layer_summary, unit_label
from db.store import Snapshot


@remembered
def layers(snapshot: Snapshot, runs: Sequence[str]) -> pd.DataFrame:
    """generator, run_id, layer, units of these dissections, in the generators' order, beside their controls.

    twin_detectors are those with random weights, rotated_detectors those of rotated units; NULL where nobody
    dissected it so.
    """
    c, r = layer_summary.c, run.c
    control, beside = control_run("rotation", "control").subquery("control"), layer_summary.alias("beside")
    rotated = (beside.c.run_id == control.c.control) & (beside.c.layer == c.layer)
    chosen = sa.select(
        *(r.generator, c.run_id, c.layer, c.units, c.twin_detectors),
        beside.c.detectors.label("rotated_detectors"),
    )
    chosen = chosen.select_from(
        layer_summary.join(run, c.run_id == r.run_id)
        .outerjoin(control, c.run_id == control.c.run_id)
        .outerjoin(beside, rotated)
    )
    order = sa.func.list_position(sa.literal(list(runs), sa.ARRAY(sa.Text)), c.run_id)
    return snapshot.read(chosen.where(c.run_id.in_(list(runs))).order_by(order, c.position))


@remembered
def detecting(snapshot: Snapshot, runs: Sequence[str]) -> pd.DataFrame:
    """generator, layer, concept, category, detectors: the concepts that name detectors, with their number."""
    c, r = unit_label.c, run.c
    keys = [r.generator, c.layer, c.concept, c.category]
    chosen = sa.select(*keys, sa.func.count().label("detectors"))
    chosen = chosen.select_from(unit_label.join(run, c.run_id == r.run_id))
    chosen = chosen.where(c.run_id.in_(list(runs)), NamingRule().of_rows(unit_label))
    return snapshot.read(chosen.group_by(*keys).order_by(*keys))


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
