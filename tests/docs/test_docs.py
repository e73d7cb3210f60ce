"""The documents: links lead somewhere, sections that code cites exist, commands and examples are real."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from jobs.cli import commands
from jobs.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as MkDocs and GitHub make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.M)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", h).strip().lower()) for h in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    for target in filter(None, (a or b for a, b in LINK.findall(FENCE.sub("", text)))):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        found = (document.parent / file).resolve() if file else document
        assert found.exists(), f"{target} leads nowhere"
        if anchor:
            assert anchor in anchors(found.read_text()), f"{target}: there is no such heading"


def test_sections_of_the_method_that_code_cites_exist() -> None:
    sections = set(re.findall(r"^## (\d)\.", (ROOT / "docs" / "method.md").read_text(), re.M))
    sources = [p for folder in ("analysis", "db", "jobs", "dashboard") for p in (ROOT / folder).rglob("*.py")]
    cited = {
        (str(path.relative_to(ROOT)), number)
        for path in sources
        for number in re.findall(r"method\.md[,\s`]+section (\d)", path.read_text())
    }
    assert cited, "the code cites the method"
    assert {(path, number) for path, number in cited if number not in sections} == set()


COMMANDS = dict(commands.leaves(typer.main.get_command(app)))


def test_the_page_of_commands_is_current() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    assert page == commands.markdown(), "run `python -m jobs.cli.commands > docs/commands.md`"


def test_every_command_says_what_it_does() -> None:
    assert [path for path, command in COMMANDS.items() if not command.help] == []


def lines() -> Iterator[tuple[str, str]]:
    """Every `ganatomy ...` line of the documents, with the document's name."""
    for document in DOCUMENTS:
        text = document.read_text()
        if name(document) in (
            "CONTRIBUTING.md",
            "docs/commands.md",
        ):  # a kind that is to be added; usage lines
            continue
        inline = re.findall(r"`(ganatomy [^`\n]+)`", text)
        fenced = re.findall(r"^\$? ?(ganatomy .+)$", "\n".join(body for _, body in FENCE.findall(text)), re.M)
        for line in dict.fromkeys([*inline, *fenced]):
            yield name(document), line


@pytest.mark.parametrize(("document", "line"), sorted(set(lines())))
def test_command_lines_name_commands_and_options_that_exist(document: str, line: str) -> None:
    words = shlex.split(line.partition("  #")[0].replace("…", "x"))[1:]
    path = tuple(words[:1])
    while path not in COMMANDS and len(path) < len(words) and any(c[: len(path)] == path for c in COMMANDS):
        path = tuple(words[: len(path) + 1])
    group = any(c[: len(path)] == path for c in COMMANDS) or words == ["..."]
    assert path in COMMANDS or group or words[0].startswith("-"), f"{document}: no command {' '.join(path)}"
    if path in COMMANDS:
        known = {option for p in COMMANDS[path].params for option in (*p.opts, *p.secondary_opts)} | {
            "--help"
        }
        asked = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert asked <= known, f"{document}: {sorted(asked - known)} in `{line}`"


PLANTED = """
from pathlib import Path
from analysis.models import generators, segmenters
generator = generators.load({generator!r}, Path("unused"))
segmenter = segmenters.load({segmenter!r}, Path("unused"))
"""
EXAMPLES = {  # document: the models its example stands for, and words that are theirs
    "README.md": None,
    "docs/dissection.md": ("planted", "planted", {"1000": "64", "500": "64"}),
    "docs/causes.md": (
        "planted",
        "planted",
        {
            '"layer3", concept="tree"': '"layer1", concept="disc", images=8, seeds=2, steps=10',
            'Path("work/tree")': "None",
        },
    ),
}


@pytest.mark.parametrize("document", EXAMPLES)
def test_examples_run(document: str, tmp_path: Path) -> None:
    (code, *_) = [b for kind, b in FENCE.findall((ROOT / document).read_text()) if kind == "python"]
    models = EXAMPLES[document]
    if models is not None:
        generator, segmenter, swapped = models
        for old, new in swapped.items():
            assert old in code, f"{document} has no {old} any more"
            code = code.replace(old, new)
        code = PLANTED.format(generator=generator, segmenter=segmenter) + code
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
