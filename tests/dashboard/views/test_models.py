"""Models: the list, one model, adding, changing and removing."""

from collections.abc import Callable
from pathlib import Path

import forked
import pytest
import torch
from children import until
from example_checkpoints import EXAMPLES
from pages import Page

from analysis.models import generators
from analysis.models.files import inspection
from db import store
from db.layout import Layout
from db.permissions import Person
from jobs.kinds.requests import parse
from jobs.models import changes, trials
from jobs.queue.client import Client

Open = Callable[..., Page]


@pytest.fixture
def checkpoint(layout: Layout) -> Path:
    """A tiny DCGAN in the store's folder incoming."""
    file = layout.incoming / "netG.pth"
    torch.save(EXAMPLES["dcgan/tutorial"](), file)
    return file


def said(page: Page) -> str:
    """What the page says, without the characters that keep it from being Markdown."""
    return page.text.replace("\\", "")


def settled(page: Page, layout: Layout) -> Page:
    """The page, drawn again once no trial runs."""

    def ended() -> bool:
        found = [trials.look(layout, folder.name) for folder in layout.trials.glob("*") if folder.is_dir()]
        return all(trial is None or trial.state != "running" for trial in found)

    until(ended)
    return page.run()


def test_models_are_listed_and_filtered(empty: Open) -> None:
    page = empty("models")
    assert "Faces: a DCGAN trained on DigiFace-1M" in said(page)
    assert "layer1: 512 units of 4x4" in page.text
    assert "SHA-256 of the weights: 0c3b90b1" in empty("models", model="faces", of="generator").text
    page = empty("models", role="segmenter", find="bisenet")
    assert "2 models of" in page.text
    assert "face-parts-18" in said(page)
    assert "Faces: a DCGAN" not in said(page)


def test_a_damaged_model_is_a_sentence_and_hides_nothing(empty: Open, layout: Layout) -> None:
    folder = layout.models / "generators"
    folder.mkdir(parents=True)
    (folder / "broken.json").write_text("{")
    page = empty("models")
    assert [error for error in page.errors if "broken.json is damaged" in error]
    assert "Faces: a DCGAN" in said(page)
    page = empty("models", model="broken", of="generator").click("Remove it")
    assert page.errors == []
    assert not (folder / "broken.json").exists()


def test_a_model_that_is_not_there_is_a_sentence(empty: Open) -> None:
    assert any("There is no generator 'nobody'" in error for error in empty("models", model="nobody").errors)
    assert any("no role" in error for error in empty("models", model="nobody", of="x").errors)


def test_a_file_is_recognised_added_changed_and_removed(
    empty: Open, layout: Layout, checkpoint: Path
) -> None:
    page = empty("models", **{"add": "generator", "from": "server", "file": checkpoint.name})
    page = settled(page, layout)
    assert "What was recognised: DCGAN" in page.text
    assert page.widget("Activation").value == "relu"
    assert page.widget("Name").value == "netg"
    page = settled(page.choose("Activation", "leaky_relu_0.2"), layout)
    assert page.address["a.activation"] == "leaky_relu_0.2"
    page.choose("Licence", "*MIT* :red[x]")
    page = settled(page.click("Add"), layout)
    assert page.errors == []
    assert "Added the generator netg." in "\n".join(str(each.value) for each in page.test.success)
    info = generators.describe("netg", layout.models)
    assert (info.licence, info.config["activation"]) == ("*MIT* :red[x]", "leaky_relu_0.2")
    page = empty("models", model="netg", of="generator")
    assert r"\*MIT\* \:red\[x\]" in page.text
    page.widget("Title").set_value("My faces")
    page = page.click("Save")
    assert generators.describe("netg", layout.models).title == "My faces"
    page = page.click("Remove it")
    assert "netg" not in generators.names(layout.models)
    page = page.click("Restore")
    assert generators.describe("netg", layout.models).title == "My faces"


def test_a_file_with_several_generators_asks_for_one(empty: Open, layout: Layout) -> None:
    state = EXAMPLES["dcgan/tutorial"]()
    torch.save({"first": state, "second": state}, layout.incoming / "two.pth")
    page = empty("models", **{"add": "generator", "from": "server", "file": "two.pth"})
    page = settled(page, layout)
    assert any("holds several state dicts" in error for error in page.errors)
    page = settled(page.choose("State dict", "second"), layout)
    assert (page.errors, page.address["key"]) == ([], "second")
    assert "key second" in page.text


def test_default_inputs_are_changed_and_kept_with_new_weights(
    empty: Open, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "_run", forked.run)
    state = EXAMPLES["mobile_stylegan/own-names"]()
    torch.save({"first": state, "second": state}, layout.incoming / "gan.pth")
    info = generators.add("mine", None, layout.incoming / "gan.pth", layout.models, "first")
    changes.register(layout, info, Person("ada"), "first")
    page = empty("models", model="mine", of="generator")
    page.widget("Default inputs").set_value("truncation=0.5")
    page = page.click("Save")
    assert generators.describe("mine", layout.models).inputs == "truncation=0.5"
    page.widget("Default inputs").set_value("class=3")
    page = page.click("Save")
    assert any("has no input 'class'" in error for error in page.errors)
    page = empty(
        "models", **{"model": "mine", "of": "generator", "replace": "1", "from": "server", "file": "gan.pth"}
    )
    assert page.widget("Key").value == "first"
    page = settled(page.click("Replace"), layout)
    assert page.errors == []
    assert "mine has new weights." in "\n".join(str(each.value) for each in page.test.success)
    assert generators.describe("mine", layout.models).inputs == "truncation=0.5"


def test_what_is_no_checkpoint_is_one_sentence(empty: Open, layout: Layout) -> None:
    (layout.incoming / "note.pt").write_text("hello")
    page = empty("models", **{"add": "generator", "from": "server", "file": "note.pt"})
    page = settled(page, layout)
    assert len(page.errors) == 1
    assert "note.pt" in page.errors[0]


@pytest.mark.parametrize("file", ["../store-id", "/etc/passwd", "uploaded/../../queue.sqlite"])
def test_no_other_file_can_be_named(empty: Open, layout: Layout, file: str) -> None:
    for place in ("server", "upload"):
        page = empty("models", **{"add": "generator", "from": place, "file": file})
        assert not list(layout.trials.glob("*/request.json"))
        assert "What was recognised" not in page.text


def test_a_read_only_dashboard_offers_nothing(
    empty: Open, layout: Layout, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generators.add("mine", None, checkpoint, layout.models)
    store.publish(layout)
    monkeypatch.setenv("GANATOMY_READ_ONLY", "1")
    page = empty("models", model="mine", of="generator", add="generator", file=checkpoint.name)
    assert "This dashboard is read-only" in page.text
    labels = {button.label for button in page.test.button}
    assert labels <= {"Details", "Close", "Refresh", "Search", "Help", "Who did what"}
    assert not layout.trials.exists()


def test_what_still_names_a_model_is_said(empty: Open, layout: Layout, checkpoint: Path) -> None:
    generators.add("mine", None, checkpoint, layout.models)
    request = parse("dissect", {"generator": "mine", "segmenter": "planted"})
    Client(layout).schedule("nightly", request, "0 2 * * *")
    assert "Still naming it: the schedule nightly." in said(empty("models", model="mine", of="generator"))
