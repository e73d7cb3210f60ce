"""The form on the Jobs page: every kind's options, filled from the address."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from db import store
from db.layout import Layout
from jobs.kinds.base import Kind
from jobs.kinds.requests import KINDS, parse

APP = Path(__file__).parents[2] / "dashboard" / "app.py"
CHOSEN = {
    "dissect": {"images": 64, "layers": "layer2", "control": "rotation"},
    "full": {"best": 2},
    "ace": {"layer": "layer2", "concept": "bar", "single_images": "all", "penalty": "squared", "top": "5"},
    "context": {"layer": "layer2", "concept": "bar", "strengths": "2k,q99", "patch": 3, "units": "4,7"},
    "artifacts": {"layer": "layer2", "reference": "generator:planted", "activation": "peak"},
}


@pytest.fixture
def app(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The dashboard at its Jobs page, on a store without runs."""
    store.publish(layout)
    monkeypatch.setenv("GANATOMY_STORE", str(layout.root))
    return AppTest.from_file(str(APP), default_timeout=60).switch_page("views/jobs.py")


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_the_form_has_every_option_and_queues_what_it_shows(app: AppTest, kind: Kind, layout: Layout) -> None:
    values = {"kind": kind.command, "generator": "planted", "segmenter": "planted", **CHOSEN[kind.command]}
    for name, value in values.items():
        app.query_params[name] = str(value)
    app.run()
    assert not app.exception
    widgets = [*app.number_input, *app.text_input, *app.selectbox, *app.multiselect]
    labels = {widget.label for widget in widgets}
    assert {each.option.label for each in kind.parameters().values()} <= labels
    # What the form holds stands in the address, and is what it would queue.
    shown = {name: app.query_params[name] for name in kind.parameters() if name in app.query_params}
    held = {name: text if isinstance(text, str) else text[0] for name, text in shown.items()}
    values.pop("kind")
    assert parse(kind.command, {name: text for name, text in held.items() if text}) == parse(
        kind.command, values
    )
