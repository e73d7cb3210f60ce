"""The questions that pages ask about one unit: what fires with it, and what it is in other runs."""

from typing import Any

import pandas as pd
import sqlalchemy as sa

from db.queries.answers import remembered
from db.schema.base import generator, layer, run
from db.schema.causes import unit_effect
from db.schema.dissection import unit_neighbour
from db.schema.views import unit_label
from db.store import Snapshot


@remembered
def neighbours(snapshot: Snapshot, run_id: str, layer_name: str, unit: int) -> pd.DataFrame:
    """The units of the layer that correlate most with a unit, the most first.

    The columns are those of unit_label, and together, the correlation of the two units (that of unit_label is
    the one with the concept). No row where the run did not measure them.
    """
    n, u = unit_neighbour.c, unit_label.c
    same = (u.run_id == n.run_id) & (u.layer == n.layer) & (u.unit == n.neighbour)
    chosen = sa.select(unit_label, n.correlation.label("together")).select_from(
        unit_neighbour.join(unit_label, same)
    )
    chosen = chosen.where(n.run_id == run_id, n.layer == layer_name, n.unit == unit)
    return snapshot.read(chosen.order_by(n.rank))


@remembered
def elsewhere(snapshot: Snapshot, run_id: str, layer_name: str, unit: int) -> pd.DataFrame:
    """The unit in other dissections of its generator, and of other checkpoints of the same training.

    The columns are run_id, generator, segmenter, inputs, images, training_steps; concept, side, detector,
    lift with its interval, and iou. The layer has as many units there.
    """
    g, r, a, u = generator.c, run.c, layer.c, unit_label.c
    own = sa.select(g.name, g.training, a.units).select_from(_models().join(layer, a.run_id == r.run_id))
    mine = own.where(r.run_id == run_id, a.layer == layer_name).subquery("mine")
    facts = [r.run_id, r.generator, r.segmenter, r.inputs, r.images, g.training_steps]
    scores = [u.concept, u.side, u.detector, u.lift, u.lift_low, u.lift_high, u.iou]
    joined: Any = _models().join(layer, (a.run_id == r.run_id) & (a.layer == layer_name))
    joined = joined.join(unit_label, (u.run_id == r.run_id) & (u.layer == layer_name) & (u.unit == unit))
    related = (g.name == mine.c.name) | (g.training == mine.c.training)
    joined = joined.join(mine, related & (a.units == mine.c.units))
    chosen = sa.select(*facts, *scores).select_from(joined)
    chosen = chosen.where(r.kind == "dissection", r.run_id != run_id)
    return snapshot.read(chosen.order_by(g.training_steps.nulls_first(), r.started_at.desc(), r.run_id))


def _models() -> Any:
    return run.join(generator, (generator.c.run_id == run.c.run_id) & (generator.c.name == run.c.generator))


@remembered
def effects(snapshot: Snapshot, causes_run_id: str, layer_name: str) -> pd.DataFrame:
    """What ablating each unit alone does to each concept, in a causes run: unit, concept, effect."""
    e = unit_effect.c
    chosen = sa.select(e.unit, e.concept, e.effect).where(
        e.run_id == causes_run_id, e.layer == layer_name, e.edit == "ablate", e.effect.is_not(None)
    )
    return snapshot.read(chosen.order_by(e.unit, e.concept))


@remembered
def image_size(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """The height and width of the generator's images: one row, or none where they are not known."""
    g = generator.c
    chosen = sa.select(g.image_height, g.image_width).where(g.run_id == run_id, g.image_height.is_not(None))
    return snapshot.read(chosen.limit(1))
