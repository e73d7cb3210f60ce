"""The examples of docs/sql.md run as they stand, on a store and against a served API."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from full_store import unpacked
from served import served
from typer.testing import CliRunner

from db.layout import Layout
from db.permissions import Person
from db.sql import saved
from jobs.api import server, sql
from jobs.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "sql.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S)
TOKEN = "a-secret-of-this-test"


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A store with runs of every kind, in a folder named store."""
    return unpacked(tmp_path_factory.mktemp("documented") / "store")


@pytest.fixture(scope="module")
def address(layout: Layout) -> Iterator[str]:
    """The address of the served API."""
    with pytest.MonkeyPatch.context() as patch, served(server.routes(layout)) as found:
        patch.setenv(sql.TOKEN, TOKEN)
        yield found


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_runs(layout: Layout, address: str, example: str) -> None:
    environment = {"PYTHONPATH": str(ROOT), "GANATOMY_API_TOKEN": TOKEN, "PATH": ""}
    text = example.replace("http://localhost:8501", address)
    program = [sys.executable, "-c", text]
    done = subprocess.run(
        program, cwd=layout.root.parent, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "layer1" in done.stdout


def asked(layout: Layout, *words: str) -> str:
    """What `ganatomy sql` prints."""
    found = CliRunner().invoke(app, ["sql", *words, "--store", str(layout.root)])
    assert found.exit_code == 0, found.output
    return found.output


def test_the_command_asks_the_newest_version_of_a_saved_query(layout: Layout) -> None:
    saved.save(layout, Person("ada"), "my concept", "SELECT 1 AS one")
    saved.save(
        layout,
        Person("bob"),
        "my concept",
        "SELECT :concept AS c",
        shown={"p.concept": "tree", "chart": "bar"},
    )
    assert asked(layout, "--question", "my concept", "--format", "csv") == "c\ntree\n"
    given = ("--set", "concept=door", "--format", "csv")
    assert asked(layout, "--question", "my concept", *given) == "c\ndoor\n"
    assert "my concept" in asked(layout, "--questions")
    saved.save_again(layout, Person("bob"), saved.get(layout, "my concept"), removed=True)
    assert "my concept" not in asked(layout, "--questions")


def test_the_command_asks_questions_by_name(layout: Layout) -> None:
    listed = asked(layout, "--questions")
    assert "layer-of-concept" in listed
    assert "layer1" in asked(layout, "--question", "layer-of-concept", "--format", "csv")
    door, window = (
        asked(layout, "--question", "layer-of-concept", "--set", f"concept={each}", "--format", "csv")
        for each in ("door", "window")
    )
    assert door != window
    own = "SELECT DISTINCT concept FROM unit_label WHERE concept = :concept"
    assert asked(layout, own, "--set", "concept=window", "--format", "csv").split() == ["concept", "window"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Give one statement or one --question"),
        (("SELECT 1", "--question", "best-units"), "Give one statement or one --question"),
        (("--question", "novel"), "No question or saved query is called 'novel'"),
        (("SELECT :a", "--set", "b=1"), "its parameters: a."),
        (("SELECT :a", "--set", "a"), "is no NAME=VALUE"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(layout: Layout, words: tuple[str, ...], said: str) -> None:
    found = CliRunner().invoke(app, ["sql", *words, "--store", str(layout.root)])
    assert found.exit_code != 0
    assert said in " ".join(str(found.exception).split())
