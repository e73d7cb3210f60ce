"""`ganatomy audit`: as a table, as JSON and as CSV."""

import csv
import json
from pathlib import Path

import program
import pytest

from db import workspace
from db.layout import Layout
from db.permissions import Person, operator


@pytest.fixture
def store(tmp_path: Path) -> str:
    layout = Layout.create(tmp_path / "store")
    workspace.open(layout, Person("bob", "member", "login")).add("note", "bob", run_id="r", text="=1+1")
    workspace.open(layout).add("tag", "ada", run_id="r", tag="odd")
    return str(layout.root)


def test_the_newest_come_first(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, said, _ = program.run(capsys, "audit", "--store", store, "--json")
    rows = json.loads(said)
    assert (status, [row["who"] for row in rows]) == (0, [operator().name, "bob"])
    assert (rows[1]["origin"], rows[1]["action"], rows[1]["kind"], rows[1]["thing"]) == (
        *("login", "write", "note", "r"),
    )
    assert rows[1]["refused"] is False
    _, said, _ = program.run(capsys, "audit", "--store", store)
    assert said.index("terminal") < said.index("login")


def test_it_is_of_one_person_and_since_a_time(store: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, said, _ = program.run(capsys, "audit", "--store", store, "--who", "bob", "--csv")
    [row] = csv.DictReader(said.splitlines())
    assert (row["who"], row["detail"]) == ("bob", "'=1+1")
    _, said, _ = program.run(capsys, "audit", "--store", store, "--since", "2999-01-01")
    assert said == "Nobody has changed anything in this store yet.\n"
    _, said, _ = program.run(capsys, "audit", "--store", store, "--limit", "1", "--json")
    assert len(json.loads(said)) == 1


def test_the_command_line_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = str(tmp_path / "store")
    asked = ("dissect", "planted", "--images", "64", "--calibration", "64", "--owner", "ada")
    program.run(capsys, *asked, "--store", store)
    _, said, _ = program.run(capsys, "audit", "--store", store, "--json")
    [row] = json.loads(said)
    assert (row["who"], row["origin"], row["action"], row["owner"]) == (
        *(operator().name, "terminal", "submit", "ada"),
    )
