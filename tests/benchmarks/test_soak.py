"""A short soak, as a whole: faults come, and nothing is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_minute_of_faults_loses_nothing(tmp_path: Path) -> None:
    report, folder = tmp_path / "report.jsonl", tmp_path / "disk"
    options = ["--minutes", "1", "--seed", "1", "--store", str(folder), "--report", str(report)]
    command = [sys.executable, "-m", "benchmarks.soak", *options]
    try:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    summary = json.loads(report.read_text().splitlines()[-1])
    assert sum(summary["faults"].values()) >= 5
    assert summary["done"] >= 3
    assert summary["findings"] == {}
