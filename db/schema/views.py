"""The views: everyday questions, answered once: a select each, and a Table that describes its columns.

Those in `kept` are tables in the file: each commit answers them for the runs that it brings, so that no page
has to look through unit_concept. They hold nothing that a rebuild would not make again.
"""

from typing import Any

import sqlalchemy as sa

from db.schema.base import concept, layer, run
from db.schema.dissection import unit, unit_concept
from db.schema.naming_rule import NamingRule

metadata = sa.MetaData()

_NEW_COLUMNS = {
    "category": "Category of the concept.",
    "named": "Units with a name: some concept has a lift over 0 on calibration images.",
    "detectors": "Units whose name holds on evaluation images: they detect it.",
    "detected_concepts": "Distinct concepts among the names of the detectors.",
    "multiple": "Detectors that detect another concept beside their name.",
    "like_groups": "Groups of like units, see unit.alike: how many different units there are.",
    "paper_named": "Units whose largest IoU is over .05: the count of the paper.",
    "twin_run_id": "The dissection with random weights.",
    "twin_detectors": "Detectors of the layer with random weights; NULL where nobody dissected it so.",
    "mean_iou": "Mean IoU of the detectors with their names.",
    "best_iou": "Largest IoU of a unit with its name (layer_concept: with the concept).",
    "best_lift": "Largest lift of a unit with its name (layer_concept: with the concept).",
    "unit_by_lift": "The unit with the largest lift over the constant control on calibration images.",
    "unit_by_iou": "The unit with the largest IoU on calibration images.",
    "detecting": "Units that detect the concept, by name or beside it.",
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


def _labels(flag: str) -> sa.Select[Any]:
    """Each unit with its row of unit_concept where `flag` is true."""
    u, s = unit.c, unit_concept.c
    scored = [c for c in s if c.name not in ("run_id", "layer", "unit", "concept", "label", "largest_iou")]
    same = (u.run_id == s.run_id) & (u.layer == s.layer) & (u.unit == s.unit) & s[flag]
    own = [c for c in u if c.name not in ("run_id", "layer", "unit", "concept", "p_value", "q_value")]
    return sa.select(
        u.run_id,
        u.layer,
        u.unit,
        s.concept,
        *scored,
        *own,
        u.p_value.label("unit_p_value"),
        u.q_value.label("unit_q_value"),
    ).select_from(unit.outerjoin(unit_concept, same))


unit_label = _described(
    "unit_label", "One row for each unit: its name and how well it agrees with it.", _labels("label")
)
unit_largest_iou = _described(
    "unit_largest_iou",
    "One row for each unit as the paper names it: the concept with the largest IoU.",
    _labels("largest_iou"),
)


def labels(rule: NamingRule) -> sa.Table:
    """The view that has each unit with its name under a rule."""
    return unit_label if rule.name == "lift" else unit_largest_iou


def _layer_concept() -> sa.Select[Any]:
    """The best units of each layer for each concept, of equal ones the first, among pairs with an IoU."""
    c = unit_concept.c

    def number(value: Any) -> sa.ColumnElement[Any]:
        return sa.func.coalesce(value, sa.text("-1e308"))

    def best(first: Any) -> sa.ColumnElement[Any]:
        order = (number(first), number(c.calibration_iou), c.iou, -c.unit)
        found = sa.func.arg_max(c.unit, sa.tuple_(*order))
        found.type = sa.BigInteger()
        return found

    return (
        sa.select(
            c.run_id,
            c.layer,
            c.concept,
            c.category,
            best(c.calibration_lift).label("unit_by_lift"),
            best(c.calibration_iou).label("unit_by_iou"),
            sa.func.max(c.lift).label("best_lift"),
            sa.func.max(c.iou).label("best_iou"),
            sa.func.count().filter(sa.func.coalesce(c.detector, sa.false())).label("detecting"),
        )
        .where(c.iou.is_not(None))
        .group_by(c.run_id, c.layer, c.concept, c.category)
    )


layer_concept = _described(
    "layer_concept",
    "One row for each concept that units of a layer were held against: its best units.",
    _layer_concept(),
)


def control_run(control: str, label: str) -> sa.Select[Any]:
    """For each dissection of a generator as it is, the one with this control, nearest in images, as `label`.

    Of several, it is the newest.
    """
    r, t = run, run.alias("twin")

    def setting(rows: Any, name: str) -> sa.ColumnElement[Any]:
        return sa.func.json_extract_string(rows.c.settings, f"$.{name}")

    same = (setting(r, "generator") == setting(t, "generator")) & (r.c.segmenter == t.c.segmenter)
    for equal in ("inputs", "segmenter_sha256", "threshold_rule"):
        same &= r.c[equal].is_not_distinct_from(t.c[equal])
    same &= sa.func.coalesce(setting(r, "sides"), "high") == sa.func.coalesce(setting(t, "sides"), "high")
    wanted = (r.c.kind == "dissection") & (sa.func.coalesce(setting(r, "control"), "none") == "none")
    controls = same & (t.c.kind == "dissection") & (setting(t, "control") == control)
    controls &= t.c.state == "final"  # few images confirm few units
    nearness = -sa.func.abs(t.c.images - r.c.images)
    newest = sa.func.arg_max(t.c.run_id, sa.tuple_(nearness, t.c.started_at))
    newest.type = sa.Text()
    chosen = sa.select(r.c.run_id, newest.label(label)).select_from(r.join(t, controls))
    return chosen.where(wanted).group_by(r.c.run_id)


random_twin = _described(
    "random_twin",
    "For each dissection, the one of the same generator with random weights: a baseline for its counts.",
    control_run("random-weights", "twin_run_id"),
)


def _tally(rows: Any) -> list[sa.ColumnElement[Any]]:
    """The counts that the comparing views share, over rows of unit_label."""
    c, detector = rows.c, NamingRule().of_rows(rows)
    return [
        sa.func.count(c.concept).label("named"),
        sa.func.count().filter(detector).label("detectors"),
        sa.func.count(sa.distinct(c.concept)).filter(detector).label("detected_concepts"),
        sa.func.count().filter(detector & (c.detected > 1)).label("multiple"),
        sa.func.avg(c.iou).filter(detector).label("mean_iou"),
        sa.func.max(c.iou).label("best_iou"),
        sa.func.max(c.lift).label("best_lift"),
        sa.func.count(sa.distinct(c.alike)).label("like_groups"),
    ]


def _paper(*more: str) -> sa.Subquery:
    """How many units of each layer the paper's rule names."""
    c = unit_largest_iou.c
    keys = [c.run_id, c.layer, *(c[name] for name in more)]
    many = sa.func.count().filter(NamingRule("paper").of_rows(unit_largest_iou))
    return sa.select(*keys, many.label("paper_named")).group_by(*keys).subquery("paper")


def _layer_summary() -> sa.Select[Any]:
    a, b, paper, twin = layer.c, unit_label.c, _paper(), unit_label.alias("twin")
    facts: list[Any] = [a.run_id, a.layer, a.position, a.module_path, a.units, a.height, a.width]
    twins = (
        sa.select(
            twin.c.run_id, twin.c.layer, sa.func.count().filter(NamingRule().of_rows(twin)).label("many")
        )
        .group_by(twin.c.run_id, twin.c.layer)
        .subquery("twins")
    )
    rows = (
        layer.outerjoin(unit_label, (a.run_id == b.run_id) & (a.layer == b.layer))
        .outerjoin(paper, (a.run_id == paper.c.run_id) & (a.layer == paper.c.layer))
        .outerjoin(random_twin, a.run_id == random_twin.c.run_id)
        .outerjoin(twins, (twins.c.run_id == random_twin.c.twin_run_id) & (twins.c.layer == a.layer))
    )
    beside = [
        sa.func.max(paper.c.paper_named).label("paper_named"),
        sa.func.max(twins.c.many).label("twin_detectors"),
    ]
    return sa.select(*facts, *_tally(unit_label), *beside).select_from(rows).group_by(*facts)


def _run_comparison() -> sa.Select[Any]:
    """Run x layer x category, so that unequal vocabularies are seen and not averaged away."""
    kinds = sa.select(concept.c.run_id, concept.c.category).distinct().subquery("kinds")
    r, a, b, paper = run.c, layer.c, unit_label.c, _paper("category")
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
        .outerjoin(
            paper,
            (a.run_id == paper.c.run_id)
            & (a.layer == paper.c.layer)
            & (paper.c.category == kinds.c.category),
        )
    )
    beside = [sa.func.coalesce(sa.func.max(paper.c.paper_named), 0).label("paper_named")]
    return sa.select(*facts, *_tally(unit_label), *beside).select_from(rows).group_by(*facts)


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
    "unit_label": _labels("label"),
    "unit_largest_iou": _labels("largest_iou"),
    "layer_concept": _layer_concept(),
    "random_twin": control_run("random-weights", "twin_run_id"),
    "layer_summary": _layer_summary(),
    "run_comparison": _run_comparison(),
}

# Tables in the file, and the table whose runs their rows belong to.
kept: dict[str, sa.Table] = {
    "unit_label": unit,
    "unit_largest_iou": unit,
    "layer_concept": unit_concept,
}
