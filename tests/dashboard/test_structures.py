"""Every remembered structure is right by Vega-Lite's schema, which is not asked when a page is drawn."""

import json

import altair as alt
import jsonschema
import pandas as pd
import pyarrow as pa
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.charts import (
    activations,
    artifacts,
    causes,
    cell_maps,
    compare,
    context,
    layers,
    structures,
    unit_map,
)
from dashboard.widgets import threshold_slider

RUNS = (("a", "#3661e9"), ("b", "#f46702"))
SEEN = ("training_steps", "steps", 900.0)
STRUCTURES = {
    "alphas": causes._alphas(),
    "curve": causes._curve(("ace", "random"), "effect", "share", True, True, "left"),
    "overlap": causes._overlap(),
    "singles": causes._singles(True),
    "matrix": causes._matrix(("tree", "sky"), 2, True),
    "learning": causes._learning(),
    "by_context": context._by_context(("tree · 3 cells",), "effect"),
    "by_row": context._by_row(0.5, 8, False),
    "cell_map": cell_maps._clickable(8, 8),
    "trace": context._trace(("layer1", "image"), "change"),
    "distance": artifacts._curve("FID"),
    "bars": compare._bars(("a", "b"), "share", "share", 1.0, 0.4, RUNS, 2, True),
    "heat": compare._heat(("a", "b"), "Lift", ("tree",), 0.5, RUNS, True),
    "growth": compare._growth(SEEN, 0.4),
    "concept_growth": compare._concept_growth(SEEN, 0.5, 0.0, "#112233"),
    "shares": compare._shares(("sky",), RUNS),
    "categories": compare._categories(("a", "b"), ("object", "part")),
    "threshold": threshold_slider._lines(),
    "activations": activations._histogram(),
    "unit_map": unit_map._map(),
    "layer_bars": layers._bars(("layer1",), "units", "Detectors", "category", ("object", "part"), True),
    "layer_heat": layers._heat(("layer1",), 0.5, 3, True),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structure_is_vega_lite(name: str) -> None:
    spec = json.loads(STRUCTURES[name])
    (alt.LayerChart if "layer" in spec else alt.Chart).from_dict(spec)  # raises where the schema forbids it
    assert "datasets" not in spec


def test_the_schema_is_asked() -> None:
    wrong = json.loads(STRUCTURES["growth"]) | {"height": "tall"}
    with pytest.raises(jsonschema.ValidationError):
        alt.LayerChart.from_dict(wrong)


def test_the_browser_gets_the_rows_under_a_name_that_changes_with_them() -> None:
    def page() -> None:
        import pandas as pd

        from dashboard.charts import compare
        from dashboard.charts.structures import Drawing

        for score in (0.1, 0.1, 0.2):
            rows = pd.DataFrame({"training_steps": [1, 2], "score": [score, 0.5], "nothing_of_this": 1})
            Drawing(
                compare._concept_growth(("training_steps", "steps", 2.0), 1.0, 0.0, "#112233"), {"rows": rows}
            ).draw("c")

    charts = AppTest.from_function(page).run().get("vega_lite_chart")
    names = [dataset.name for chart in charts for dataset in chart.proto.datasets]
    assert names[0] == names[1] != names[2]
    assert json.loads(charts[2].proto.spec)["data"] == {"name": names[2]}
    sent = pa.ipc.open_stream(charts[2].proto.datasets[0].data.data).read_all().to_pandas()
    pd.testing.assert_frame_equal(sent, pd.DataFrame({"training_steps": [1, 2], "score": [0.2, 0.5]}))


def test_structures_are_remembered_by_what_they_depend_on() -> None:
    made = []

    @structures.structure
    def points(height: int) -> alt.Chart:
        made.append(height)
        return structures.named().mark_point().properties(height=height)

    assert points(3) == points(3) != points(4)
    assert made == [3, 4]
