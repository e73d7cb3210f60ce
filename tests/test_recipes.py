"""The recipes of CONTRIBUTING.md, followed to the letter on a copy of the tree."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from db import store
from db.layout import Layout

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("analysis", "db", "jobs", "dashboard")
RECIPES = (ROOT / "CONTRIBUTING.md").read_text()
FILE = re.compile(r"^`([\w/]+\.py)`\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINES = re.compile(r"^In `([\w/]+\.py)`, inside `(\w+)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# One process answers several questions, since each start of Python costs seconds. Its last line is JSON.
PROGRAM = """
import contextlib, io, json, sys
import jobs.queue.client  # before Streamlit puts the views' folder, where a jobs.py is, on the path
from streamlit.testing.v1 import AppTest
from db.schema import dictionary
from jobs.cli import reference
from jobs.cli.app import app
from jobs.kinds.requests import parse

def command(*words):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            app(args=list(words), prog_name="ganatomy")
        except SystemExit as end:
            assert not end.code, (words, printed.getvalue())
    return printed.getvalue()

def page(view, **parameters):
    shown = AppTest.from_file(sys.argv[1] + "/dashboard/app.py", default_timeout=60)
    for name, value in parameters.items():
        shown.query_params[name] = value
    shown.switch_page(f"views/{view}.py").run()
    assert not shown.exception, shown.exception
    return {
        "title": shown.title[0].value,
        "labels": [w.label for w in (*shown.number_input, *shown.text_input, *shown.selectbox)],
        "rows": [row for frame in shown.dataframe for row in frame.value.to_dict("records")],
    }
"""


@dataclass
class Copy:
    """A copy of the packages with a store of its own, used from outside by other processes."""

    tree: Path
    store: Path

    def python(self, *words: str) -> str:
        """What a Python process with the copy on its path prints."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.tree),
            "GANATOMY_STORE": str(self.store),
            "COLUMNS": "200",
            "OMP_NUM_THREADS": "1",
        }
        done = subprocess.run(
            [sys.executable, "-P", *words],
            cwd=self.tree.parent,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def answers(self, questions: str) -> dict[str, Any]:
        """The values of a dict display, evaluated in one process: `"help": command("ace", "--help"), ...`."""
        program = f"{PROGRAM}\nprint(json.dumps({{{questions}}}, default=str))"
        values: dict[str, Any] = json.loads(self.python("-c", program, str(self.tree)).splitlines()[-1])
        return values


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    tree = tmp_path / "tree"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    store.publish(Layout.create(tmp_path / "store"))
    return Copy(tree, tmp_path / "store")


def test_an_option_is_added_in_one_file(copy: Copy) -> None:
    ((path, name, lines),) = LINES.findall(RECIPES)
    file = copy.tree / path
    before, head, body = file.read_text().partition(f"class {name}:")
    end = re.search(r"^    def |^\S", body, re.MULTILINE)  # the first method, or the end of the class
    stop = end.start() if end else len(body)
    file.write_text(before + head + body[:stop].rstrip() + "\n" + lines + "\n\n" + body[stop:])

    found = copy.answers(
        """
        "help": command("ace", "--help"),
        "form": page("jobs", kind="ace"),
        "docs": reference.markdown(),
        "request": (r := parse("ace", dict(generator="g", layer="l", concept="c", warmup="9"))).content(),
        "settings": r.settings.warmup,
        "command": r.command(),
        """
    )
    assert re.search(r"--warmup +<int> +Steps before alpha", found["help"])
    assert "Warm-up" in found["form"]["labels"]
    assert "| `--warmup` | Warm-up | int, 0 to 1,000 | `0` |" in found["docs"]
    assert (found["request"]["warmup"], found["settings"]) == (9, 9)
    assert "--warmup 9" in found["command"]


@pytest.mark.slow
def test_a_kind_is_added_in_files_of_its_name(copy: Copy) -> None:
    files = dict(FILE.findall(RECIPES))
    assert {path.split("/")[0] for path in files} == set(PACKAGES)
    (copy.tree / "analysis" / "brightness").mkdir()
    (copy.tree / "analysis" / "brightness" / "__init__.py").touch()
    for path, text in files.items():
        assert "brightness" in path
        assert not (copy.tree / path).exists()
        (copy.tree / path).write_text(text)
    must_be_clean(copy.tree, list(files))

    words = ["brightness", "planted", "--images", "8", "--seed", "2", "--wait", "--json"]
    answer = json.loads(copy.python("-m", "jobs.cli.app", *words))
    assert (answer["state"], answer["already"]) == ("done", False)
    found = copy.answers(
        """
        "help": command("--help"),
        "rows": command("sql", "SELECT kind, images, count(mean) AS n FROM run JOIN image_brightness "
            "USING (run_id) GROUP BY ALL", "--json"),
        "again": command("brightness", "planted", "--images", "8", "--seed", "2"),
        "jobs": command("jobs", "list", "--json"),
        "estimate": command("brightness", "planted", "--images", "80", "--estimate"),
        "add": command("jobs", "schedule", "add", "nightly", "planted", "--cron", "0 2 * * *",
            "--kind", "brightness", "--set", "images=4"),
        "schedules": command("jobs", "schedule", "list", "--json"),
        "form": page("jobs", kind="brightness"),
        "page": page("brightness"),
        "options": reference.markdown(),
        "schema": dictionary.markdown(),
        """
    )
    assert "Measure how bright" in found["help"]
    assert json.loads(found["rows"]) == [{"kind": "brightness", "images": 8, "n": 8}]
    assert "Already there" in found["again"]
    (job,) = json.loads(found["jobs"])
    assert job["title"] == "Brightness of planted (8 images)"
    assert job["command"] == "ganatomy brightness planted --segmenter planted --seed 2 --images 8"
    assert "from 1 earlier run of this generator" in found["estimate"]
    (schedule,) = json.loads(found["schedules"])
    assert schedule["title"] == "Brightness of planted (4 images)"
    assert "Images" in found["form"]["labels"]
    assert found["page"]["title"] == "Brightness"
    assert [row["run_id"] for row in found["page"]["rows"]] == [answer["run_id"]]
    assert "## Brightness" in found["options"]
    assert "### image_brightness" in found["schema"]


def must_be_clean(tree: Path, files: list[str]) -> None:
    """The recipe's own code passes ruff with the settings of this repository."""
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            ["ruff", *command, "--config", str(ROOT / "pyproject.toml"), *files],
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
