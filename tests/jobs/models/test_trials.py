"""Trials: a process of its own answers what a page asks about a file, once for all viewers."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import forked
import psutil
import pytest
import torch
from children import until
from example_checkpoints import EXAMPLES
from PIL import Image

from analysis.models import generators, segmenters
from analysis.models.files import inspection
from analysis.shared.errors import GanatomyError
from db import workspace
from db.errors import NotAllowedError
from db.layout import Layout
from db.permissions import Person
from jobs.models import changes, inbox, process, removal, trials
from jobs.models.trials import Trial
from jobs.system import locks


def ended(layout: Layout, what: str, request: dict[str, object], again: bool = False) -> Trial:
    """The trial once its process has ended."""
    begun = trials.ask(layout, what, request, again=again)

    def found() -> Trial | None:
        trial = trials.look(layout, begun.id)
        return trial if trial is not None and trial.state != "running" else None

    trial = until(found, what=what)
    assert trial is not None
    return trial


@pytest.fixture
def checkpoint(layout: Layout) -> str:
    """A tiny DCGAN in the store's folder incoming."""
    torch.save(EXAMPLES["dcgan/tutorial"](), layout.incoming / "netG.pth")
    return "netG.pth"


def test_a_file_is_inspected_once_and_added(layout: Layout, checkpoint: str) -> None:
    asked: dict[str, object] = {"file": checkpoint, "key": None, "family": None, "answers": {}}
    found = ended(layout, "inspect", asked)
    assert (found.state, found.answer["family"]) == ("done", "dcgan")
    assert Image.open(found.folder / "sheet.png").size[0] > 16
    again = trials.ask(layout, "inspect", asked)
    assert (again.state, again.id) == ("done", found.id)
    made = ended(layout, "add", {**asked, "role": "generator", "name": "mine", "licence": "MIT"})
    assert (made.state, made.error) == ("done", "")
    info = generators.describe("mine", layout.models)
    assert (info.licence, [layer.units for layer in info.layers][:2]) == ("MIT", [8, 6])


def test_a_changed_file_is_another_trial(layout: Layout, checkpoint: str) -> None:
    before = trials.identify(layout, "inspect", {"file": checkpoint})
    torch.save(EXAMPLES["dcgan/tutorial"]() | {"more": torch.zeros(3)}, layout.incoming / checkpoint)
    assert trials.identify(layout, "inspect", {"file": checkpoint}) != before


def test_what_is_no_checkpoint_is_one_sentence(layout: Layout) -> None:
    (layout.incoming / "note.pt").write_text("hello")
    found = ended(layout, "inspect", {"file": "note.pt"})
    assert found.state == "failed"
    assert "note.pt" in found.error
    assert "\n" not in found.error


def test_a_process_that_is_gone_without_an_answer_is_a_sentence(layout: Layout) -> None:
    folder = layout.trials / "0123456789abcdef"
    folder.mkdir(parents=True)
    (folder / "request.json").write_text(json.dumps({"what": "inspect", "request": {}, "at": 0}))
    found = trials.look(layout, "0123456789abcdef")
    assert found is not None
    assert (found.state, found.error) == ("failed", trials.ENDED)


def test_a_trial_that_somebody_else_begins_is_running(
    layout: Layout, checkpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "PATIENCE_S", 0.1)
    folder = layout.trials / trials.identify(layout, "inspect", {"file": checkpoint})
    lock = locks.take(folder, "process")  # as the other viewer does before it writes the request
    assert lock is not None
    found = trials.ask(layout, "inspect", {"file": checkpoint}, again=True)
    assert (found.state, found.id, found.what) == ("running", folder.name, "inspect")
    assert locks.held(folder, "process")
    lock.release()
    assert not locks.held(folder, "process")


def test_a_killed_process_is_said_and_the_trial_is_made_again(layout: Layout, checkpoint: str) -> None:
    slots = [locks.take(layout.trials, f"slot-{number}") for number in range(2)]  # so that the process waits
    asked: dict[str, object] = {"file": checkpoint}
    begun = trials.ask(layout, "inspect", asked)
    [child] = [each for each in psutil.Process().children() if begun.id in " ".join(each.cmdline())]
    child.kill()
    dead = ended(layout, "inspect", asked)
    assert dead.error == f"{trials.ENDED} (It was ended by signal 9.)"
    for slot in slots:
        assert slot is not None
        slot.release()
    assert ended(layout, "inspect", asked, again=True).state == "done"


