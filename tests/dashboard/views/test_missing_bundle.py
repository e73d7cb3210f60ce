"""A run whose bundle is missing: its numbers, and a sentence in the place of its pictures."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pages import Page

from db import store
from db.layout import Layout


@pytest.fixture
def lost(
    full_store: Layout, full: Callable[..., Page], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Layout:
    """The store with a run of every kind, without any bundle."""
    layout = Layout(tmp_path / "lost")
    shutil.copytree(full_store.root, layout.root, symlinks=True, ignore=shutil.ignore_patterns("*.sock"))
    store.publish(layout)
    for bundle in layout.bundles.glob("[!.]*"):
        shutil.rmtree(bundle)
    monkeypatch.setenv("GANATOMY_STORE", str(layout.root))
    return layout


@pytest.mark.parametrize(
    ("view", "number"),
    [
        ("home", "No images: the bundle of this run is missing"),
        ("units", "distinct concept"),
        ("unit", "Agrees with"),
        ("artifacts", "score "),
        ("context", "What later layers make of it"),
    ],
)
@pytest.mark.usefixtures("lost")
def test_numbers_are_shown_with_a_sentence(view: str, number: str) -> None:
    page = Page.open(view)
    assert number in page.text
    assert view == "home" or "Its rows are still in the file. Check that the disk" in page.errors[0]
    assert len(page.errors) <= 2


def test_every_page_says_that_the_disk_of_bundles_is_not_mounted(lost: Layout) -> None:
    lost.marker.unlink()
    assert "Is its disk mounted?" in Page.open("layers").errors[0]
