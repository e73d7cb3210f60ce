"""Fixtures that several test files share. Add; do not change what others use."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from db import store
from db.layout import Layout
from db.schema import metadata
from db.store import bundles

settings.register_profile("no deadline", deadline=None)  # a busy machine is no fault of what is tested
settings.load_profile("no deadline")

WriteRun = Callable[..., Path]
Damages = Callable[[bytes, float, int | None], bytes]


@pytest.fixture(scope="session")
def damaged() -> Damages:
    """Damages a file's content at a share of its length: it is cut there, or one bit of that byte flips."""

    def damage(content: bytes, where: float, bit: int | None) -> bytes:
        place = min(int(where * len(content)), len(content) - 1)
        if bit is None:
            return content[:place]
        return content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]

    return damage


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An empty store, in a folder with a space in its name."""
    return Layout.create(tmp_path / "a store")


@pytest.fixture
def write_run(layout: Layout) -> WriteRun:
    """Writes a small dissection's bundle: one layer, `units` units, two concepts; not published."""

    def write(run_id: str = "run-1", units: int = 4, into: Layout = layout, **run: Any) -> Path:
        facts = {
            "run_id": run_id,
            "kind": "dissection",
            "state": "final",
            "generator": "planted",
            "segmenter": "exact",
            "seed": 1,
            "images": 64,
            "calibration": 64,
            "layers": ["layer1"],
            "settings": {"threshold": "iqr"},
            **run,
        }
        arrays = {"counts-layer1": {"N": np.arange(units * 6).reshape(units, 2, 3)}}
        return bundles.write(into, facts, small_tables(units), arrays, {"note.txt": b"hello"})

    return write


def small_tables(units: int) -> dict[str, pd.DataFrame]:
    """Unit u agrees with `tree` by u / 10 and with `door` by 0.01; unit 0 has no name.

    The control is .15 for both concepts, so from unit 2 on a unit detects its name; unit 1 does not.
    """
    number = np.arange(units)
    unit_concept = pd.DataFrame(
        {
            "layer": "layer1",
            "unit": number.repeat(2),
            "concept": ["tree", "door"] * units,
            "category": ["object", "part"] * units,
            "iou": np.stack([number / 10, np.full(units, 0.01)], 1).ravel(),
            "mask_iou": 0.15,
            "label": np.stack([number > 0, number < 0], 1).ravel(),
        }
    )
    unit_concept["largest_iou"] = unit_concept.label
    unit_concept["lift"] = (unit_concept.iou - unit_concept.mask_iou) / (1 - unit_concept.mask_iou)
    unit_concept["detector"] = unit_concept.lift > 0
    unit_concept["lift_q_value"] = np.where(unit_concept.detector, 0.01, 0.5)
    unit = pd.DataFrame({"layer": "layer1", "unit": number, "activation_peak": number * 1.5})
    unit["detected"] = unit_concept.groupby("unit").detector.sum()
    unit["concept"] = unit.unit.map(lambda u: "tree" if u else None)
    layer = pd.DataFrame(
        {"layer": ["layer1"], "position": [1], "units": [units], "height": [4], "width": [4]}
    )
    concept = pd.DataFrame({"concept": ["tree", "door"], "category": ["object", "part"], "label": [1, 2]})
    return {"layer": layer, "concept": concept, "unit": unit, "unit_concept": unit_concept}


@pytest.fixture(scope="session")
def column_faults() -> Callable[[Layout], list[str]]:
    """What the rows of a published store hold against the schema's descriptions, one line per column.

    A column's `info` says its least and greatest value, its only values, and whether it is never NULL.
    """

    def faults(layout: Layout) -> list[str]:
        snapshot = store.open(layout)
        return [
            f"{table.name}.{column.name}: {problem}"
            for table in metadata.sorted_tables
            for rows in [snapshot.read(table.select())]
            for column in table.columns
            for problem in _problems(rows[column.name], column.info)
        ]

    return faults


def _problems(values: "pd.Series[Any]", checks: dict[str, Any]) -> list[str]:
    known = values.dropna()
    found = []
    if checks.get("filled") and len(known) < len(values):
        found.append(f"{len(values) - len(known)} of {len(values)} rows are NULL")
    if "values" in checks and not known.isin(checks["values"]).all():
        found.append(f"holds {sorted(set(known) - set(checks['values']))}")
    if len(known) and known.min() < checks.get("low", known.min()):
        found.append(f"holds {known.min()}, below {checks['low']}")
    if len(known) and known.max() > checks.get("high", known.max()):
        found.append(f"holds {known.max()}, above {checks['high']}")
    # A number that counts from `low` starts there in any real run: the mistake that this finds is an offset.
    if len(known) and checks.get("starts") and known.min() != checks["low"]:
        found.append(f"starts at {known.min()}, not at {checks['low']}")
    return found
