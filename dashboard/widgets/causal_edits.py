"""The edits of a causes run: its first units, set to the values with which they were scored."""

import pandas as pd

from analysis.editing.edits import Edit
from dashboard.widgets.rows import rows
from db.queries import causes
from db.store import Snapshot


def ranked(snapshot: Snapshot, run_id: str) -> tuple[pd.DataFrame, str]:
    """The units of a causes run, the largest alpha first, and the kind of its ablations."""
    kind = str(rows(causes.summary(snapshot, run_id))[0]["ablate_kind"])
    return causes.rankings(snapshot, run_id), kind


def ablation(layer: str, units: pd.DataFrame, kind: str) -> Edit:
    """Switch units off as the run did: to 0 or, for other kinds of ablation, to `ablate_value`."""
    values = _values(units, "ablate_value")
    return Edit.ablate(layer, list(values)) if kind == "zero" else Edit.mean(layer, values)


def insertion(layer: str, units: pd.DataFrame) -> Edit:
    """Set units to their `insert_value`."""
    return Edit.insert(layer, _values(units, "insert_value"))


def _values(units: pd.DataFrame, column: str) -> dict[int, float]:
    return {int(row["unit"]): float(row[column]) for row in rows(units)}
