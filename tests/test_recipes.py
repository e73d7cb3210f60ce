"""The recipes of CONTRIBUTING.md, followed to the letter on a copy of the tree."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("analysis", "db", "jobs", "dashboard")
RECIPES = (ROOT / "CONTRIBUTING.md").read_text()
FILE = re.compile(r"^`([\w/]+\.py)`\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINES = re.compile(r"^In `([\w/]+\.py)`, inside `(\w+)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FORM = """
import jobs.queue.client  # before Streamlit puts the views' folder, where a jobs.py is, on the path
from streamlit.testing.v1 import AppTest
page = AppTest.from_file("{tree}/dashboard/app.py", default_timeout=60)
page.query_params["kind"] = "{kind}"
page.switch_page("views/{view}.py").run()
assert not page.exception, page.exception
print(page.title[0].value)
print([widget.label for widget in (*page.number_input, *page.text_input, *page.selectbox)])
print([frame.value.to_dict("records") for frame in page.dataframe])
"""


EMPTY = """
import sys
from db import store
from db.layout import Layout
store.publish(Layout.create(sys.argv[1]))
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

    def ganatomy(self, *words: str) -> str:
        """What a command prints."""
        return self.python("-m", "jobs.cli.app", *words)

    def form(self, view: str, kind: str) -> str:
        """The widgets and tables of a page."""
        return self.python("-c", FORM.format(tree=self.tree, view=view, kind=kind))


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    tree = tmp_path / "tree"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    return Copy(tree, tmp_path / "store")


def test_an_option_is_added_in_one_file(copy: Copy) -> None:
    ((path, name, lines),) = LINES.findall(RECIPES)
    file = copy.tree / path
    before, head, body = file.read_text().partition(f"class {name}:")
    end = re.search(r"^\S", body, re.MULTILINE)  # where the class ends
    stop = end.start() if end else len(body)
    file.write_text(before + head + body[:stop].rstrip() + "\n" + lines + "\n\n" + body[stop:])

    assert re.search(r"--patience +<int> +Checks without a gain", copy.ganatomy("ace", "--help"))
    copy.python("-c", EMPTY, str(copy.store))
    assert "'Patience'" in copy.form("jobs", "ace")
    assert "| `--patience` | Patience | int, 1 to 100 | `4` |" in copy.python("-m", "jobs.cli.reference")
    program = """
from jobs.kinds.requests import parse
request = parse("ace", {"generator": "g", "layer": "l", "concept": "c", "patience": "9"})
print(request.settings.patience, request.content()["patience"], request.command())
"""
    assert re.match(r"9 9 ganatomy ace .*--patience 9", copy.python("-c", program))


def test_a_kind_is_added_in_files_of_its_name(copy: Copy, tmp_path: Path) -> None:
    files = dict(FILE.findall(RECIPES))
    assert {path.split("/")[0] for path in files} == set(PACKAGES)
    (copy.tree / "analysis" / "brightness").mkdir()
    (copy.tree / "analysis" / "brightness" / "__init__.py").touch()
    for path, text in files.items():
        assert "brightness" in path
        assert not (copy.tree / path).exists()
        (copy.tree / path).write_text(text)
    must_be_clean(copy.tree, list(files))

    answer = json.loads(
        copy.ganatomy("brightness", "planted", "--images", "8", "--seed", "2", "--wait", "--json")
    )
    assert (answer["state"], answer["already"]) == ("done", False)
    question = (
        "SELECT kind, images, count(mean) AS n FROM run JOIN image_brightness USING (run_id) GROUP BY ALL"
    )
    assert json.loads(copy.ganatomy("sql", question, "--json")) == [
        {"kind": "brightness", "images": 8, "n": 8}
    ]
    assert "Already there" in copy.ganatomy("brightness", "planted", "--images", "8", "--seed", "2")
    listed = json.loads(copy.ganatomy("jobs", "list", "--json"))
    assert (listed[0]["title"], listed[0]["command"]) == (
        "Brightness of planted (8 images)",
        "ganatomy brightness planted --segmenter planted --seed 2 --images 8",
    )
    assert "about" in copy.ganatomy("brightness", "planted", "--images", "80", "--estimate")
    schedule = ["jobs", "schedule", "add", "nightly", "planted", "--cron", "0 2 * * *"]
    copy.ganatomy(*schedule, "--kind", "brightness", "--set", "images=4")
    (kept,) = json.loads(copy.ganatomy("jobs", "schedule", "list", "--json"))
    assert kept["title"] == "Brightness of planted (4 images)"

    form = copy.form("jobs", "brightness")
    assert "'Images'" in form
    page = copy.form("brightness", "")
    assert page.startswith("Brightness\n")
    assert answer["run_id"] in page
    assert "## Brightness" in copy.python("-m", "jobs.cli.reference")
    assert "### image_brightness" in copy.python("-m", "db.schema.dictionary")


def must_be_clean(tree: Path, files: list[str]) -> None:
    """The recipe's own code passes the lint that it has to pass here."""
    config = ["--config", str(ROOT / "pyproject.toml")]
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            ["ruff", *command, *config, *files],
            cwd=tree,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
