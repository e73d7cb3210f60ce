"""Names, addresses and errors are shown as they are: nothing in them is Markdown to a page."""

from collections.abc import Iterator
from typing import Any

import pytest
from full_store import left
from hostile_names import MARKUP, RAW, make_hostile
from pages import Page

from db.layout import Layout


@pytest.fixture(scope="module", params=[(), ("layer",)], ids=["names", "layers"])
def hostile_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Layout:
    layout = left(tmp_path_factory.mktemp("hostile"))
    make_hostile(layout, request.param)
    return layout


def markdown(page: Page) -> list[str]:
    """Every text of a page that the browser reads as Markdown."""
    return [text for node in _nodes(page.test._tree) for text in _texts(node)]


def _nodes(block: Any) -> Iterator[Any]:
    for child in getattr(block, "children", {}).values():
        yield child
        yield from _nodes(child)


def _texts(node: Any) -> Iterator[str]:
    proto = getattr(node, "proto", None)
    kind = getattr(node, "type", "")
    if proto is None or kind in ("code", "arrow_data_frame", "selectbox", "multiselect"):
        return
    for name in ("body", "label", "text", "help"):
        value = getattr(proto, name, "")
        if isinstance(value, str):
            yield value
    if kind == "button_group":
        yield from (option.content for option in proto.options)


@pytest.mark.parametrize(
    "view",
    [
        "home",
        "concept",
        "units",
        "unit",
        "layers",
        "compare",
        "paint",
        "ablate",
        "causes",
        "context",
        "artifacts",
        "jobs",
    ],
)
def test_no_stored_name_is_markdown(
    hostile_store: Layout, monkeypatch: pytest.MonkeyPatch, view: str
) -> None:
    monkeypatch.setenv("GANATOMY_STORE", str(hostile_store.root))
    page = Page.open(view)
    found = markdown(page)
    assert len(found) > 2
    assert [(raw, text) for text in found for raw in RAW if raw in text] == []


@pytest.mark.parametrize(
    ("view", "parameters"),
    [
        ("concept", {"concept": MARKUP}),
        ("search", {"q": MARKUP}),
        ("paint", {"brush": MARKUP}),
        ("paint", {"edit": MARKUP}),
        ("units", {"run": MARKUP}),
        ("units", {"layer": MARKUP}),
        ("unit", {"layer": MARKUP, "unit": "0"}),
        ("compare", {"runs": MARKUP}),
        ("jobs", {"generator": MARKUP}),
        ("jobs", {"job": MARKUP}),
        ("jobs", {"kind": "ace", "concept": MARKUP}),
        ("ablate", {"by": "edit", "edit": MARKUP}),
        ("ablate", {"by": "number", "units": MARKUP}),
        ("causes", {"run": MARKUP}),
        ("sql", {"q": f"SELECT error('{MARKUP}')"}),
        ("sql", {"q": f'SELECT "{MARKUP}" FROM run'}),
        ("sql", {"q": "SELECT DATE '5877641-06-24'"}),
        ("sql", {"q": "FROM test_all_types()"}),
    ],
)
def test_nothing_in_an_address_is_markdown(full: Any, view: str, parameters: dict[str, str]) -> None:
    found = markdown(full(view, **parameters))
    assert [(raw, text) for text in found for raw in RAW if raw in text] == []
