"""Worked questions in plain words: each is one statement with parameters. Declared once, for every reader.

question = questions.QUESTIONS["layer-of-concept"]
values = questions.defaults(snapshot, question)
console.run(layout, question.statement, snapshot=snapshot, values=values)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent

import sqlalchemy as sa

from db.sql.parameters import Value, names
from db.store import Snapshot


@dataclass(frozen=True)
class Parameter:
    """A value that a question asks for.

    `choices` is a select whose first column has the possible values, the usual one first; it may name other
    parameters. Without it, the value is a number that starts at `default`.
    """

    label: str
    choices: str = ""
    default: float = 0.0


@dataclass(frozen=True)
class Question:
    """A question in plain words, what its answer tells, and the statement that answers it."""

    name: str
    about: str  # the subject: units, causes, context, artifacts, comparison or jobs
    question: str
    answer: str
    statement: str
    parameters: Mapping[str, Parameter]


def _runs(kind: str, label: str = "Run") -> Parameter:
    return Parameter(
        label, f"SELECT run_id FROM run WHERE kind = '{kind}' ORDER BY started_at DESC NULLS LAST, run_id"
    )


_DISSECTION = {"run": _runs("dissection")}
_CONCEPT = {
    "concept": Parameter(
        "Concept",
        "SELECT concept FROM layer_concept WHERE run_id = :run "
        "GROUP BY concept ORDER BY sum(detecting) DESC, concept",
    )
}
_LAYER = {
    "layer": Parameter("Layer", "SELECT layer FROM layer WHERE run_id = :run ORDER BY position DESC"),
}
_CAUSES = {
    "run": _runs("causes", "Causes run"),
    "concept": Parameter(
        "Concept", "SELECT DISTINCT concept FROM ace_summary WHERE run_id = :run ORDER BY concept"
    ),
}
_CONTEXT = {
    "run": _runs("context", "Context run"),
    "strength": Parameter(
        "Strength", "SELECT DISTINCT strength FROM context_summary WHERE run_id = :run ORDER BY strength"
    ),
}
_TRACE = {
    "run": _CONTEXT["run"],
    "strength": Parameter(
        "Strength", "SELECT DISTINCT strength FROM context_trace WHERE run_id = :run ORDER BY strength"
    ),
}
_ARTIFACTS = {"run": _runs("artifacts", "Artifacts run")}

# Own statements may use these without saying where their values come from.
COMMON: dict[str, Parameter] = {
    "run": Parameter("Run", "SELECT run_id FROM run ORDER BY started_at DESC NULLS LAST, run_id"),
    "concept": Parameter(
        "Concept", "SELECT concept FROM layer_concept GROUP BY concept ORDER BY sum(detecting) DESC, concept"
    ),
    "layer": Parameter("Layer", "SELECT layer FROM layer GROUP BY layer ORDER BY max(position) DESC, layer"),
}


def _ask(
    name: str,
    about: str,
    question: str,
    answer: str,
    statement: str,
    *parameters: Mapping[str, Parameter],
) -> Question:
    known = {name: parameter for group in parameters for name, parameter in group.items()}
    return Question(name, about, question, answer, dedent(statement).strip(), known)


_ALL = (
    _ask(
        "layer-of-concept",
        "units",
        "Which layer has the most units for a concept?",
        "Each layer with its units that detect the concept, and its best one.",
        """
        SELECT c.run_id, c.layer, c.detecting, c.best_lift, c.unit_by_lift AS unit
        FROM layer_concept c JOIN layer l USING (run_id, layer)
        WHERE c.run_id = :run AND c.concept = :concept
        ORDER BY c.detecting DESC, l.position
        """,
        _DISSECTION,
        _CONCEPT,
    ),
    _ask(
        "best-units",
        "units",
        "Which units agree best with their names?",
        "The 20 units of a run with the largest lift, with its 95 % interval.",
        """
        SELECT run_id, layer, unit, concept, lift, lift_low, lift_high, iou, mask_iou
        FROM unit_label
        WHERE run_id = :run AND lift IS NOT NULL
        ORDER BY lift DESC, layer, unit
        LIMIT 20
        """,
        _DISSECTION,
    ),
    _ask(
        "units-of-concept",
        "units",
        "Which units detect a concept?",
        "All units that detect it, whether it is their name or not, best first.",
        """
        SELECT run_id, layer, unit, lift, iou, side, label AS is_its_name
        FROM unit_concept
        WHERE run_id = :run AND concept = :concept AND detector
        ORDER BY lift DESC, layer, unit
        """,
        _DISSECTION,
        _CONCEPT,
    ),
    _ask(
        "concepts-of-layer",
        "units",
        "What do the units of a layer detect?",
        "Each concept with the number of units that it names and that detect it.",
        """
        SELECT concept, category, count(*) AS units, avg(iou) AS mean_iou, max(lift) AS best_lift
        FROM unit_label
        WHERE run_id = :run AND layer = :layer AND detector
        GROUP BY concept, category
        ORDER BY units DESC, concept
        """,
        _DISSECTION,
        _LAYER,
    ),
    _ask(
        "undetected-concepts",
        "units",
        "Which concepts are drawn, but detected by no unit?",
        "Concepts of the run's images that no unit detects, most frequent first.",
        """
        SELECT c.run_id, c.concept, c.category, c.frequency, c.images, max(u.lift) AS best_lift
        FROM concept c LEFT JOIN unit_concept u USING (run_id, concept)
        WHERE c.run_id = :run AND c.images > 0
        GROUP BY ALL
        HAVING NOT coalesce(bool_or(u.detector), false)
        ORDER BY c.frequency DESC, c.concept
        """,
        _DISSECTION,
    ),
    _ask(
        "several-concepts",
        "units",
        "Which units detect several concepts?",
        "Units that detect two concepts or more, with all of them.",
        """
        SELECT run_id, layer, unit, count(*) AS concepts,
          string_agg(concept, ', ' ORDER BY lift DESC) AS detects
        FROM unit_concept
        WHERE run_id = :run AND detector
        GROUP BY run_id, layer, unit
        HAVING count(*) > 1
        ORDER BY concepts DESC, layer, unit
        """,
        _DISSECTION,
    ),
    _ask(
        "idle-units",
        "units",
        "How many units of each layer do nothing?",
        "Units by whether their activation varies; a dead one is always 0.",
        """
        SELECT l.run_id, l.layer, coalesce(u.activity, 'not measured') AS activity, count(*) AS units,
          count(*) / l.units AS share
        FROM unit u JOIN layer l USING (run_id, layer)
        WHERE l.run_id = :run
        GROUP BY l.run_id, l.layer, l.position, l.units, u.activity
        ORDER BY l.position, activity
        """,
        _DISSECTION,
    ),
    _ask(
        "paper-names",
        "units",
        "Do lift and IoU choose the same names?",
        "Each layer with the share of its named units whose concept of largest IoU is also their name.",
        """
        SELECT n.run_id, n.layer, count(*) AS named, count(*) FILTER (n.concept = p.concept) AS same,
          avg(CAST(n.concept = p.concept AS INTEGER)) AS share
        FROM unit_label n JOIN unit_largest_iou p USING (run_id, layer, unit)
        WHERE n.run_id = :run AND n.concept IS NOT NULL AND p.concept IS NOT NULL
        GROUP BY n.run_id, n.layer
        ORDER BY n.layer
        """,
        _DISSECTION,
    ),
    _ask(
        "cause-units",
        "causes",
        "Which units cause a concept?",
        "Units by learned strength (alpha), beside the lift with which they detect the concept.",
        """
        SELECT d.run_id, a.layer, a.unit, a.rank, a.alpha, a.alpha_low, a.alpha_high, d.lift, d.detector
        FROM ace_unit a
        JOIN run r ON r.run_id = a.run_id
        LEFT JOIN unit_concept d
          ON d.run_id = r.parent_run_id AND d.layer = a.layer AND d.unit = a.unit AND d.concept = a.concept
        WHERE a.run_id = :run AND a.concept = :concept
        ORDER BY a.rank, a.unit
        """,
        _CAUSES,
    ),
    _ask(
        "causal-effect",
        "causes",
        "How much of a concept do its units remove and add?",
        "The effect of the causal set beside as many units by IoU, and beside random ones.",
        """
        WITH causal_set AS (SELECT DISTINCT run_id, layer, concept, top_units FROM ace_summary)
        SELECT c.layer, c.edit, c.ranking, c.units, c.effect, c.effect_low, c.effect_high, c.relative_effect
        FROM ace_curve c JOIN causal_set s USING (run_id, layer, concept)
        WHERE c.run_id = :run AND c.concept = :concept AND c.units = s.top_units
        ORDER BY c.edit, c.effect DESC, c.ranking
        """,
        _CAUSES,
    ),
    _ask(
        "side-effects",
        "causes",
        "What else changes when a concept's units are switched off?",
        "Every concept's share of pixels before, and its change, the largest change first.",
        """
        WITH causal_set AS (SELECT DISTINCT run_id, layer, concept, top_units FROM ace_summary)
        SELECT e.layer, e.affected, e.units, e.before, e.change, e.change_low, e.change_high,
          e.relative_change
        FROM side_effect e JOIN causal_set s USING (run_id, layer, concept)
        WHERE e.run_id = :run AND e.concept = :concept AND e.ranking = 'ace' AND e.edit = 'ablate'
          AND e.units = s.top_units
        ORDER BY abs(e.change) DESC, e.affected
        """,
        _CAUSES,
    ),
    _ask(
        "iou-and-effect",
        "causes",
        "Do IoU and causal effect agree?",
        "For each concept, the rank correlation over the units of the layer: 1 is the same order, 0 none.",
        """
        WITH ranked AS (
          SELECT e.run_id, e.layer, e.concept,
            rank() OVER (PARTITION BY e.layer, e.concept ORDER BY e.effect) AS by_effect,
            rank() OVER (PARTITION BY e.layer, e.concept ORDER BY d.iou) AS by_iou
          FROM unit_effect e
          JOIN run r ON r.run_id = e.run_id
          JOIN unit_concept d
            ON d.run_id = r.parent_run_id AND d.layer = e.layer AND d.unit = e.unit AND d.concept = e.concept
          WHERE e.run_id = :run AND e.edit = 'both' AND d.iou IS NOT NULL
        )
        SELECT layer, concept, count(*) AS units, round(corr(by_effect, by_iou), 3) AS rank_correlation
        FROM ranked
        GROUP BY layer, concept
        ORDER BY layer, concept
        """,
        {"run": _CAUSES["run"]},
    ),
    _ask(
        "where-inserted",
        "context",
        "Where may a concept appear?",
        "The effect of an insertion by what was in the cell before, beside other contexts of the same rows.",
        """
        SELECT layer, concept, context, locations, images, effect, effect_low, effect_high, row_effect
        FROM insertion_context
        WHERE run_id = :run AND strength = :strength AND NOT left_out
        ORDER BY effect DESC, context
        """,
        _CONTEXT,
    ),
    _ask(
        "place-or-context",
        "context",
        "Does the place alone explain where a concept appears?",
        "The share of the effect's variance that the row explains, and what contexts add to it.",
        """
        SELECT layer, concept, strength, units, locations, effect, row_share, context_share,
          context_beyond_row_share, row_beyond_context_share
        FROM context_summary
        WHERE run_id = :run
        ORDER BY layer, concept, strength
        """,
        {"run": _CONTEXT["run"]},
    ),
    _ask(
        "insertion-trace",
        "context",
        "How far does an insertion get through the later layers?",
        "What is left of the change at each later layer and in the image, over all cells.",
        """
        SELECT layer, concept, measured, place, locations, change, survival, outside
        FROM context_trace
        WHERE run_id = :run AND strength = :strength AND context = 'all'
        ORDER BY layer, concept, place
        """,
        _TRACE,
    ),
    _ask(
        "artifact-units",
        "artifacts",
        "Which units may cause visible errors?",
        "The worst units of each ranking; a larger score is worse.",
        """
        SELECT r.parent_run_id AS run_id, a.layer, a.unit, a.ranking, a.rank, a.score, a.error
        FROM artifact_unit a JOIN run r ON r.run_id = a.run_id
        WHERE a.run_id = :run AND a.rank <= :most
        ORDER BY a.ranking, a.rank, a.unit
        """,
        _ARTIFACTS,
        {"most": Parameter("Units of each ranking", default=10)},
    ),
    _ask(
        "artifact-effect",
        "artifacts",
        "Do images improve when these units are switched off?",
        "The fall of the distance to the reference, beside that of as many random units. Above 0 is better.",
        """
        SELECT a.layer, a.ranking, a.metric, a.units, a.before, a.after, a.fall, a.as_good,
          chance.fall AS random_fall
        FROM artifact_effect a
        LEFT JOIN artifact_effect chance
          ON chance.run_id = a.run_id AND chance.layer = a.layer AND chance.metric = a.metric
          AND chance.units = a.units AND chance.ranking = 'random'
        WHERE a.run_id = :run AND a.ranking <> 'random'
        ORDER BY a.metric, a.ranking, a.units
        """,
        _ARTIFACTS,
    ),
    _ask(
        "random-weights",
        "comparison",
        "How many detectors does chance give?",
        "Detectors of each layer, beside the same layer with random weights where somebody dissected it so.",
        """
        SELECT run_id, layer, units, detectors, twin_detectors, detected_concepts, paper_named
        FROM layer_summary
        ORDER BY run_id, position
        """,
    ),
    _ask(
        "two-runs",
        "comparison",
        "How do two runs differ in what they detect?",
        "Each concept with the units that detect it in either run; the largest difference first.",
        """
        WITH counted AS (
          SELECT concept, count(*) FILTER (run_id = :run) AS first,
            count(*) FILTER (run_id = :other) AS second
          FROM unit_label
          WHERE run_id IN (:run, :other) AND detector
          GROUP BY concept
        )
        SELECT concept, first, second, first - second AS difference
        FROM counted
        ORDER BY abs(difference) DESC, concept
        """,
        {
            "run": _runs("dissection", "First run"),
            "other": Parameter(
                "Second run",
                "SELECT run_id FROM run WHERE kind = 'dissection' "
                "ORDER BY run_id = :run, started_at DESC NULLS LAST, run_id",
            ),
        },
    ),
    _ask(
        "cost-of-runs",
        "jobs",
        "What did each run cost?",
        "Every run with who asked for it, how long it took, and how many images it made in a second.",
        """
        SELECT run_id, kind, generator, owner, project, state, images, duration_s, images_per_s, finished_at
        FROM run
        WHERE coalesce(duration_s, 0) >= :least
        ORDER BY duration_s DESC NULLS LAST, run_id
        """,
        {"least": Parameter("Least duration in seconds")},
    ),
)
QUESTIONS: dict[str, Question] = {question.name: question for question in _ALL}


def choices(snapshot: Snapshot, parameter: Parameter, values: Mapping[str, Value]) -> list[str]:
    """The possible values of a parameter, the usual one first; `values` has those of other parameters."""
    if not parameter.choices:
        return []
    used = {name: values.get(name) for name in names(parameter.choices)}
    return snapshot.read(sa.text(parameter.choices).bindparams(**used)).iloc[:, 0].astype(str).tolist()


def usual(
    snapshot: Snapshot, parameters: Mapping[str, Parameter], given: Mapping[str, Value]
) -> dict[str, Value]:
    """The given values, and the usual one of every other parameter; None where the store has none."""
    values: dict[str, Value] = dict(given)
    for name, parameter in parameters.items():
        if name not in values:
            found = choices(snapshot, parameter, values)
            values[name] = parameter.default if not parameter.choices else found[0] if found else None
    return values


def defaults(snapshot: Snapshot, question: Question) -> dict[str, Value]:
    """The usual value of each parameter; None where the store has none."""
    return usual(snapshot, question.parameters, {})
