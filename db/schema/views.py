"""The views: everyday questions, answered once: a select each, and a Table that describes its columns."""

from typing import Any

import sqlalchemy as sa

from db.schema.base import concept, layer, run
from db.schema.dissection import unit, unit_concept
from db.schema.naming_rule import NamingRule

metadata = sa.MetaData()

_NEW_COLUMNS = {
    "category": "Category of the concept.",
    "named": "Units (in unit_label: whether this unit) whose name has an IoU over .05, the paper's rule.",
    "distinct_concepts": "Distinct concepts among the named units.",
    "detectors": "Units that surely beat the best constant mask for their name.",
    "detected_concepts": "Distinct concepts among the detectors.",
    "mean_iou": "Mean IoU of the named units.",
    "best_iou": "Largest IoU of a unit with its name.",
    "unit_p_value": "P that the unit is independent of every concept (Simes over its concepts).",
    "unit_q_value": "The same, corrected over the layer's units (Benjamini-Hochberg).",
}


def _described(name: str, comment: str, select: sa.Select[Any]) -> sa.Table:
    """The view as a table: a column keeps the description of the column that it hands on."""
    columns = [
        sa.Column(c.name, _type(c), comment=getattr(c, "comment", None) or _NEW_COLUMNS[c.name])
        for c in select.selected_columns
    ]
    return sa.Table(name, metadata, *columns, comment=comment)


def _type(column: sa.ColumnElement[Any]) -> sa.types.TypeEngine[Any]:
    """Counts are integers and means are reals, where SQLAlchemy leaves it open."""
    if isinstance(column.type, sa.Text | sa.Boolean | sa.Double):
        return column.type
    return sa.BigInteger() if isinstance(column.type, sa.Integer) else sa.Double()


def _unit_label() -> sa.Select[Any]:
    u, s = unit.c, unit_concept.c
    scored = [c for c in s if c.name not in ("run_id", "layer", "unit", "concept", "label")]
    same = (u.run_id == s.run_id) & (u.layer == s.layer) & (u.unit == s.unit) & s.label
    return sa.select(
        u.run_id,
        u.layer,
        u.unit,
        u.concept,
        *scored,
        NamingRule("paper").of_rows(unit_concept).label("named"),
        u.activation_mean,
        u.activation_peak,
        u.p_value.label("unit_p_value"),
        u.q_value.label("unit_q_value"),
    ).select_from(unit.outerjoin(unit_concept, same))


unit_label = _described(
    "unit_label", "One row for each unit: its name and how well it agrees with it.", _unit_label()
)


def _tally(rows: Any) -> list[sa.ColumnElement[Any]]:
    """The counts that the comparing views share, over rows of unit_label."""
    named, detector = rows.c.named, sa.func.coalesce(rows.c.detector, sa.false())
    return [
        sa.func.count().filter(named).label("named"),
        sa.func.count(sa.distinct(rows.c.concept)).filter(named).label("distinct_concepts"),
        sa.func.count().filter(detector).label("detectors"),
        sa.func.count(sa.distinct(rows.c.concept)).filter(detector).label("detected_concepts"),
        sa.func.avg(rows.c.iou).filter(named).label("mean_iou"),
        sa.func.max(rows.c.iou).label("best_iou"),
    ]


def _layer_summary() -> sa.Select[Any]:
    a, b = layer.c, unit_label
    same = (a.run_id == b.c.run_id) & (a.layer == b.c.layer)
    facts = [a.run_id, a.layer, a.position, a.module_path, a.units, a.height, a.width]
    return sa.select(*facts, *_tally(b)).select_from(layer.outerjoin(b, same)).group_by(*facts)


def _run_comparison() -> sa.Select[Any]:
    """Run x layer x category, so that unequal vocabularies are seen and not averaged away."""
    kinds = sa.select(concept.c.run_id, concept.c.category).distinct().subquery("kinds")
    r, a, b = run.c, layer.c, unit_label.c
    facts: list[Any] = [
        r.run_id,
        r.generator,
        r.segmenter,
        r.state,
        r.seed,
        r.images,
        r.calibration,
        r.threshold_rule,
    ]
    facts += [a.layer, a.position, a.units, kinds.c.category]
    rows = (
        run.join(layer, r.run_id == a.run_id)
        .join(kinds, r.run_id == kinds.c.run_id)
        .outerjoin(
            unit_label,
            (a.run_id == b.run_id) & (a.layer == b.layer) & (b.category == kinds.c.category),
        )
    )
    return sa.select(*facts, *_tally(unit_label)).select_from(rows).group_by(*facts)


layer_summary = _described(
    "layer_summary", "One row for each layer of each run: what its units name.", _layer_summary()
)
run_comparison = _described(
    "run_comparison",
    "One row for each run, layer and category, to hold runs beside each other.",
    _run_comparison(),
)

# In the order in which they are made: later views stand on earlier ones.
definitions: dict[str, sa.Select[Any]] = {
    "unit_label": _unit_label(),
    "layer_summary": _layer_summary(),
    "run_comparison": _run_comparison(),
}
