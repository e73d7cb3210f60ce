"""The Models page in a real browser: a checkpoint is uploaded, recognised, added, removed and restored."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import torch
from example_checkpoints import EXAMPLES
from playwright.sync_api import expect
from visiting import Dashboard, Visitor, serve

from analysis.models import generators
from db import store
from db.layout import Layout

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard over a store without runs, with a damaged model and a checkpoint on the server."""
    layout = Layout.create(tmp_path_factory.mktemp("models") / "store")
    store.publish(layout)
    torch.save(EXAMPLES["dcgan/tutorial"](), layout.incoming / "served.pth")
    generators.add("mine", None, layout.incoming / "served.pth", layout.models, title="*Mine* :red[x]")
    (layout.models / "generators" / "broken.json").write_text("{")
    yield from serve(layout.root)


def test_a_checkpoint_is_uploaded_recognised_added_and_removed(
    dashboard: Dashboard, visitor: Visitor, tmp_path: Path
) -> None:
    layout = Layout(dashboard.store)
    torch.save(EXAMPLES["dcgan/tutorial"](), tmp_path / "epoch 9.pth")
    page = visitor.open("/models")
    visitor.turn(page.get_by_role("button", name="Add a generator"), "add", "generator")
    page.locator("input[type=file]").set_input_files(tmp_path / "epoch 9.pth")
    expect(page.get_by_text("What was recognised: DCGAN")).to_be_visible()
    sheet = page.get_by_role("img", name="Samples of this generator")
    expect(sheet).to_be_visible()
    assert sheet.evaluate("image => image.naturalWidth") > 64
    assert str(visitor.parameter("file")).endswith("-epoch-9.pth")
    visitor.settle()
    page.get_by_label("Licence", exact=True).fill("MIT")
    page.get_by_label("Licence", exact=True).press("Enter")
    visitor.expect_parameter("licence", "MIT")
    visitor.settle()
    visitor.turn(page.get_by_role("button", name="Add", exact=True), "task")
    expect(page.get_by_text("Added the generator epoch-9.")).to_be_visible()
    assert generators.describe("epoch-9", layout.models).licence == "MIT"
    assert list(layout.incoming.glob("uploaded/*")) == []
    visitor.turn(page.get_by_role("button", name="Show it"), "model", "epoch-9")
    expect(page.get_by_role("img", name="Samples of epoch-9").first).to_be_visible()
    page.get_by_text("Rename or remove").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_role("button", name="Remove it").click()
    expect(page.get_by_text("Removed lately: 1")).to_be_visible()
    assert "epoch-9" not in generators.names(layout.models)
    page.get_by_text("Removed lately: 1").click()
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_role("img", name="Samples of epoch-9")).to_be_visible()
    assert "epoch-9" in generators.names(layout.models)


def test_names_are_shown_as_they_are_and_damage_hides_nothing(visitor: Visitor) -> None:
    page = visitor.open("/models")
    expect(page.get_by_text("*Mine* :red[x]")).to_be_visible()
    expect(page.get_by_text("broken.json is damaged")).to_be_visible()
    expect(page.get_by_text("Faces: a DCGAN")).to_be_visible()


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1400, "light"),
        (390, "dark"),
        pytest.param(1400, "dark", marks=pytest.mark.slow),
        pytest.param(390, "light", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    "address",
    [
        "/models?model=mine&of=generator",
        "/models?add=generator&from=server&file=served.pth",
        "/models?model=face-parts&of=segmenter&role=segmenter",
    ],
)
def test_the_page_fits_and_nothing_stands_in_the_way(
    visitor: Visitor, address: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    visitor.must_fit(address, width, scheme)
