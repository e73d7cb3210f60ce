"""Every kind of job: what is stored, its command line and its docs follow from one declaration."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.main import get_command

from jobs.cli import reference
from jobs.cli.app import app
from jobs.kinds import base
from jobs.kinds.base import Kind, Request
from jobs.kinds.parameters import Parameter
from jobs.kinds.requests import KINDS, When, parse

STORED = json.loads((Path(__file__).parent / "stored_requests.json").read_text())
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
COUNTED = {"sides": "both", "compositions": True}
SINCE = {  # new options
    "dissect": COUNTED | {"second_segmenter": None, "reference": None},
    "full": COUNTED,
    "artifacts": {"features": "auto"},
}
EVERY_KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))


@pytest.mark.parametrize("old", STORED, ids=[f"{old['kind']}-{n}" for n, old in enumerate(STORED)])
def test_a_request_stored_by_an_older_version_is_the_same_request_and_another_run(
    old: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was written by the version before kinds were declared (8c97376).

    The same requests give other numbers since, so theirs are not the runs of before. By the method of then
    they were, but for dissections and artifacts, which have new options.
    """
    request, added = parse(old["kind"], old["values"]), SINCE.get(old["kind"], {})
    today = old["stored"] | added | {"inputs": None}  # no inputs are no part of what decides the result
    assert request.model_dump(mode="json") == today
    assert json.loads(request.model_dump_json()) == today
    assert parse(old["kind"], old["stored"]) == request
    assert request.run_id("g", "s") != old["run_id"]  # type: ignore[attr-defined]
    monkeypatch.setattr(base, "METHOD", 1)
    same_run = request.run_id("g", "s") == old["run_id"]  # type: ignore[attr-defined]
    assert same_run == (not added)
    assert (request.size(), request.title()) == (old["size"], old["title"])


def test_an_ablation_that_is_not_named_is_to_the_off_state_but_stored_requests_name_theirs() -> None:
    """Before, it was to zero. What is stored names every option, so that it means what it meant."""
    typed_anew = parse("ace", {"generator": "planted", "layer": "layer1", "concept": "disc"})
    assert typed_anew.given()["ablate"] == "off"
    stored = [old["stored"] for old in STORED if old["kind"] == "ace"]
    assert [parse("ace", each).given()["ablate"] for each in stored] == ["zero", "mean"]
    assert "--ablate zero" in parse("ace", stored[0]).command()


def test_a_reference_that_is_not_named_follows_the_generator_but_stored_requests_name_theirs() -> None:
    """Before, it was drawn churches, whatever the generator had been trained on."""
    typed_anew = parse("artifacts", {"generator": "planted", "layer": "layer1"})
    assert typed_anew.given()["reference"] is None
    stored = [old["stored"] for old in STORED if old["kind"] == "artifacts"]
    assert next(parse("artifacts", each).given()["reference"] for each in stored) == "drawn:churches"


def test_the_names_that_are_stored_stay() -> None:
    assert {kind.command: kind.name for kind in KINDS.values()} == {
        "dissect": "dissection",
        "full": "full",
        "compare": "comparison",
        "ace": "causes",
        "context": "context",
        "artifacts": "artifacts",
    }


TEXTS = {
    "marked": st.sampled_from(["4", "4,17", "1-3,9"]),
    "units": st.sampled_from(["4", "4,17", "1-3,9"]),
    "reference": st.sampled_from(["drawn:churches", "folder:mine", "generator:planted"]),
    "threshold": st.one_of(st.just("iqr"), st.floats(0.0001, 0.9999)),
    "inputs": st.sampled_from(["truncation=0.5", "truncation=0.7 class=3:1,207:2 noise=4", "timestep=10"]),
    "concept": st.sampled_from(["disc", "l brow", "it's (a) door, red"]),
}
NAMES = st.sampled_from(["planted", "a.b-c_d", "layer1"])


