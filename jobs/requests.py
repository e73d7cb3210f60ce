"""What people may ask for: the parameters of every job kind, validated, as JSON, and how a request is
recognised again.

Nothing here is code or a path: names, numbers and words only.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails

from analysis.errors import GanatomyError

# Rises when the same request would give other numbers, so that old runs are not taken for new ones.
METHOD = 1

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Person = Annotated[str, StringConstraints(pattern=r"^[\w][\w .@-]{0,63}$")]
LayerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]
Tail = Annotated[float, Field(gt=0, lt=1)]


class Request(BaseModel, ABC):
    """A job to run. Fields in `UNHASHED` say who asks and where it runs; they do not change the result."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    KIND: ClassVar[str]
    RUN: ClassVar[str]  # what table `run` calls it
    MODULE: ClassVar[str]  # the heavy process: run as `python -P -m MODULE`
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


class DissectRequest(Request):
    """Dissect a generator: which unit means what, with IoU over evaluation images."""

    KIND: ClassVar[str] = "dissect"
    RUN: ClassVar[str] = "dissection"
    MODULE: ClassVar[str] = "jobs.dissecting"

    generator: Name = Field(description="a registered generator, as `ganatomy models list` names it")
    segmenter: Name | None = Field(
        default=None, description="a registered segmenter; empty: the generator's own"
    )
    layers: tuple[LayerName, ...] | None = Field(default=None, description="layers to read; empty: all")
    images: int = Field(
        default=1000, ge=1, le=1_000_000, description="evaluation images, which give the numbers"
    )
    calibration: int = Field(
        default=500, ge=1, le=1_000_000, description="calibration images, which choose thresholds and names"
    )
    seed: int = Field(
        default=1, ge=0, le=2**53, description="every image follows from the seed and its number"
    )
    threshold: Literal["iqr"] | Tail = Field(
        default="iqr",
        description="iqr: by information quality; a number: that fraction of each unit's values is on",
    )

    control: Literal["none", "rotation", "random-weights"] = Field(
        default="none",
        description="a baseline beside the run: the same layers with their units' axes rotated at random, "
        "or the same generator with random weights",
    )

    def run_id(self, generator_sha256: str, segmenter_sha256: str) -> str:
        """The run that this request asks for, given both weights' hashes: the same request has the same
        run."""
        return run_id(self.generator, self.KIND, self.content(), generator_sha256, segmenter_sha256)

    def title(self) -> str:
        layers = ", ".join(self.layers) if self.layers else "all layers"
        control = "" if self.control == "none" else f", control: {self.control}"
        return f"Dissect {self.generator} ({layers}, {self.images} images{control})"

    def command(self) -> str:
        parts = ["ganatomy", "dissect", self.generator]
        parts += ["--segmenter", self.segmenter] if self.segmenter else []
        parts += ["--layers", ",".join(self.layers)] if self.layers else []
        parts += [
            "--images",
            str(self.images),
            "--calibration",
            str(self.calibration),
            "--seed",
            str(self.seed),
        ]
        parts += ["--threshold", str(self.threshold)] if self.threshold != "iqr" else []
        parts += ["--control", self.control] if self.control != "none" else []
        return " ".join(parts)


class When(BaseModel):
    """When and how urgently a job runs. `at` is naive UTC or carries its offset; `every` is a cron
    expression."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    priority: int = Field(default=5, ge=1, le=9, description="1 runs first, 9 last")
    at: datetime | None = Field(
        default=None, description="not before this time (UTC unless it says otherwise)"
    )
    after: str | None = Field(default=None, description="a job that must be done before this one starts")


KINDS: dict[str, type[Request]] = {DissectRequest.KIND: DissectRequest}


def parse(kind: str, values: dict[str, Any]) -> Request:
    """A validated request from plain values (a form, a JSON body), or `GanatomyError` in one sentence."""
    if kind not in KINDS:
        raise GanatomyError(f"There is no job kind {kind!r}; the kinds are {', '.join(sorted(KINDS))}.")
    try:
        return KINDS[kind].model_validate(values)
    except ValidationError as error:
        raise GanatomyError(sentence(error)) from None


def sentence(error: ValidationError) -> str:
    """A pydantic error as one sentence that names the fields and what each may be."""
    problems = (
        f"{'.'.join(str(part) for part in problem['loc'][:1]) or 'request'}: {_plainly(problem)}"
        for problem in error.errors()
    )
    return f"The request is not valid: {'; '.join(dict.fromkeys(problems))}."


def _plainly(problem: ErrorDetails) -> str:
    if problem["type"] == "string_pattern_mismatch":
        return f"{problem['input']!r} cannot be a name"
    return problem["msg"].lower()


def run_id(name: str, kind: str, content: dict[str, Any], *hashes: str) -> str:
    """A short name that follows from everything that decides the result, and from nothing else."""
    text = json.dumps([METHOD, kind, content, *hashes], sort_keys=True, separators=(",", ":"))
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
