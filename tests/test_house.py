"""The house itself: names resolve here, files stay short, nothing of one machine is written down."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("analysis", "db", "jobs", "dashboard")


def tracked(*patterns: str) -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).exists()]


@pytest.mark.parametrize("name", PACKAGES)
def test_each_generic_name_resolves_into_this_repository(name: str) -> None:
    module = importlib.import_module(name)
    assert Path(module.__file__ or "").resolve().parent == ROOT / name


def test_files_can_be_read_in_one_sitting() -> None:
    long = {path.name: len(path.read_text().splitlines()) for path in tracked("*.py")}
    assert {name: lines for name, lines in long.items() if lines > 300} == {}


def test_no_index_address_and_no_path_of_one_machine() -> None:
    forbidden = re.compile(
        "|".join(["pypi" + r"\.org", "pythonhost" + "ed", "/root" + "/", "/work" + "/main", "/opt" + "/"])
    )
    texts = [
        p for p in tracked() if p.suffix in {".py", ".md", ".toml", ".txt", ".yml", ".sh", ""} and p.is_file()
    ]
    found = [str(p.relative_to(ROOT)) for p in texts if forbidden.search(p.read_text(errors="ignore"))]
    assert found == []


def test_nothing_that_the_dashboard_may_import_brings_torch() -> None:
    light = [
        "analysis",
        "analysis.counting.agreement",
        "analysis.editing.edits",
        "analysis.editing.masks",
        "jobs.queue.client",
        "db.queries.runs",
        "db.store.publication",
    ]
    program = f"import sys, {', '.join(light)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-P", "-c", program], cwd=ROOT.parent, check=False).returncode == 0


def test_nothing_pickles_or_evaluates() -> None:
    forbidden = re.compile(
        r"(?<![.\w])(eval\(|exec\()|pickle\.loads?\(|shell=True|weights_only=False|allow_pickle=True"
    )
    sources = [p for p in tracked("*.py") if p.parts[len(ROOT.parts)] in PACKAGES]
    found = [str(p.relative_to(ROOT)) for p in sources if forbidden.search(p.read_text())]
    assert found == []
