"""Every kind of job by its command, requests made from plain values, and when a job runs.

A kind is a module of `jobs.kinds` with a `KIND`; nothing lists them.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from analysis.shared.errors import GanatomyError
from jobs import kinds
from jobs.kinds.base import Kind, Request


class When(BaseModel):
    """When and how urgently a job runs. `at` is naive UTC, or carries its offset from UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    priority: int = Field(default=5, ge=1, le=9, description="1 runs first, 9 last")
    at: datetime | None = Field(
        default=None, description="not before this time (UTC unless it says otherwise)"
    )
    after: str | None = Field(default=None, description="a job that must be done before this one starts")

    def seconds_left(self) -> float:
        """Seconds until `at`; none when it is past, or was not given."""
        if self.at is None:
            return 0.0
        at = self.at if self.at.tzinfo else self.at.replace(tzinfo=UTC)
        return max(0.0, (at - datetime.now(UTC)).total_seconds())


def discover() -> dict[str, Kind]:
    """Every kind by its command, in the order in which they are listed. No kind imports this module."""
    names = [module.name for module in pkgutil.iter_modules(kinds.__path__)]
    modules = [import_module(f"{kinds.__name__}.{name}") for name in names]
    found: list[Kind] = [module.KIND for module in modules if hasattr(module, "KIND")]
    return {kind.command: kind for kind in sorted(found, key=lambda kind: kind.place)}


KINDS = discover()


def parse(kind: str, values: Mapping[str, object]) -> Request:
    """A validated request from plain values (a form, a JSON body, typed texts).

    Raises:
        GanatomyError: in one sentence, what is wrong with which field.
    """
    if kind not in KINDS:
        raise GanatomyError(f"There is no job kind {kind!r}; the kinds are {', '.join(sorted(KINDS))}.")
    try:
        return KINDS[kind].request.model_validate(values)
    except ValidationError as error:
        raise GanatomyError(sentence(error)) from None


def problems(kind: str, values: Mapping[str, object]) -> dict[str, str]:
    """What is wrong with the values of a request of a known kind, by field; empty when it is valid."""
    try:
        KINDS[kind].request.model_validate(values)
    except ValidationError as error:
        return _by_field(error)
    return {}


def sentence(error: ValidationError) -> str:
    """A pydantic error as one sentence that names the fields and what each may be."""
    told = (f"{name}: {problem}" for name, problem in _by_field(error).items())
    return f"The request is not valid: {'; '.join(told)}."


def _by_field(error: ValidationError) -> dict[str, str]:
    """What is wrong with each field. A field of several types says what each of them may be."""
    found: dict[str, list[str]] = {}
    for problem in error.errors():
        said = found.setdefault(_field(problem), [])
        text = _plainly(problem)
        same = f"{problem['input']!r} should be "
        said.append(text.removeprefix(same) if said and said[0].startswith(same) else text)
    return {name: " or ".join(dict.fromkeys(said)) for name, said in found.items()}


def _field(problem: ErrorDetails) -> str:
    return next((str(part) for part in problem["loc"] if part != "settings"), "request")


def _plainly(problem: ErrorDetails) -> str:
    given, said = problem["input"], problem["msg"]
    if problem["type"] == "string_pattern_mismatch":
        return f"{given!r} cannot be a name"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    if isinstance(given, str | int | float) and said.startswith("Input "):
        return f"{given!r} {said.removeprefix('Input ').partition(', unable to parse')[0]}"
    return said.lower()
