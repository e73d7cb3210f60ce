"""`ganatomy models`: from a checkpoint file to a model of the store, and its later life."""

import argparse
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import forked
import program
import pytest
import torch
from example_checkpoints import tutorial_dcgan

from analysis.models import generators, segmenters
from analysis.models.files import inspection
from db import workspace
from db.layout import Layout
from jobs.queue.client import Client
from jobs.worker import folders

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ganatomy(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The program in this process, on a store of its own."""
    monkeypatch.setattr(inspection, "_run", forked.run)
    monkeypatch.setenv("GANATOMY_STORE", str(tmp_path / "store"))
    return partial(program.run, capsys)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """What a training wrote: the generator among other things."""
    path = tmp_path / "training.pt"
    content = {"netG": tutorial_dcgan().state_dict(), "args": argparse.Namespace(lr=1), "epoch": 3}
    torch.save(content, path)
    return path


def test_a_checkpoint_is_inspected_and_nothing_is_kept(
    ganatomy: Run, checkpoint: Path, tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet.png"
    status, said, _ = ganatomy("models", "inspect", str(checkpoint), "--sheet", str(sheet))
    assert status == 0
    assert "family: DCGAN (dcgan)" in said
    assert "training.pt, PyTorch checkpoint, under netG" in said
    assert "--set activation=relu" in said
    assert sheet.read_bytes().startswith(b"\x89PNG")
    found = json.loads(ganatomy("models", "inspect", str(checkpoint), "--json")[1])
    assert [(layer["units"], layer["height"]) for layer in found["layers"]] == [(8, 4), (6, 8), (4, 16)]
    assert not list((tmp_path / "store").rglob("*.safetensors"))


def test_a_model_is_added_changed_renamed_and_removed(
    ganatomy: Run, checkpoint: Path, tmp_path: Path
) -> None:
    words = (
        "--segmenter",
        "church-parts",
        "--set",
        "activation=elu",
        "--title",
        "[/x] Mine",
        "--licence",
        "MIT",
    )
    status, said, wrong = ganatomy("models", "add", "mine", str(checkpoint), *words)
    assert (status, wrong) == (0, "")
    assert "Added mine (dcgan, 32x32). Dissect it: ganatomy dissect mine" in said
    known = json.loads(ganatomy("models", "show", "mine", "--json")[1])
    assert (known["title"], known["licence"], known["default_segmenter"]) == (
        "[/x] Mine",
        "MIT",
        "church-parts",
    )
    assert known["config"]["activation"] == "elu"
    assert ganatomy("models", "rename", "mine", "yours")[0] == 0
    assert ganatomy("models", "set", "yours", "--source", "my own training")[0] == 0
    assert json.loads(ganatomy("models", "show", "yours", "--json")[1])["source"] == "my own training"
    rows = workspace.open(Layout.create(tmp_path / "store")).rows("model")
    assert list(rows["name"]) == ["yours"]
    assert ganatomy("models", "remove", "yours")[0] == 0
    assert workspace.open(Layout.create(tmp_path / "store")).rows("model").empty
    assert "no model 'yours'" in ganatomy("models", "show", "yours")[2]
    assert ganatomy("models", "restore", "yours")[0] == 0
    assert json.loads(ganatomy("models", "show", "yours", "--json")[1])["source"] == "my own training"
    assert ganatomy("models", "restore", "yours")[0] == 1


def test_a_name_of_both_roles_asks_for_one(ganatomy: Run, checkpoint: Path, tmp_path: Path) -> None:
    models = Layout.create(tmp_path / "store").models
    weights = segmenters.weights_file("church-parts", models)
    assert ganatomy("models", "add", "mine", str(weights), "--role", "segmenter")[0] == 0
    assert ganatomy("models", "add", "mine", str(checkpoint), "--segmenter", "mine")[0] == 0
    assert "give --role generator or --role segmenter" in ganatomy("models", "remove", "mine")[2]
    status, said, _ = ganatomy("models", "remove", "mine", "--role", "segmenter")
    assert status == 0
    assert "Still naming it: the generator mine, whose default it is." in said
    assert list(workspace.open(Layout(tmp_path / "store")).rows("model").role) == ["generator"]
    assert "it is a generator" in ganatomy("models", "set", "mine", "--role", "segmenter", "--title", "x")[2]
    assert ganatomy("models", "restore", "mine")[0] == 0
    assert ganatomy("models", "rename", "mine", "sees", "--role", "segmenter")[0] == 0
    assert generators.describe("mine", models).default_segmenter == "sees"
    assert "--inputs does not apply" in ganatomy("models", "set", "sees", "--inputs", "class=1")[2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "m", "FILE", "--segmenter", "nosuch"), "no segmenter 'nosuch'"),
        (("add", "m", "FILE", "--segmenter", "churches"), "no segmenter 'churches'"),
        (("add", "m", "FILE", "--family", "nosuch"), "no generator family 'nosuch'"),
        (("add", "m", "FILE", "--set", "activation"), "write --set name=value"),
        (("add", "m", "FILE", "--set", "activation=x"), "cannot be the activation"),
        (("add", "m", "FILE", "--key", "netX"), "no state dict 'netX'; it holds netG"),
        (("add", "m", "FILE", "--inputs", "truncation=0.5"), "has no input 'truncation'"),
        (("add", "m", "FILE", "--inputs", "nonsense"), "no input of a generator"),
        (("add", "churches", "FILE"), "a generator 'churches' already"),
        (("add", "m", "FILE", "--role", "judge"), "is not a role"),
        (("add", "m", "FILE", "--vocabulary", "x"), "--vocabulary does not apply to a generator"),
        (
            ("add", "m", "FILE", "--role", "segmenter", "--inputs", "class=1", "--memory-gb", "2"),
            "--inputs and --memory-gb do not apply to a segmenter",
        ),
        (("add", "m", "--plugin", "x", "--set", "a=b"), "--set does not apply to a plug-in"),
        (("inspect", "FILE", "--role", "nonsense"), "'nonsense' is not a role"),
        (("inspect", "FILE", "--role", "segmenter", "--sheet", "x.png"), "--sheet does not apply"),
        (("restore", "nobody"), "not kept any more"),
        (("add", "m"), "Name the checkpoint's file"),
        (("inspect", "/nowhere.pt"), "There is no file /nowhere.pt"),
        (("set", "churches", "--title", "x"), "comes with Ganatomy"),
        (("set", "nobody", "--title", "x"), "no model 'nobody' in this store"),
        (("remove", "churches"), "comes with Ganatomy"),
        (("remove", "../x"), "no model '../x' in this store"),
        (("rename", "nobody", "x"), "no model 'nobody' in this store"),
    ],
)
def test_what_people_can_mend_is_one_sentence(
    ganatomy: Run, checkpoint: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    status, _, wrong = ganatomy("models", *(str(checkpoint) if word == "FILE" else word for word in words))
    assert status == 1
    assert said in wrong
    assert "Traceback" not in wrong
    assert len(wrong.strip().splitlines()) == 1
    assert not list((tmp_path / "store").rglob("*.safetensors"))


def test_one_damaged_model_is_named_and_hides_no_other(ganatomy: Run, tmp_path: Path) -> None:
    folder = Layout.create(tmp_path / "store").models / "generators"
    folder.mkdir(parents=True)
    (folder / "bad.json").write_text("{")
    (folder / "newer.json").write_text('{"format_version": 99}')
    status, said, _ = ganatomy("models", "list")
    assert status == 0
    assert "churches" in said
    assert "bad.json is damaged" in said
    assert "newer.json has format '99'" in said
    assert "bad.json is damaged" in ganatomy("models", "show", "bad")[2]
    assert ganatomy("models", "remove", "bad")[0] == 0
    assert "bad.json" not in ganatomy("models", "list")[1]


def test_a_watched_folder_may_choose_inputs_and_settings(ganatomy: Run, tmp_path: Path) -> None:
    watch = ("jobs", "watch", "add", "run1", str(tmp_path), "--segmenter", "church-parts")
    assert ganatomy(*watch, "--inputs", "truncation=0.5", "--set", "sides=high")[0] == 0
    [added] = folders.watches(Layout(tmp_path / "store"))
    assert (added.request["inputs"], added.request["sides"]) == ("truncation=0.5", "high")
    status, _, wrong = ganatomy(*watch, "--set", "nosuch=1")
    assert (status, len(wrong.strip().splitlines())) == (1, 1)
    assert "nosuch" in wrong
    assert ganatomy(*watch, "--inputs", "nonsense")[0] == 1


@pytest.mark.slow
def test_a_watched_folder_needs_no_family(client: Client, checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "training"
    folder.mkdir()
    checkpoint.rename(folder / "step-1.pt")
    (folder / "step-2.pt").write_bytes(b"cbuiltins\nbytearray\n(J\xff\xff\xff\x7ftR.")
    for file in folder.iterdir():
        os.utime(file, (0, 0))
    request = {"segmenter": "planted", "images": 64, "calibration": 64}
    folders.add(client.layout, folders.FolderWatch("run1", str(folder), "", None, request))
    watcher = folders.FolderWatcher(client)
    while not client.jobs() or watcher.registrations:
        watcher.check()
    [job] = client.jobs()
    assert job.request["generator"].startswith("run1-step-1-")
    assert "holds" in (client.layout.logs / "watch-run1.log").read_text()
