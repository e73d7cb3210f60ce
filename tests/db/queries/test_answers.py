"""Remembered answers: equal to what the version says, one frame each, bounded, and of one version."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from db import store
from db.layout import Layout
from db.queries import answers, runs
from db.queries.answers import Answers
from db.schema.naming_rule import NamingRule
from db.store import Snapshot

WriteRun = Callable[..., Path]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that reach a version."""
    found: list[str] = []
    read = Snapshot.read

    def counted(self: Snapshot, statement: object) -> pd.DataFrame:
        found.append(str(statement))
        return read(self, statement)  # type: ignore[arg-type]

    monkeypatch.setattr(Snapshot, "read", counted)
    monkeypatch.setattr(answers, "answers", Answers())
    return found


def test_a_question_reaches_the_file_once(layout: Layout, write_run: WriteRun, asked: list[str]) -> None:
    write_run("run-1", units=6)
    store.publish(layout)
    snapshot = store.open(layout)
    asked.clear()
    first = runs.units(snapshot, "run-1", "layer1", NamingRule("paper"))
    again = runs.units(store.open(layout), "run-1", "layer1", NamingRule("paper"))
    assert sum("unit_largest_iou" in text for text in asked) == 1
    pd.testing.assert_frame_equal(first, again)
    runs.units(snapshot, "run-1", "layer1", NamingRule("paper", 0.2))
    assert sum("unit_largest_iou" in text for text in asked) == 2


def test_what_a_page_does_with_its_frame_stays_its_own(
    layout: Layout, write_run: WriteRun, asked: list[str]
) -> None:
    write_run("run-1", units=6)
    store.publish(layout)
    first = runs.layers(store.open(layout), "run-1")
    first["units"] = -1
    first.loc[0, "layer"] = "spoiled"
    assert runs.layers(store.open(layout), "run-1")[["layer", "units"]].to_numpy().tolist() == [["layer1", 6]]


def test_a_newer_version_answers_anew_and_drops_the_older(
    layout: Layout, write_run: WriteRun, asked: list[str]
) -> None:
    write_run("run-1")
    store.publish(layout)
    older = store.open(layout)
    assert runs.runs(older)["run_id"].tolist() == ["run-1"]
    write_run("run-2")
    store.publish(layout)
    assert sorted(runs.runs(store.open(layout))["run_id"]) == ["run-1", "run-2"]
    assert len(answers.answers) == 1
    assert runs.runs(older)["run_id"].tolist() == ["run-1"]


def test_the_answers_longest_unused_go_first() -> None:
    version, frame = Path("v1"), pd.DataFrame({"number": range(100)})
    size = int(frame.memory_usage(deep=True).sum())
    held = Answers(3 * size)
    for key in "abc":
        held.get(version, key)
        held.put(version, key, frame)
    assert held.get(version, "a") is not None
    held.put(version, "d", frame)
    assert [key for key in "abcd" if held.get(version, key) is None] == ["b"]
    assert held.bytes == 3 * size
    held.put(version, "large", pd.concat([frame] * 4))
    assert len(held) == 3
