"""What every kind of job declares, and what every request for a job has.

Nothing in a request is code or a path: names, numbers and words only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    StringConstraints,
    model_serializer,
    model_validator,
)
from pydantic.functional_serializers import SerializerFunctionWrapHandler

from analysis.models.inputs import Inputs
from analysis.shared.options import Option
from db.layout import Layout
from db.permissions import NAME
from jobs.kinds.parameters import Parameter, of_settings, parameter, words
from jobs.system.live import JsonObject

# Rises when the same request would give other numbers, so that old runs are not taken for new ones.
METHOD = 3  # 1: names by the largest IoU, ablations to 0; 2: alpha from three starts, on more images

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Person = Annotated[str, StringConstraints(pattern=f"^{NAME}$")]
LayerName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$")]
ConceptName = Annotated[str, StringConstraints(pattern=r"^\w[\w .,'&/()+-]{0,63}$")]
InputsText = Annotated[
    str, StringConstraints(max_length=1000), AfterValidator(lambda text: str(Inputs.parse(text)))
]
RunName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}$")]


@dataclass(frozen=True)
class Page:
    """A dashboard page that shows runs of a kind: `dashboard/views/<view>.py`.

    The navigation lists pages by `place`. A hidden page is reached by links only.
    """

    view: str
    title: str
    icon: str
    place: int
    hidden: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of job, declared once in `jobs/kinds/<name>.py` as `KIND`.

    `name` is the study's noun and the value of `run.kind`. `command` is what the command line, the stored
    queue and the hashes of runs call it; it never changes once jobs of the kind are stored.
    """

    name: str
    command: str
    request: type[Request]
    task: str  # the module that a job's process runs
    title: str  # what the form calls it
    place: int  # where the form and `ganatomy --help` list it
    pages: tuple[Page, ...] = ()
    intervals: bool = False  # its runs give intervals of IoU, from which the images needed can be told
    series: bool = False  # the form offers to queue the same for further generators

    def __post_init__(self) -> None:
        self.request.kind = self

    @property
    def about(self) -> str:
        """What a job of this kind does, in one sentence: the first line of its request's docstring."""
        return (self.request.__doc__ or "").split("\n")[0]

    def parameters(self) -> dict[str, Parameter]:
        """What its request can be given."""
        return self.request.parameters()


class Request(BaseModel, ABC):
    """A job to run.

    A field that people may choose carries an `Option`. A study's own settings are one dataclass of `analysis`
    in the field `settings`; as JSON its options stand beside the other fields. Fields in `UNHASHED` say who
    asks and where it runs; they do not change the result.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: ClassVar[Kind]
    UNHASHED: ClassVar[frozenset[str]] = frozenset({"owner", "project", "device"})

    owner: Annotated[
        Person, Option("Owner", "Who asks. Jobs of different owners take turns.", advanced=True)
    ] = "anyone"
    project: Annotated[Person, Option("Project", "A word to group jobs by.", advanced=True)] = "default"
    device: Annotated[
        Literal["auto", "cpu", "cuda"], Option("Device", "Where the job runs.", advanced=True)
    ] = "auto"

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """What the request can be given, by name."""
        return _parameters(cls)

    @model_validator(mode="before")
    @classmethod
    def _from_flat(cls, values: object) -> object:
        """Read typed texts, and gather the settings' options, which are stored beside the other fields."""
        if not isinstance(values, Mapping):
            return values
        known = cls.parameters()
        values = {
            name: known[name].value(value) if name in known and isinstance(value, str) else value
            for name, value in values.items()
        }
        if "settings" in cls.model_fields and "settings" not in values:
            names = [name for name in values if name in known and name not in cls.model_fields]
            values["settings"] = {name: values.pop(name) for name in names}
        return values

    @model_serializer(mode="wrap")
    def _as_flat(self, handler: SerializerFunctionWrapHandler) -> JsonObject:
        """The options of the settings beside the other fields, as requests were always stored."""
        values: JsonObject = handler(self)
        settings = values.pop("settings", {})
        return values | {name: value for name, value in settings.items() if name in self.parameters()}

    def given(self) -> JsonObject:
        """The value of every parameter."""
        settings = getattr(self, "settings", self)
        return {
            name: getattr(self if name in type(self).model_fields else settings, name)
            for name in self.parameters()
        }

    def replace(self, **values: object) -> Self:
        """The same request with other values, checked."""
        return self.model_validate({**self.given(), **values})

    def content(self) -> JsonObject:
        """The part of the request that decides the result."""
        return self.model_dump(mode="json", exclude=set(self.UNHASHED))

    def title(self) -> str:
        """A few words for a list of jobs."""
        return self.kind.command

    def command(self) -> str:
        """The command line that asks for the same."""
        given = {name: value for name, value in self.given().items() if name not in self.UNHASHED}
        return shlex.join(words(self.kind.command, given, self.parameters()))

    def with_defaults(self, layout: Layout) -> Self:
        """The request with what was left out filled in; weights need not be here.

        Raises:
            GanatomyError: something that it names is not known.
        """
        return self

    def resolve(self, layout: Layout) -> tuple[Self, str]:
        """The request with what was left out filled in, and its run.

        Raises:
            GanatomyError: something that it needs is not there.
        """
        return self, run_id(self.kind.command, self.kind.command, self.content())

    def before(self) -> list[Request]:
        """Requests whose results this one needs: they are queued with it, and it waits for them."""
        return []

    def queues(self, kind: str, request: Mapping[str, object], layout: Layout) -> bool:
        """Whether this job, once it runs, queues such a job."""
        return False

    def shows(self) -> Request:
        """The request whose run shows what came of this one; itself, unless it only queues others."""
        return self

    def size(self) -> int:
        """How much work it is, in images through the generator or its tail; 0 where nobody knows.

        Speed and time left follow from it, so it must be in proportion but need not be exact.
        """
        return 0


@cache
def _parameters(request: type[Request]) -> dict[str, Parameter]:
    found: dict[str, Parameter] = {}
    for name, field in request.model_fields.items():
        if name == "settings" and dataclasses.is_dataclass(field.annotation):
            found |= of_settings(field.annotation)
        elif (made := parameter(name, field)) is not None:
            found[name] = made
    return found


def run_id(name: str, kind: str, content: Mapping[str, object], *hashes: str) -> str:
    """A short name that follows from everything that decides the result, and from nothing else."""
    text = json.dumps([METHOD, kind, content, *hashes], sort_keys=True, separators=(",", ":"))
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
