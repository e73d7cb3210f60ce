"""The commands that queue a job, one per kind, made from what each kind declares.

ganatomy dissect GENERATOR [--images N] ... [--wait] [--priority P] [--estimate]
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from inspect import Parameter as Argument
from inspect import Signature
from pathlib import Path
from typing import Annotated

import typer

from jobs.cli import estimate
from jobs.cli.common import Json, Store, client
from jobs.cli.submission import Wait, submit
from jobs.kinds.base import Kind, Request
from jobs.kinds.parameters import Parameter
from jobs.kinds.requests import When, parse

Priority = Annotated[int, typer.Option(min=1, max=9, help="1 runs first, 9 last.")]
At = Annotated[datetime | None, typer.Option(help="Not before this time, UTC.")]
After = Annotated[str | None, typer.Option(help="A job that must be done before this one starts.")]
Estimate = Annotated[bool, typer.Option("--estimate", help="Say what it costs; queue nothing.")]
Width = Annotated[float, typer.Option(help="With --estimate: the interval's width that is wanted.")]


def command(kind: Kind) -> Callable[..., None]:
    """The command of a kind: an option per parameter of its request, and those that every kind has."""
    parameters = kind.parameters()

    def run(
        *,
        wait: bool,
        priority: int,
        at: datetime | None,
        after: str | None,
        estimate_only: bool,
        store: Path | None,
        json: bool,
        width: float = 0.05,
        **given: object,
    ) -> None:
        jobs, request = client(store), parse(kind.command, given)
        if estimate_only:
            estimate.show(jobs, request, width, json)
        else:
            submit(jobs, request, When(priority=priority, at=at, after=after), wait, json)

    own = sorted(parameters.values(), key=lambda each: (not each.required, each.name in Request.parameters()))
    common = [
        _argument("wait", Wait, False),
        _argument("priority", Priority, 5),
        _argument("at", At, None),
        _argument("after", After, None),
        _argument("estimate_only", Estimate, False),
        *([_argument("width", Width, 0.05)] if kind.intervals else []),
        _argument("store", Store, None),
        _argument("json", Json, False),
    ]
    arguments = [*map(_from_parameter, own), *common]
    # Typer reads a command's options from its signature and annotations.
    run.__signature__ = Signature(arguments)  # type: ignore[attr-defined]
    run.__annotations__ = {argument.name: argument.annotation for argument in arguments}
    run.__doc__ = kind.about
    return run


def _argument(name: str, annotation: object, default: object) -> Argument:
    return Argument(name, Argument.KEYWORD_ONLY, annotation=annotation, default=default)


def _from_parameter(parameter: Parameter) -> Argument:
    """One option. What pydantic checks is left to it, so that its errors are one sentence."""
    if parameter.positional:
        many: type = list[str] if parameter.repeats else str
        return _argument(parameter.name, Annotated[many, typer.Argument(help=parameter.help)], Argument.empty)
    words = parameter.choices or parameter.none
    kind: type = str if words or parameter.repeats else parameter.type
    default: object = Argument.empty if parameter.required else parameter.default
    if default is not Argument.empty and default is not None and kind is str:
        default = parameter.text(default)
    option = typer.Option(
        parameter.flag,
        help=parameter.help,
        metavar=parameter.kind if words else None,
        envvar="GANATOMY_OWNER" if parameter.name == "owner" else None,
    )
    return _argument(parameter.name, Annotated[kind if default is not None else kind | None, option], default)
