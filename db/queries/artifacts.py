"""The questions that pages ask about artifact units: their rankings, and what ablating them does."""

import pandas as pd
import sqlalchemy as sa

from db.queries.answers import remembered
from db.schema.artifacts import artifact_effect, artifact_summary, artifact_unit
from db.schema.base import run
from db.schema.dissection import unit_concept
from db.store import Snapshot


@remembered
def searches(snapshot: Snapshot) -> pd.DataFrame:
    """Every run that ranked artifact units, newest first: the run's row, and what it rests on."""
    s = artifact_summary
    told = [c for c in s.c if c.name != "run_id"]
    facts = sa.select(run, *told).select_from(run.join(s, run.c.run_id == s.c.run_id))
    return snapshot.read(facts.order_by(run.c.started_at.desc(), run.c.run_id))


@remembered
def ranked(snapshot: Snapshot, run_id: str, ranking: str) -> pd.DataFrame:
    """The units of one ranking, worst first: unit, score, error, rank, and the parent's concept and iou."""
    a, p, r = artifact_unit.c, unit_concept.c, run.c
    named = (
        (p.run_id == r.parent_run_id) & (p.layer == a.layer) & (p.unit == a.unit) & p.label
    )  # the parent's best concept of the unit
    joined = artifact_unit.join(run, r.run_id == a.run_id).outerjoin(unit_concept, named)
    chosen = sa.select(a.unit, a.score, a.error, a.rank, p.concept, p.iou).select_from(joined)
    return snapshot.read(chosen.where(a.run_id == run_id, a.ranking == ranking).order_by(a.rank))


def rankings(snapshot: Snapshot, run_id: str) -> list[str]:
    """The rankings that a run has: images, ablation, perhaps hand."""
    c = artifact_unit.c
    found = snapshot.read(sa.select(c.ranking).where(c.run_id == run_id).distinct())
    return [str(name) for name in sorted(found["ranking"], key="images ablation hand".find)]


@remembered
def effects(snapshot: Snapshot, run_id: str) -> pd.DataFrame:
    """Distances before and after, by list, metric and number of units; random sets among them."""
    c = artifact_effect.c
    chosen = sa.select(artifact_effect).where(c.run_id == run_id)
    return snapshot.read(chosen.order_by(c.metric, c.ranking, c.units))
