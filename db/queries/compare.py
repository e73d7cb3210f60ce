"""The Compare page's questions: arms (a run and one of its layers each) beside each other.

Only concepts that every arm's vocabulary has are counted; a unit whose name is another counts as not named.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import sqlalchemy as sa

from db.queries.answers import remembered
from db.schema.base import concept, generator, layer, run
from db.schema.dissection import reference_share, unit_concept
from db.schema.naming_rule import NamingRule
from db.schema.views import labels, layer_concept
from db.store import Snapshot


@dataclass(frozen=True)
class Arm:
    """What is compared: one layer of one run."""

    run_id: str
    layer: str

    def __str__(self) -> str:
        return f"{self.run_id}:{self.layer}"


@dataclass(frozen=True)
class Question:
    """What the Compare page asks.

    Attributes:
        arms: What is compared.
        rule: The rule that names units.
        over_ceiling: Whether IoU is taken as a share of the resolution ceiling.
        detectors: Whether only units count that detect their concept.
    """

    arms: tuple[Arm, ...]
    rule: NamingRule
    over_ceiling: bool = False
    detectors: bool = False


def _within(rows: Any, arms: Sequence[Arm]) -> sa.ColumnElement[bool]:
    pairs = [(rows.c.run_id == arm.run_id) & (rows.c.layer == arm.layer) for arm in arms]
    return sa.or_(sa.false(), *pairs)


def _reached(rows: Any, value: sa.ColumnElement[Any], over_ceiling: bool) -> sa.ColumnElement[Any]:
    """The value, or its share of the ceiling; NULL where the grid cannot show the concept at all."""
    return value / sa.func.nullif(rows.c.ceiling_iou, 0.0) if over_ceiling else value


def passes(question: Question, rows: Any) -> sa.ColumnElement[bool]:
    """Whether a unit is named and counts under the question."""
    return question.rule.of_rows(rows, question.over_ceiling) & _counts(question, rows)


def _counts(question: Question, rows: Any) -> sa.ColumnElement[bool]:
    """Whether a unit is looked at: every unit, or those that detect their concept."""
    return sa.func.coalesce(rows.c.detector, sa.false()) if question.detectors else sa.true()


@remembered
def dissections(snapshot: Snapshot) -> pd.DataFrame:
    """Every dissection, newest first, with what is known of its generator's data and training."""
    g = generator.c
    chosen = sa.select(run, g.trained_on, g.training, g.training_steps, g.training_images)
    joined = run.outerjoin(generator, run.c.run_id == g.run_id)
    chosen = chosen.select_from(joined).where(run.c.kind == "dissection")
    return snapshot.read(chosen.order_by(run.c.started_at.desc(), run.c.run_id))


@remembered
def layers(snapshot: Snapshot, runs: Sequence[str]) -> pd.DataFrame:
    """The layers of these runs, each in its generator's order."""
    chosen = sa.select(layer).where(layer.c.run_id.in_(list(runs)))
    return snapshot.read(chosen.order_by(layer.c.run_id, layer.c.position))


@remembered
def vocabularies(snapshot: Snapshot, runs: Sequence[str]) -> pd.DataFrame:
    """The concepts of these runs, with how often their images show them.

    `shared` says whether every one of the runs has the concept under the same category.
    """
    c, both = concept.c, shared(runs).subquery()
    is_shared = both.c.concept.is_not(None).label("shared")
    often = (c.images, c.calibration_frequency, c.calibration_images)
    chosen = sa.select(c.run_id, c.concept, c.category, c.label, *often, is_shared)
    same = (c.concept == both.c.concept) & (c.category == both.c.category)
    chosen = chosen.select_from(concept.outerjoin(both, same))
    return snapshot.read(chosen.where(c.run_id.in_(list(runs))).order_by(c.run_id, c.label))


def shared(runs: Sequence[str]) -> sa.Select[Any]:
    """Concept and category of those that every one of these runs has, as a select."""
    c = concept.c
    many = sa.func.count(sa.distinct(c.run_id)) == len(set(runs))
    chosen = sa.select(c.concept, c.category).where(c.run_id.in_(list(runs)))
    return chosen.group_by(c.concept, c.category).having(many)


def _runs(question: Question) -> list[str]:
    return sorted({arm.run_id for arm in question.arms})


@remembered
def named(snapshot: Snapshot, question: Question) -> pd.DataFrame:
    """The named units per arm and shared concept: units, surely, perhaps, detectors.

    `surely` and `perhaps` go by the units' own 95 % intervals: the range of the count if all units err
    together, as they do in part, having seen the same images. A unit without interval (fewer than 20 images
    show its concept) is over the cut surely never, and perhaps when it is named. NULL under the lift's
    rule, which has no cut.
    """
    u = labels(question.rule).c
    return snapshot.read(_named(question).order_by(u.run_id, u.layer, u.concept, u.category))


