"""Queries of the context study: the causal set to insert, and where a concept may appear."""

import pandas as pd
import sqlalchemy as sa

from db.queries.answers import remembered
from db.schema.base import run
from db.schema.causes import ace_summary, ace_unit
from db.schema.context import context_row, context_summary, context_trace, insertion_context
from db.store import Snapshot


@remembered
def causes_of(
    snapshot: Snapshot, generator: str, inputs: str | None, segmenter: str, layer: str, concept: str
) -> pd.DataFrame:
    """The finished causes runs of a concept in a layer, with those inputs, newest first: run_id."""
    s, r = ace_summary.c, run.c
    has = sa.select(s.run_id).where(s.layer == layer, s.concept == concept)
    chosen = sa.select(r.run_id).where(
        r.state == "final",
        r.generator == generator,
        sa.func.coalesce(r.inputs, "") == (inputs or ""),
        r.segmenter == segmenter,
        r.run_id.in_(has),
    )
    return snapshot.read(chosen.order_by(r.started_at.desc(), r.run_id))


@remembered
def causal_set(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """The causal set of a causes run, strongest first: unit, insert_value, insert_kind."""
    a, s, r = ace_unit.c, ace_summary.c, run.c
    about = (
        sa.select(s.run_id, s.top_units, s.insert_kind)
        .join(run, (r.run_id == s.run_id) & (r.segmenter == s.segmenter))
        .where(s.run_id == run_id)
        .subquery()
    )
    chosen = sa.select(a.unit, a.insert_value, about.c.insert_kind)
    chosen = chosen.join(about, about.c.run_id == a.run_id).where(a.rank <= about.c.top_units)
    return snapshot.read(chosen.order_by(a.rank))


@remembered
def insertions(snapshot: Snapshot) -> pd.DataFrame:
    """Every run of insertions, newest first: the run's row, with its layer, concept, units and patch."""
    s = context_summary.c
    about = sa.select(
        s.run_id,
        s.layer,
        s.concept,
        sa.func.max(s.units).label("units"),
        sa.func.max(s.patch).label("patch"),
    )
    found = about.group_by(s.run_id, s.layer, s.concept).subquery()
    facts = sa.select(run, found.c.layer, found.c.concept, found.c.units, found.c.patch)
    joined = run.join(found, run.c.run_id == found.c.run_id)
    return snapshot.read(facts.select_from(joined).order_by(run.c.started_at.desc(), run.c.run_id))


@remembered
def contexts(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """The effect by what was there, strength by strength; the commonest first."""
    c = insertion_context.c
    chosen = sa.select(insertion_context).where(c.run_id == run_id)
    return snapshot.read(chosen.order_by(c.strength, c.locations.desc(), c.context))


@remembered
def by_row(snapshot: Snapshot, run_id: str, strength: str) -> pd.DataFrame:
    """The same by row of cells, at one strength."""
    c = context_row.c
    chosen = sa.select(context_row).where(c.run_id == run_id, c.strength == strength)
    return snapshot.read(chosen.order_by(c.row, c.context))


@remembered
def traces(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """The edit followed through the later layers, place by place."""
    c = context_trace.c
    chosen = sa.select(context_trace).where(c.run_id == run_id)
    return snapshot.read(chosen.order_by(c.place, c.locations.desc(), c.context))


@remembered
def summary(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """One row a strength: the mean effect, what position alone explains, the edit."""
    c = context_summary.c
    return snapshot.read(sa.select(context_summary).where(c.run_id == run_id).order_by(c.strength))