@pytest.mark.slow
def test_new_weights_take_the_place_of_old_ones(layout: Layout, checkpoint: str) -> None:
    old = generators.add("mine", None, layout.incoming / checkpoint, layout.models, licence="MIT")
    state = {name: value * 1.01 for name, value in EXAMPLES["dcgan/tutorial"]().items()}
    torch.save(state, layout.incoming / "later.pth")
    asked: dict[str, object] = {"role": "generator", "name": "mine", "file": "later.pth", "answers": {}}
    assert ended(layout, "replace", asked).error == ""
    new = generators.describe("mine", layout.models)
    assert (new.licence, new.name) == ("MIT", "mine")
    assert new.weights != old.weights
    generators.load("mine", layout.models)
    assert [each.name for each in removal.removed(layout)] == ["mine"]


@pytest.mark.slow  # it compiles
def test_a_pair_is_tried_on_a_few_images(layout: Layout) -> None:
    asked: dict[str, object] = {"generator": {"name": "planted"}, "segmenter": {"name": "planted"}}
    found = ended(layout, "smoke", asked)
    assert found.error == ""
    assert found.answer["seconds"] < found.answer["estimate"]
    assert {row["name"] for row in found.answer["legend"]} >= {"disc", "bar"}
    assert Image.open(found.folder / "check.png").size[0] > 8 * 128


def test_a_segmenter_is_recognised_with_its_questions_and_added(layout: Layout) -> None:
    weights = segmenters.weights_file("church-parts", layout.models)
    assert weights is not None
    shutil.copyfile(weights, layout.incoming / "parts.safetensors")
    asked: dict[str, object] = {"file": "parts.safetensors", "key": None, "family": None, "answers": {}}
    found = ended(layout, "segmenter", asked)
    assert (found.error, found.answer["family"]) == ("", "unet")
    assert [choice["name"] for choice in found.answer["choices"]] == ["world"]
    assert len(found.answer["colours"]) == len(found.answer["concepts"]) == 14
    made = ended(layout, "add", {**asked, "role": "segmenter", "name": "parts", "source": "a friend"})
    assert made.error == ""
    assert segmenters.describe("parts", layout.models).source == "a friend"


def test_a_removed_model_is_restored(layout: Layout, checkpoint: str) -> None:
    info = generators.add("mine", None, layout.incoming / checkpoint, layout.models)
    changes.register(layout, info, Person("ada"))
    removal.remove(layout, "generator", "mine", Person("ada"))
    assert "mine" not in generators.names(layout.models)
    assert workspace.open(layout).rows("model").empty
    removal.restore(layout, "generator", "mine", Person("ada"))
    assert list(workspace.open(layout).rows("model")["author"]) == ["ada"]
    assert generators.describe("mine", layout.models) == info
    generators.load("mine", layout.models)
    with pytest.raises(GanatomyError, match="not kept any more"):
        removal.restore(layout, "generator", "mine", Person("ada"))


@pytest.fixture
def fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read by forks of the test."""
    monkeypatch.setattr(inspection, "_run", forked.run)


@pytest.mark.usefixtures("fork")
def test_two_removed_models_of_one_name_are_both_kept(layout: Layout, checkpoint: str) -> None:
    for title in ("first", "second"):
        generators.add("mine", None, layout.incoming / checkpoint, layout.models, title=title)
        removal.remove(layout, "generator", "mine", Person("ada"))
    kept = removal.removed(layout)
    assert len(kept) == 2
    titles = []
    for each in kept:
        removal.restore(layout, "generator", "mine", Person("ada"), each.folder)
        titles.append(generators.describe("mine", layout.models).title)
        removal.remove(layout, "generator", "mine", Person("ada"))
    assert sorted(titles) == ["first", "second"]
    assert len(removal.removed(layout)) == 2


def replaced(layout: Layout, request: dict[str, object]) -> None:
    """Replaces weights as the page's process does."""
    folder = layout.trials / "0123456789abcdef"
    folder.mkdir(parents=True)
    process.replace(process.Work(layout, folder, request))


def test_replacing_keeps_the_vocabulary_of_a_segmenter(layout: Layout, tmp_path: Path) -> None:
    weights = segmenters.weights_file("church-parts", layout.models)
    assert weights is not None
    shutil.copyfile(weights, layout.incoming / "parts.safetensors")
    names = tmp_path / "names.json"
    names.write_text(json.dumps([f"concept {number}" for number in range(14)]))
    file = layout.incoming / "parts.safetensors"
    old = segmenters.add("parts", None, file, layout.models, vocabulary=names)
    answers = {name: value for name, value in old.config.items() if isinstance(value, str)}
    replaced(layout, {"role": "segmenter", "name": "parts", "file": file.name, "answers": answers})
    new = segmenters.describe("parts", layout.models)
    assert new.config["vocabulary"]["concepts"][1]["name"] == "concept 1"
    assert new.config == old.config