def _named(question: Question) -> sa.Select[Any]:
    view, both = labels(question.rule), shared(_runs(question)).subquery()
    u, named_so, cut = view.c, passes(question, view), question.rule.cut
    low, high = (_reached(view, value, question.over_ceiling) for value in (u.iou_low, u.iou_high))
    among = _counts(question, view)
    surely = sa.func.coalesce(low > cut, sa.false()) & among
    perhaps = sa.func.coalesce(high > cut, named_so) & among
    tally: list[sa.ColumnElement[Any]] = [
        sa.func.count().filter(named_so).label("units"),
        sa.func.count().filter(surely).label("surely"),
        sa.func.count().filter(perhaps).label("perhaps"),
        sa.func.count().filter(named_so & sa.func.coalesce(u.detector, sa.false())).label("detectors"),
    ]
    if question.rule.name == "lift":
        tally[1:3] = [sa.null().label("surely"), sa.null().label("perhaps")]
    facts = [u.run_id, u.layer, u.concept, u.category]
    known = (u.concept == both.c.concept) & (u.category == both.c.category)
    chosen = sa.select(*facts, *tally).select_from(view.join(both, known))
    return chosen.where(_within(view, question.arms)).group_by(*facts)


@remembered
def detected(snapshot: Snapshot, question: Question) -> pd.DataFrame:
    """The shared concepts that some unit of an arm detects, by name or beside it: run_id, layer, concept."""
    c, both = layer_concept.c, shared(_runs(question)).subquery()
    known = (c.concept == both.c.concept) & (c.category == both.c.category)
    chosen = sa.select(c.run_id, c.layer, c.concept).distinct().select_from(layer_concept.join(both, known))
    chosen = chosen.where(_within(layer_concept, question.arms), c.detecting > 0)
    return snapshot.read(chosen.order_by(c.run_id, c.layer, c.concept))


@remembered
def outside(snapshot: Snapshot, question: Question) -> pd.DataFrame:
    """For each arm, how many units the rule names by a concept that some other arm does not have."""
    view, both = labels(question.rule), shared(_runs(question)).subquery()
    u = view.c
    known = sa.exists().where((both.c.concept == u.concept) & (both.c.category == u.category))
    chosen = sa.select(u.run_id, u.layer, sa.func.count().label("units"))
    chosen = chosen.where(_within(view, question.arms), passes(question, view), ~known)
    return snapshot.read(chosen.group_by(u.run_id, u.layer).order_by(u.run_id, u.layer))


@remembered
def best(snapshot: Snapshot, question: Question) -> pd.DataFrame:
    """The best unit per arm and shared concept: its row of unit_concept, and whether the rule names it so.

    Best on calibration images, by lift or under the paper's rule by IoU: what it scores on others was not
    chosen by them. Where a concept has no threshold for any unit of an arm, there is no row.
    """
    c, b, both = unit_concept.c, layer_concept.c, shared(_runs(question)).subquery()
    known = (b.concept == both.c.concept) & (b.category == both.c.category)
    unit = b.unit_by_lift if question.rule.name == "lift" else b.unit_by_iou
    same = (c.run_id == b.run_id) & (c.layer == b.layer) & (c.unit == unit)
    same &= (c.concept == b.concept) & (c.category == b.category)
    named = passes(question, unit_concept) & sa.func.coalesce(c[question.rule.flag], sa.false())
    chosen = sa.select(unit_concept, named.label("named"))
    chosen = chosen.select_from(layer_concept.join(both, known).join(unit_concept, same))
    # Said of both tables, so that DuckDB passes over the blocks of other runs.
    chosen = chosen.where(_within(layer_concept, question.arms), _within(unit_concept, question.arms))
    chosen = chosen.where(c.run_id.in_(_runs(question)))
    return snapshot.read(chosen.order_by(c.run_id, c.layer, c.concept))


@remembered
def reference_shares(snapshot: Snapshot, runs: Sequence[str]) -> pd.DataFrame:
    """How much of each concept these runs' generators draw, beside their reference pictures.

    The concept that falls short most comes first.
    """
    c = reference_share.c
    chosen = sa.select(reference_share).where(c.run_id.in_(list(runs)))
    return snapshot.read(chosen.order_by(c.run_id, c.difference, c.concept))


def statement(question: Question) -> str:
    """The page's counts as a statement for the SQL page: one row per arm and category with a named unit."""
    rows = _named(question).subquery("named")
    c = rows.c
    chosen = sa.select(
        c.run_id,
        c.layer,
        c.category,
        sa.func.sum(c.units).label("named"),
        sa.func.sum(c.surely).label("surely"),
        sa.func.sum(c.perhaps).label("perhaps"),
        sa.func.sum(c.detectors).label("detectors"),
        sa.func.count().filter(c.units > 0).label("concepts"),
    )
    ordered = chosen.group_by(c.run_id, c.layer, c.category).order_by(c.run_id, c.layer, c.category)
    return str(ordered.compile(compile_kwargs={"literal_binds": True}))
