"""What people may ask for: every kind of request by name, made from plain values, and when it runs.

The kinds themselves are in `jobs.asking`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from analysis.shared.errors import GanatomyError
from jobs.kinds.artifacts import ArtifactsRequest as ArtifactsRequest
from jobs.kinds.base import METHOD as METHOD
from jobs.kinds.base import Name as Name
from jobs.kinds.base import Request as Request
from jobs.kinds.base import run_id as run_id
from jobs.kinds.causes import CausesRequest as CausesRequest
from jobs.kinds.context import ContextRequest as ContextRequest
from jobs.kinds.dissection import DissectionRequest as DissectionRequest
from jobs.kinds.full import FullRequest as FullRequest


class When(BaseModel):
    """When and how urgently a job runs. `at` is naive UTC or carries its offset; `every` is a cron
    expression."""

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


# In the order in which a form offers them.
OFFERED = (DissectionRequest, FullRequest, CausesRequest, ContextRequest, ArtifactsRequest)
KINDS: dict[str, type[Request]] = {kind.KIND: kind for kind in OFFERED}


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
