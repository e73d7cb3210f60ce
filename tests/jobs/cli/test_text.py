"""Data in the terminal is text: no markup, no emoji codes, no control sequences, nothing cut in a pipe."""

import contextlib
import io
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from program import run

from db import workspace
from db.layout import Layout
from db.spreadsheet import guarded
from jobs.cli import terminal
from jobs.cli.common import show_facts, show_json, show_table
from jobs.system.text import one_line, visible

HOSTILE = [
    "[red]gone[/red]",
    "[/oops]",
    ":warning:",
    "\x1b[31mred",
    "\u202eabc",
    "a\\[b]",
    "[link=http://x]y[/]",
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANATOMY_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def test_a_table_shows_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(["job", *HOSTILE], [["20261126-102116-abcdef" * 5, *HOSTILE]], "")
    said = capsys.readouterr().out
    for text in ("20261126-102116-abcdef" * 5, *HOSTILE):
        assert said.count(visible(text)) >= 1
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert len(said.splitlines()) == 2


def test_facts_and_errors_show_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    show_facts({"[red]note": "[/x] " + HOSTILE[3]})
    assert capsys.readouterr().out == "[red]note: [/x] \\x1b[31mred\n"
    assert one_line("a key 'x\ny\x1b'") == "a key 'x\\ny\\x1b'"
    long = one_line("the first is '" + "k" * 2_000_000 + "'; choose another.")
    assert len(long) < 2100
    assert long.endswith("; choose another.")


def test_sql_shows_notes_as_they_are(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = Layout.create(store)
    workspace.open(layout).add("note", "[/ann]", text="[/x] [red]gone[/red] :warning: =1+1")
    status, said, _ = run(capsys, "sql", "SELECT author, text FROM note")
    assert (status, "[/ann]  [/x] [red]gone[/red] :warning: =1+1" in said) == (0, True)
    rows = json.loads(run(capsys, "sql", "SELECT text FROM note", "--json")[1])
    assert rows == [{"text": "[/x] [red]gone[/red] :warning: =1+1"}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["SELECT 1", "--seconds", "inf"], "seconds, not inf"),
        (["SELECT 1", "--rows", str(10**21)], "rows, not 1000000000000000000000"),
        (["SELECT '\udcff'"], "not UTF-8"),
        (["SELECT 1,\n  conept"], "Line 2, column 3. Binder Error"),
        (
            ["--question", "best-units", "--set", "run=Churches"],
            "Run Churches is not in this store; it has none.",
        ),
        (["SELECT 1", "-o", "/missing/x.csv", "--format", "csv"], "/missing/x.csv cannot be written"),
        (["SELECT 1", "-o", "/"], "Is a directory"),
        (["SELECT 1", "-o", "/missing/x.pq", "--format", "parquet"], "/missing/x.pq"),
    ],
)
def test_what_sql_cannot_do_is_one_sentence(
    store: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    status, out, err = run(capsys, "sql", *words)
    assert (status, out) == (1, "")
    assert said in err
    assert err.startswith("ganatomy: ")
    assert err.count("\n") == 1


def test_a_list_of_latents_has_an_end(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "render", "churches", "ablate layer3 4", "--latents", "0-99999999999")
    assert (status, "not a list of numbers" in err) == (1, True)


def test_a_spreadsheet_calculates_no_text() -> None:
    frame = pd.DataFrame({"=a": ["=1+1", "-5", "@x", "+x", "fine"], "n": [-1.5, 2, 3, 4, 5]})
    shown = guarded(frame)
    assert list(shown.columns) == ["'=a", "n"]
    assert shown.iloc[:, 0].tolist() == ["'=1+1", "-5", "'@x", "'+x", "fine"]
    assert shown["n"].tolist() == [-1.5, 2, 3, 4, 5]


@given(st.text())
def test_visible_text_has_no_controls_and_keeps_the_rest(text: str) -> None:
    shown = visible(text)
    assert all(c in "\n\t" or (c.isprintable() or c.isspace() or ord(c) > 0xA0) for c in shown)
    assert shown == text or "\\" in shown
    shown.encode()


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=40))
def test_any_printable_text_stays_as_it_is_in_a_table(text: str) -> None:
    console = terminal.PlainConsole(width=1000, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    from rich.table import Table

    table = Table("a", box=None, pad_edge=False)
    table.add_row(text)
    console.print(table, soft_wrap=False)
    assert console.export_text().splitlines()[1].rstrip() == visible(text)


@given(st.text(), st.text())
def test_any_text_stays_as_it_is_in_json(name: str, text: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        show_json({name: [text]})
    assert json.loads(said.getvalue()) == {name: [text]}
    assert said.getvalue().isascii()
