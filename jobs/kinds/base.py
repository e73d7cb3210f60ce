"""What every request has: who asks, where it runs, how it is recognised again, the command that asks the
same.

Nothing here is code or a path: names, numbers and words only.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from db.layout import Layout

# Rises when the same request would give other numbers, so that old runs are not taken for new ones.
METHOD = 1

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Person = Annotated[str, StringConstraints(pattern=r"^[\w][\w .@-]{0,63}$")]
LayerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]
ConceptName = Annotated[str, StringConstraints(pattern=r"^\w[\w .,'&/()+-]{0,63}$")]
RunName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}$")]


class Request(BaseModel, ABC):
    """A job to run. Fields in `UNHASHED` say who asks and where it runs; they do not change the result."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    KIND: ClassVar[str]
    RUN: ClassVar[str]  # what table `run` calls it
    MODULE: ClassVar[str]  # the heavy process: run as `python -P -m MODULE`
    TITLE: ClassVar[str] = ""  # what a form calls the kind; empty: no form offers it
    UNHASHED: ClassVar[frozenset[str]] = frozenset({"owner", "project", "device"})

    owner: Person = Field(default="anyone", description="who asks; jobs of different owners take turns")
    project: Person = Field(default="default", description="a word to group jobs by")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="where the job runs")

    def content(self) -> dict[str, Any]:
        """The part of the request that decides the result."""
        return self.model_dump(mode="json", exclude=set(self.UNHASHED))

    def title(self) -> str:
        """A few words for a list of jobs."""
        return self.KIND

    @abstractmethod
    def command(self) -> str:
        """The command line that asks for the same."""

    def resolve(self, layout: Layout) -> tuple[Self, str]:
        """The request with its defaults filled in, and its run. Raises `GanatomyError` when what it needs is
        not there."""
        return self, run_id(self.KIND, self.KIND, self.content())

    def before(self) -> list[Request]:
        """Requests whose results this one stands on: they are queued with it, and it waits for them."""
        return []

    def shows(self) -> Request:
        """The request whose run shows what came of this one: itself, but where it only queues others."""
        return self

    def size(self) -> int:
        """How much work it is, in images through the generator or its tail; 0 where nobody knows. Speed and
        time left are told by it, so it need not be exact, only in proportion."""
        return 0


def command(request: Request, positional: str) -> str:
    """The command line of a request: numbers always, other fields where they differ from their default."""
    parts = ["ganatomy", request.KIND, str(getattr(request, positional))]
    for name, field in type(request).model_fields.items():
        value = getattr(request, name)
        if name == positional or name in request.UNHASHED or value is None:
            continue
        if isinstance(value, str | tuple) and value == field.default:
            continue
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        parts += [f"--{name.replace('_', '-')}", text]
    return shlex.join(parts)


def run_id(name: str, kind: str, content: dict[str, Any], *hashes: str) -> str:
    """A short name that follows from everything that decides the result, and from nothing else."""
    text = json.dumps([METHOD, kind, content, *hashes], sort_keys=True, separators=(",", ":"))
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
