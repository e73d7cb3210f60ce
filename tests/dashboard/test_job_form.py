"""The form on the Jobs page: every kind's options, filled from the address."""

from pathlib import Path
from typing import Any

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
    "compare": {"generators": "churches,churches-large", "controls": "none"},
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
    models = {"segmenter": "planted"} | ({"generator": "planted"} if "generator" in kind.parameters() else {})
    values = {"kind": kind.command, **models, **CHOSEN[kind.command]}
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


def filled(app: AppTest, **values: object) -> AppTest:
    for name, value in values.items():
        app.query_params[name] = str(value)
    app.run()
    assert not app.exception
    return app


def queue_button(app: AppTest) -> Any:
    return next(each for each in app.button if each.label == "Queue")


def test_a_wrong_value_is_told_at_its_field_and_the_button_stays(app: AppTest) -> None:
    filled(app, kind="dissect", generator="planted", segmenter="planted", threshold="banana")
    said = [each.value for each in app.error if "banana" in each.value]
    assert said == ["'banana' should be 'iqr' or a valid number"]
    assert next(each for each in app.expander if each.label.startswith("More")).proto.expanded
    assert queue_button(app).disabled
    field = next(each for each in app.text_input if each.label == "Threshold")
    field.set_value("0.01").run()
    assert not queue_button(app).disabled
    assert not any("banana" in each.value for each in app.error)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"generator": "churches", "layer": "layer4", "images": 150}, "take 800 or more"),
        (
            {"generator": "faces", "layer": "layer3", "features": "segmenter", "images": 300},
            "take 310 or more",
        ),
        ({"generator": "churches", "layer": "layer4", "images": 800}, "no finished dissection"),
    ],
)
def test_artifacts_that_cannot_work_are_refused_before_they_are_queued(
    app: AppTest, values: dict[str, object], said: str
) -> None:
    filled(app, kind="artifacts", **values)
    assert any(said in each.value for each in app.error)
    assert queue_button(app).disabled


def test_pictures_are_compared_with_what_the_generator_was_trained_on(layout: Layout) -> None:
    (layout.references / "mine").mkdir(parents=True)
    store.publish(layout)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GANATOMY_STORE", str(layout.root))
        app = AppTest.from_file(str(APP), default_timeout=60).switch_page("views/jobs.py")
        filled(app, kind="artifacts", generator="faces", layer="layer3", images=800)
    reference = next(each for each in app.selectbox if each.label == "Reference")
    assert reference.value == ""
    assert {"drawn:churches", "folder:mine", "generator:ffhq"} <= {*reference.options}
