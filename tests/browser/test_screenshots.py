"""Every page with results, light and dark, wide and on a phone: it fits, axe is content, a picture is kept.

The pictures go to the folder `GANATOMY_SCREENSHOTS`, where it is set, for somebody to look at.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from effects_store import cause, copied, insert, spoil
from visiting import Dashboard, Visitor, serve

from dashboard.widgets import page_list
from db import workspace
from db.permissions import Person
from db.sql import saved

pytestmark = [pytest.mark.browser, pytest.mark.slow]

# What a page shows only with a choice in its address.
ADDRESSES = {
    "search": "/search?q=disc",
    "unit": "/unit?layer=layer1&unit=3",
    "paint": "/paint?layer=layer1&edit=ablate+layer1+3+at+1-4:1-4",
    "ablate": "/ablate?layer=layer1&by=number&units=0-3",
    "boards": "/boards?board=Team",
    "sql": "/sql?q=SELECT+layer,+count(*)+AS+n+FROM+unit+GROUP+BY+layer",
}
TALLEST = 6000  # pixels of a page that a picture shows


@pytest.fixture(scope="module")
def dashboard(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A store with a run of every kind, and a board."""
    layout = copied(store, tmp_path_factory.mktemp("everything") / "store")
    cause(layout)
    insert(layout)
    spoil(layout)
    saved.save(layout, Person("ada"), "layers", "SELECT layer, count(*) AS n FROM unit GROUP BY layer")
    for title, shown in (("A chart", "chart=bar"), ("A table", "")):
        entry = {"board": "Team", "title": title, "query": "layers", "version": 1, "address": shown}
        workspace.open(layout).add("board_entry", "ada", place=1, **entry)
    yield from serve(layout.root)


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", [each.view for each in page_list.PAGES])
def test_a_page_fits_and_its_picture_is_kept(
    visitor: Visitor, view: str, scheme: Literal["light", "dark"], width: int
) -> None:
    visitor.must_fit(ADDRESSES.get(view, "/" if view == "home" else f"/{view}"), width, scheme)
    if folder := os.environ.get("GANATOMY_SCREENSHOTS"):
        page, file = visitor.page, Path(folder) / f"{view}-{scheme}-{width}.png"
        height = page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight")
        page.set_viewport_size({"width": width, "height": min(int(height) + 60, TALLEST)})
        visitor.settle()
        page.screenshot(path=file)
        assert file.stat().st_size > 10_000  # not one colour
