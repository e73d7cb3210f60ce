"""The pages over what the demo imports: each has content, before the demo's own dissection is there."""

from collections.abc import Callable

import pytest
from pages import Page

from db.layout import Layout
from jobs.demo import results

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A store with nothing but the results that come with Ganatomy."""
    layout = Layout.create(tmp_path_factory.mktemp("demo") / "store")
    results.import_into(layout)
    return layout


@pytest.fixture
def imported(demo_store: Layout, full: OpenPage, monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    """Opens pages of that store; renders are grey."""
    monkeypatch.setenv("GANATOMY_STORE", str(demo_store.root))
    return full


@pytest.mark.parametrize(
    ("view", "said"),
    [
        ("causes", "of all door pixels"),
        ("context", "cell areas"),
        ("artifacts", "Fréchet distance"),
    ],
)
def test_a_study_is_shown(imported: OpenPage, view: str, said: str) -> None:
    page = imported(view, **({"concept": "door"} if view == "causes" else {}))
    assert said in page.text
    assert not page.errors
    assert page.test.get("image"), "no picture"


def test_home_tells_each_study_in_a_sentence(imported: OpenPage) -> None:
    page = imported("home")
    assert not page.errors
    cards = [text for text in page.text.split("\n") if "layer3" in text]
    assert sum("Switching off" in text for text in cards) == 1
    assert sum("Forcing on" in text for text in cards) == 1
    assert sum("rtifact units" in text or "suspect" in text for text in cards) == 1
    assert page.test.get("image")
