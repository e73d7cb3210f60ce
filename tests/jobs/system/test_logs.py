"""Logs of services: they stay small, also when several processes write to one."""

import json
import logging
from pathlib import Path

import pytest

from jobs.system import logs


def test_a_log_rotates_and_no_line_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LIMIT", 1000)
    monkeypatch.setattr(logging, "raiseExceptions", True)
    file = tmp_path / "worker.log"
    first, second = logs.Rotating(file), logs.Rotating(file)
    for number in range(100):
        (first, second)[number % 2].write(json.dumps({"number": number}) + "\n")
    files = sorted(tmp_path.iterdir())
    assert [each.name for each in files] == ["worker.log", "worker.log.1", "worker.log.2"][: len(files)]
    assert len(files) > 1
    assert all(each.stat().st_size <= 1000 for each in files)
    lines = [line for each in reversed(files) for line in each.read_text().splitlines()]
    assert [json.loads(line)["number"] for line in lines] == list(range(100))
