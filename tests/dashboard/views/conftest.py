"""Stores for the pages: an empty one, and one with a run of every kind that no model has to make."""

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode puts no folder on the path
from pages import Page

from db.layout import Layout
from jobs.queue.client import Client
from jobs.render.client import RenderResult

ARCHIVE = Path(__file__).parents[2] / "data" / "store-0.1.tar.xz"
OpenPage = Callable[..., Page]


@pytest.fixture(scope="session")
def full_store(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A store with a run of every kind, unpacked."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.unpack_archive(ARCHIVE, folder, filter="data")
    return Layout.create(folder)


@pytest.fixture
def empty(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    """Opens pages of an empty store."""
    monkeypatch.setenv("GANATOMY_STORE", str(layout.root))
    return Page.open


@pytest.fixture
def full(full_store: Layout, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> OpenPage:
    """Opens pages of the store with a run of every kind. Renders are grey pictures, made by no model."""
    grey = tmp_path / "grey.png"
    Image.new("RGB", (32, 32), (128, 128, 128)).save(grey)

    def render(_client: Client, generator: str, edit: str, seed: int, latents: Sequence[int]) -> RenderResult:
        same = (str(grey),) * len(latents)
        return RenderResult(generator, edit, seed, tuple(latents), same, same, same, "key", 1.0, True)

    monkeypatch.setattr(Client, "render", render)
    monkeypatch.setenv("GANATOMY_STORE", str(full_store.root))
    return Page.open