@pytest.mark.usefixtures("fork")
def test_replacing_keeps_default_inputs_and_takes_the_key(layout: Layout) -> None:
    state = EXAMPLES["mobile_stylegan/own-names"]()
    torch.save({"first": state, "second": state}, layout.incoming / "gan.pth")
    file = layout.incoming / "gan.pth"
    old = generators.add("mine", None, file, layout.models, "first", inputs="truncation=0.5")
    assert old.inputs == "truncation=0.5"
    asked: dict[str, object] = {"role": "generator", "name": "mine", "file": "gan.pth", "key": "second"}
    replaced(layout, asked)
    assert generators.describe("mine", layout.models).inputs == "truncation=0.5"
    assert changes.settings(layout, "generator", "mine") == {"key": "second"}


@pytest.mark.usefixtures("fork")
def test_a_generator_and_a_segmenter_of_one_name_are_kept_apart(layout: Layout, checkpoint: str) -> None:
    weights = segmenters.weights_file("church-parts", layout.models)
    assert weights is not None
    shutil.copyfile(weights, layout.incoming / "parts.safetensors")
    sees = segmenters.add("mine", None, layout.incoming / "parts.safetensors", layout.models)
    file = layout.incoming / checkpoint
    made = generators.add("mine", None, file, layout.models, default_segmenter="mine")
    for info in (sees, made):
        changes.register(layout, info, Person("ada"))
    changes.rename(layout, "segmenter", "mine", "parts", Person("ada"))
    assert generators.describe("mine", layout.models).default_segmenter == "parts"
    rows = workspace.open(layout).rows("model")
    assert sorted(zip(rows.role, rows.name, strict=True)) == [("generator", "mine"), ("segmenter", "parts")]
    removal.remove(layout, "segmenter", "parts", Person("ada"))
    assert list(workspace.open(layout).rows("model").role) == ["generator"]


@pytest.mark.usefixtures("fork")
def test_a_member_changes_only_the_own_models(layout: Layout, checkpoint: str) -> None:
    ada, bob = (Person(name, "member", "login") for name in ("ada", "bob"))
    info = generators.add("mine", None, layout.incoming / checkpoint, layout.models)
    changes.register(layout, info, ada)
    for refused in (
        lambda: changes.change(layout, "generator", "mine", bob, title="his"),
        lambda: changes.rename(layout, "generator", "mine", "his", bob),
        lambda: removal.remove(layout, "generator", "mine", bob),
    ):
        with pytest.raises(
            NotAllowedError, match="This generator belongs to ada; only its owner or an admin"
        ):
            refused()
    asked: dict[str, object] = {"role": "generator", "name": "mine", "file": checkpoint}
    folder = layout.root / "trial"
    with pytest.raises(NotAllowedError, match="can replace it"):
        process.replace(process.Work(layout, folder, {**asked, "person": asdict(bob)}))
    eve = asdict(Person("eve", "viewer", "login"))
    with pytest.raises(NotAllowedError, match="A viewer cannot add a generator"):
        process.add(process.Work(layout, folder, {**asked, "name": "new", "person": eve}))
    assert generators.describe("mine", layout.models) == info
    changes.change(layout, "generator", "mine", Person("root", "admin", "login"), title="hers")
    removal.remove(layout, "generator", "mine", ada)
    with pytest.raises(NotAllowedError, match="can restore it"):
        removal.restore(layout, "generator", "mine", bob)
    removal.restore(layout, "generator", "mine", Person("root", "admin", "login"))
    assert list(workspace.open(layout).rows("model")["author"]) == ["ada"]


def test_no_file_outside_incoming_can_be_named(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "secret.pt").write_text("x")
    (layout.incoming / "link.pt").symlink_to(tmp_path / "secret.pt")
    (layout.incoming / "link").symlink_to(tmp_path)
    names = ("../secret.pt", str(tmp_path / "secret.pt"), "link.pt", "link", "link/secret.pt", "", ".", "..")
    for name in (*names, "uploaded", "uploaded/../../secret.pt", "a\0b"):
        with pytest.raises(GanatomyError, match="There is no file"):
            inbox.path(layout, name)
    assert inbox.listed(layout) == []


def test_a_folder_with_a_link_out_of_it_is_refused(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "secret.pt").write_text("x")
    labels = layout.incoming / "maps" / "labels"
    labels.mkdir(parents=True)
    (labels / "000000.png").write_bytes(b"x")
    (labels / "000001.png").symlink_to(labels / "000000.png")
    assert inbox.path(layout, "maps") == layout.incoming.resolve() / "maps"  # its own link is followed
    (labels / "000002.png").symlink_to(tmp_path / "secret.pt")
    with pytest.raises(
        GanatomyError, match=r"'maps' holds a link, 000002\.png, that leads out of this folder"
    ):
        inbox.path(layout, "maps")
    assert inbox.listed(layout) == []
    (labels / "000002.png").unlink()
    (layout.incoming / "maps" / "deep").symlink_to(tmp_path)
    with pytest.raises(GanatomyError, match="holds a link, deep"):
        inbox.path(layout, "maps")