def values_of(parameter: Parameter) -> st.SearchStrategy[Any]:
    """Every value that a parameter takes, None and the default among them."""
    each: st.SearchStrategy[Any]
    if parameter.choices:
        each = st.sampled_from(parameter.choices)
    elif parameter.type is int:
        each = st.integers(parameter.low, parameter.high)
    elif parameter.type is float:
        each = st.floats(parameter.low, parameter.high)
    else:
        each = TEXTS.get(parameter.name, NAMES)
    if parameter.repeats:
        each = st.lists(
            each, min_size=2 if parameter.positional else 1, max_size=3, unique=parameter.positional
        )
    return st.one_of(each, st.none()) if parameter.optional else each


def typed(kind: Kind, words: list[str]) -> Request:
    """The request that the command line makes of these words."""
    context = COMMANDS[kind.command].make_context(kind.command, words)
    return parse(kind.command, {name: context.params[name] for name in kind.parameters()})


@EVERY_KIND
@given(data=st.data())
@settings(max_examples=60)
def test_the_command_of_a_request_asks_for_the_same(kind: Kind, data: st.DataObject) -> None:
    own = [each for each in kind.parameters().values() if each.name not in kind.request.UNHASHED]
    request = parse(kind.command, {each.name: data.draw(values_of(each), each.name) for each in own})
    program, name, *words = shlex.split(request.command())
    assert (program, name) == ("ganatomy", kind.command)
    assert typed(kind, words) == request
    # The same by `--set`, by the form, and from the queue.
    texts = {n: kind.parameters()[n].text(value) for n, value in request.given().items()}
    assert parse(kind.command, {n: text for n, text in texts.items() if text}) == request
    assert parse(kind.command, request.model_dump(mode="json")) == request


def test_single_images_can_be_all() -> None:
    all_images = parse("ace", {"generator": "g", "layer": "l", "concept": "c", "single_images": "all"})
    assert all_images.given()["single_images"] is None
    assert "--single-images all" in all_images.command()
    assert "all" in all_images.parameters()["single_images"].help


@EVERY_KIND
def test_a_command_has_every_option_with_its_default(kind: Kind) -> None:
    options = {option.name: option for option in COMMANDS[kind.command].params}
    for name, parameter in kind.parameters().items():
        assert parameter.flag in options[name].opts or parameter.positional
        assert options[name].required == parameter.required
        if not parameter.required:
            text = "" if options[name].default is None else str(options[name].default)
            assert text == ("" if parameter.default is None else parameter.text(parameter.default))
    assert {"wait", "priority", "at", "after", "estimate_only", "store", "json"} <= set(options)
    assert ("width" in options) == kind.intervals


@EVERY_KIND
def test_every_option_says_what_it_is_in_sentences(kind: Kind) -> None:
    for parameter in kind.parameters().values():
        assert parameter.option.label[0].isupper()
        assert re.fullmatch(r"[A-Z`].*[.]", parameter.help), parameter.help
        assert parameter.option.empty or not parameter.optional, f"{parameter.name}: what does None mean?"


def test_the_page_of_options_is_up_to_date() -> None:
    page = Path(__file__).parents[3] / "docs" / "options.md"
    assert page.read_text() == reference.markdown(), "run `python -m jobs.cli.reference > docs/options.md`"


def test_when_documents_the_fields_that_it_has() -> None:
    named = set(re.findall(r"`(\w+)`", When.__doc__ or ""))
    assert named
    assert named <= set(When.model_fields)


ROOT = Path(__file__).parents[3]
PAGES = (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
TYPED = rf"(ganatomy (?:{'|'.join(KINDS)}) [^`#\n]+)"
SHOWN = re.compile(rf"^(?:\.venv/bin/)?{TYPED}|`{TYPED}`", re.MULTILINE)
FOUND = {first or second for page in PAGES for first, second in SHOWN.findall(page.read_text())}
DOCUMENTED = sorted(line.strip() for line in FOUND if "..." not in line)


@pytest.mark.parametrize("line", DOCUMENTED)
def test_a_command_in_the_docs_can_be_typed(line: str) -> None:
    _program, name, *words = shlex.split(line)
    assert typed(KINDS[name], words).kind is KINDS[name]


def test_the_docs_show_a_command_of_every_kind() -> None:
    assert {line.split()[1] for line in DOCUMENTED} == set(KINDS)
