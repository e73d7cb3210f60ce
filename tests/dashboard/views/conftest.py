"""Stores for the pages: an empty one, and one with a run of every kind that no model has to make."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from full_store import unpacked
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode puts no folder on the path
from inverted import Store, published
from pages import Page

from db import store, workspace
from db.layout import Layout
from jobs.queue.client import Client
from jobs.render.client import MeasureResult, RenderResult

OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def full_store(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A store with a run of every kind, unpacked, and a board."""
    layout = unpacked(tmp_path_factory.mktemp("pages"))
    workspace.open(layout).add("board_entry", "ada", board="Team", place=1, title="Why", text="Doors first")
    return layout


@pytest.fixture
def empty(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    """Opens pages of an empty store, which is published: a page waits 2 s for one that is made first."""
    store.publish(layout)
    monkeypatch.setenv("GANATOMY_STORE", str(layout.root))
    return Page.open


@pytest.fixture(scope="session")
def inverted_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with a run of today, one of whose units is low on its concept."""
    layout = Layout.create(tmp_path_factory.mktemp("inverted") / "store")
    return Store(layout, published(layout))


@pytest.fixture
def inverted(inverted_store: Store, monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    """Opens pages of the store with a unit that is low on its concept."""
    monkeypatch.setenv("GANATOMY_STORE", str(inverted_store.layout.root))
    return Page.open


@pytest.fixture
def full(full_store: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> OpenPage:
    """Opens pages of the store with a run of every kind. Renders are grey pictures, made by no model."""
    grey = tmp_path / "grey.png"
    Image.new("RGB", (32, 32), (128, 128, 128)).save(grey)

    def render(
        _client: Client,
        generator: str,
        edit: str,
        seed: int,
        latents: Sequence[int],
        inputs: str | None = None,
        sha256: str = "",
    ) -> RenderResult:
        same = (str(grey),) * len(latents)
        return RenderResult(generator, edit, seed, tuple(latents), same, same, same, "key", 1.0, True)

    def measure(*_asked: object) -> MeasureResult:
        shares = {"door": (0.1, None, 0.1)}
        nothing = {"stroke": 0.0, "change_in_stroke": None, "change_elsewhere": 0.0, "ms": 1.0}
        return MeasureResult(
            before=shares,
            after=shares,
            colours={"door": "#d94c4c"},
            labels_before=str(grey),
            labels_after=str(grey),
            **nothing,  # type: ignore[arg-type]
        )

    monkeypatch.setattr(Client, "render", render)
    monkeypatch.setattr(Client, "measure", measure)
    monkeypatch.setenv("GANATOMY_STORE", str(full_store.root))
    return Page.open
