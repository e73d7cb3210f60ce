"""`ganatomy store ...`, `export` and `import`, as a person types them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from analysis.models.catalogue import ModelInfo
from analysis.models.weights import Added
from analysis.shared.errors import GanatomyError
from db import store, workspace
from db.errors import StoreError
from db.layout import Layout
from db.permissions import Person
from db.store import bundles, removal
from jobs.cli.app import app
from jobs.models import changes
from jobs.queue.client import Client

WriteRun = Callable[..., Path]
Say = Callable[..., str]


@pytest.fixture
def say(layout: Layout) -> Say:
    """Runs a command on the store and returns what it printed; an error for people is raised as it is."""

    def run(*words: str, status: int = 0, answer: str = "") -> str:
        result = CliRunner().invoke(app, [*words, "--store", str(layout.root)], input=answer)
        if isinstance(result.exception, StoreError | GanatomyError):
            raise result.exception
        assert result.exit_code == status, result.output
        return result.output

    return run


@pytest.fixture
def family(layout: Layout, write_run: WriteRun) -> None:
    write_run("base")
    write_run("causes", parent_run_id="base")
    store.publish(layout)


@pytest.mark.usefixtures("family")
def test_check_and_usage(say: Say, layout: Layout) -> None:
    assert say("store", "check").startswith("Sound: 2 runs, 2 bundles")
    assert json.loads(say("store", "usage", "--json"))["bundles"] > 1000
    (layout.bundles / "base" / "1" / "run.json").write_text("{")
    assert "is damaged" in say("store", "check", status=1)
    assert len(json.loads(say("store", "check", "--json", status=1))["problems"]) == 1


@pytest.mark.usefixtures("family")
def test_rebuild_and_publish(say: Say, layout: Layout) -> None:
    assert say("store", "rebuild").strip() == store.open(layout).version.name
    assert say("store", "publish").strip() == store.open(layout).version.name


@pytest.mark.usefixtures("family")
def test_deleting_asks_and_names_what_goes_too(say: Say, layout: Layout) -> None:
    with pytest.raises(GanatomyError, match="Nothing was changed"):
        say("store", "delete", "base", answer="n\n")
    assert bundles.run_ids(layout) == ["base", "causes"]
    assert "the runs that are based on it (causes)" in say("store", "delete", "base", answer="y\n")
    assert bundles.run_ids(layout) == []


@pytest.mark.usefixtures("family")
def test_archive_and_back(say: Say, layout: Layout) -> None:
    say("store", "archive", "causes", "--yes")
    assert removal.archived(layout) == ["causes"]
    say("store", "unarchive", "causes")
    assert removal.archived(layout) == []


@pytest.mark.usefixtures("family")
def test_out_and_in(say: Say, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    say("export", "base", str(tmp_path / "out"), "--format", "csv")
    say("store", "backup", str(tmp_path / "b.tar"))
    with pytest.raises(StoreError, match="no folder or bucket"):
        say("store", "push", f"file://{tmp_path}/far")
    (tmp_path / "far").mkdir()
    say("store", "push", f"file://{tmp_path}/far")
    runner = CliRunner()
    assert "base" in runner.invoke(app, ["import", str(tmp_path / "out"), "--store", other]).output
    pulled = runner.invoke(app, ["store", "pull", f"file://{tmp_path}/far", "--store", other])
    assert "1 bundles pulled" in pulled.output
    restored = str(tmp_path / "restored")
    assert "Restored" in runner.invoke(app, ["store", "restore", str(tmp_path / "b.tar"), restored]).output
    for root in (other, restored):
        assert bundles.run_ids(Layout(Path(root))) == ["base", "causes"]


@pytest.mark.usefixtures("family")
def test_what_is_not_there_is_one_sentence(say: Say, tmp_path: Path) -> None:
    for words in (("store", "delete", "nix", "-y"), ("export", "nix", str(tmp_path / "out"))):
        with pytest.raises(StoreError, match="no run 'nix'"):
            say(*words)


def test_who_added_a_model_is_noted(layout: Layout) -> None:
    info = ModelInfo("mine", "generator", "dcgan", "Mine", "CC0", "here", Added("mine.safetensors", "ab12"))
    changes.register(layout, info, Person("ada"))
    row = workspace.open(layout).rows("model").iloc[0]
    assert (row["name"], row.family, row.weights_file, row.weights_sha256) == (
        "mine",
        "dcgan",
        "mine.safetensors",
        "ab12",
    )
    assert row.author == "ada"


@pytest.mark.usefixtures("family")
def test_a_backup_brings_back_schedules_watches_and_references(
    say: Say, layout: Layout, tmp_path: Path
) -> None:
    say("jobs", "schedule", "add", "nightly", "planted", "--cron", "0 2 * * *")
    say("jobs", "schedule", "add", "weekly", "planted", "--cron", "0 3 * * 1")
    say("jobs", "schedule", "pause", "weekly")
    layout.watches.write_text('{"training": {}}')
    (layout.references / "churches").mkdir(parents=True)
    (layout.references / "churches" / "1.png").write_bytes(b"a picture")
    before = Client(layout).schedules()
    assert "2 runs" in say("store", "backup", str(tmp_path / "b.tar"))
    other = Layout(tmp_path / "restored")
    CliRunner().invoke(app, ["store", "restore", str(tmp_path / "b.tar"), str(other.root)])
    assert [vars(each) for each in Client(other).schedules()] == [vars(each) for each in before]
    assert [each.paused for each in before] == [False, True]
    assert other.watches.read_text() == '{"training": {}}'
    assert (other.references / "churches" / "1.png").read_bytes() == b"a picture"
    assert not other.schedules.exists()
    (layout.bundles / "base" / "1" / "run.json").write_text("{")
    layout.queue.write_bytes(b"no database" * 1000)
    said = say("store", "backup", str(tmp_path / "b.tar"), status=1)
    assert "base/1/run.json is damaged" in said
    assert "The schedules are not in the backup" in said
