"""The questions that pages ask about causes, over a store whose numbers are made up."""

import numpy as np
import pandas as pd
import pytest

from db import store
from db.layout import Layout
from db.queries import causes as effects
from db.store import Snapshot, bundles


@pytest.fixture
def snapshot(layout: Layout) -> Snapshot:
    """Two units, discs and bars; on the choosing images unit 0 moves bars more, on the test images discs."""
    place = {"layer": "layer1", "concept": "disc"}
    dissection = {
        "layer": pd.DataFrame({"layer": ["layer1"], "units": [2], "height": [4], "width": [4]}),
        "concept": pd.DataFrame({"concept": ["disc", "bar"], "label": [1, 2]}),
        "unit_concept": pd.DataFrame({**place, "unit": [0, 1], "calibration_iou": [0.1, 0.3], "iou": 0.2}),
    }
    single = pd.DataFrame(
        [
            {"layer": "layer1", "concept": concept, "unit": unit, "edit": edit, "images": 7, "rank": unit + 1}
            | {"choosing_effect": chosen - unit, "effect": effect, "effect_low": 0.0, "effect_high": 1.0}
            for edit, more in (("ablate", 0.0), ("insert", 0.1), ("both", 0.2))
            for concept, chosen, effect in (("disc", 0.3, 0.6 + more), ("bar", -0.5, 0.4 + more))
            for unit in (0, 1)
        ]
    )
    units = {"unit": [0, 1], "alpha": [0.9, 0.0], "rank": [1, 2], "ablate_value": 0.0, "insert_value": 2.5}
    causes = {
        "ace_unit": pd.DataFrame({**place, **units}),
        "ace_overlap": pd.DataFrame({**place, "units": [2, 1], "overlap": [0.5, 1.0]}),
        "unit_effect": single,
    }
    about = {"state": "final", "generator": "planted", "segmenter": "planted", "seed": 1, "images": 64}
    for run, kind, parent, tables in (
        ("parent", "dissection", None, dissection),
        ("learned", "causes", "parent", causes),
    ):
        row = {"run_id": run, "kind": kind, "parent_run_id": parent, "started_at": "2026-01-01", **about}
        bundles.write(layout, row, tables)
    store.publish(layout)
    return store.open(layout)


def test_a_units_causes_are_in_the_order_of_the_choosing_images(snapshot: Snapshot) -> None:
    found = effects.unit_causes(snapshot, "parent", "layer1", 0)
    assert found.concept.tolist() == ["bar", "disc"]
    assert found.effect.tolist() == pytest.approx([0.4, 0.6])
    assert found.ace.tolist() == pytest.approx([0.6, 0.8])
    assert found.images.tolist() == [7, 7]  # not the run's 64


def test_a_unit_is_one_row_of_the_rankings(snapshot: Snapshot) -> None:
    found = effects.rankings(snapshot, "learned")
    assert found.unit.tolist() == [0, 1]
    assert found.effect.tolist() == pytest.approx([0.6, 0.6])
    assert found.iou_rank.tolist() == [2, 1]
    assert found.single_rank.tolist() == [1, 2]
    assert np.allclose(found[["ablate_value", "insert_value"]], [[0, 2.5], [0, 2.5]])


def test_single_units_are_of_one_edit_and_overlaps_in_order(snapshot: Snapshot) -> None:
    found = effects.units_where(snapshot, "learned", "disc", "insert")
    assert found.effect.tolist() == pytest.approx([0.7, 0.7])
    assert effects.overlap(snapshot, "learned").overlap.tolist() == [1.0, 0.5]
