"""The house itself: where things stand, what they are called; nothing of one machine is written down."""

import ast
import doctest
import importlib
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from db.layout import Layout
from db.store import publish

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("analysis", "db", "jobs", "dashboard")
MANY_LINES = 500
MOST_MODULES = 22

# Words that end like a gerund and are the usual noun for the thing.
NOUNS_IN_ING = {"ceiling", "counting", "editing", "naming", "training"}

# Words of the project's old dialect; docs/glossary.md and the paper have better ones.
DIALECT = {"bench", "eyes", "heavy", "lookout", "meant", "spoiling"}

# Folders of tests that mirror no room of a package.
TESTS_OF_THEIR_OWN = {"benchmarks", "browser", "crash", "data", "support"}


def tracked(*patterns: str) -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [ROOT / name for name in listing.split("\0") if name and (ROOT / name).exists()]


@pytest.mark.parametrize("name", PACKAGES)
def test_each_generic_name_resolves_into_this_repository(name: str) -> None:
    module = importlib.import_module(name)
    assert Path(module.__file__ or "").resolve().parent == ROOT / name


def modules() -> list[Path]:
    """Every module of the packages, relative to the repository."""
    return [path.relative_to(ROOT) for path in tracked(*(f"{package}/*.py" for package in PACKAGES))]


def test_long_files_are_few() -> None:
    """A long file with a plain name is no mistake, but somebody should have thought about it."""
    for path in tracked("*.py"):
        if (lines := len(path.read_text().splitlines())) > MANY_LINES:
            warnings.warn(f"{path.relative_to(ROOT)} has {lines} lines", stacklevel=1)


def test_rooms_have_few_modules() -> None:
    rooms: dict[Path, int] = {}
    for module in modules():
        rooms[module.parent] = rooms.get(module.parent, 0) + (module.name != "__init__.py")
    assert {str(room): count for room, count in rooms.items() if count > MOST_MODULES} == {}


def test_modules_are_named_by_nouns() -> None:
    names = {part for module in modules() for part in module.with_suffix("").parts}
    assert sorted(name for name in names if name.endswith("ing")) == sorted(
        name for name in names if name in NOUNS_IN_ING
    )


def test_tests_mirror_the_packages() -> None:
    rooms = {path.parent.relative_to(ROOT / "tests") for path in tracked("tests/*/*.py")}
    own = {room for room in rooms if room.parts[0] in TESTS_OF_THEIR_OWN}
    assert sorted(str(room) for room in rooms - own if not (ROOT / room).is_dir()) == []


def identifiers(source: str) -> set[str]:
    """Every name that a module defines or uses: functions, classes, variables, attributes, arguments."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        values = (getattr(node, field, None) for field in ("name", "id", "attr", "arg"))
        names.update(value for value in values if isinstance(value, str))
    return names


def words(identifier: str) -> set[str]:
    """The words of an identifier in lower case.

    >>> sorted(words("heavy_benchOfEyes"))
    ['bench', 'eyes', 'heavy', 'of']
    """
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", identifier)}


def test_no_identifier_is_a_word_of_the_old_dialect() -> None:
    assert words("heavy_benchOfEyes") & DIALECT == {"heavy", "bench", "eyes"}
    found = {
        f"{module}: {name}"
        for module in modules()
        for name in identifiers((ROOT / module).read_text())
        if words(name) & DIALECT
    }
    assert sorted(found) == []


EXAMPLES = [module for module in modules() if ">>> " in (ROOT / module).read_text()]


@pytest.mark.parametrize("module", EXAMPLES, ids=str)
def test_examples_in_docstrings_give_what_they_say(
    module: Path, tmp_path: Path, write_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Examples run in a folder with a store `store`, in which the planted run `run-1` is published."""
    store = Layout.create(tmp_path / "store")
    write_run("run-1", into=store)
    publish(store, ["run-1"])
    monkeypatch.chdir(tmp_path)
    name = ".".join(module.with_suffix("").parts).removesuffix(".__init__")
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert result.failed == 0, "the report above says which example"
    assert result.attempted > 0, f"{module} holds examples that doctest does not find"


def test_examples_were_found() -> None:
    assert len(EXAMPLES) >= 5


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
