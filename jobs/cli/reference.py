"""The options of every kind of job, from their declarations.

`python -m jobs.cli.reference > docs/options.md` writes the page; a test keeps that file up to date.
"""

from __future__ import annotations

from jobs.kinds.base import Kind, Request
from jobs.kinds.parameters import LARGEST, Parameter
from jobs.kinds.requests import KINDS

HEAD = """# Options of jobs

This page is generated. Do not edit it; run `python -m jobs.cli.reference > docs/options.md`.

Every option has the same name in three places: on the command line (`--images 64`), in a schedule or a clone
(`--set images=64`), and in the address of the form on the Jobs page (`?images=64`). The form calls it by its
label, and folds away the options that are marked *advanced*.
"""


def markdown() -> str:
    """The text of docs/options.md."""
    shared = Request.parameters()
    sections = [_section(kind, shared) for kind in KINDS.values()]
    about = "These options say who asks and where the job runs. They do not change the result."
    return "\n".join([HEAD, f"## Every kind\n\n{about}\n\n{_table(shared)}", *sections])


def _section(kind: Kind, shared: dict[str, Parameter]) -> str:
    own = {name: each for name, each in kind.parameters().items() if name not in shared}
    return (
        f"## {kind.title}\n\n`ganatomy {kind.command}`, `run.kind` {kind.name}. {kind.about}\n\n{_table(own)}"
    )


def _table(parameters: dict[str, Parameter]) -> str:
    rows = [_row(each) for each in sorted(parameters.values(), key=lambda each: not each.required)]
    return (
        "\n".join(
            ["| option | label | value | default | what it is |", "| --- | --- | --- | --- | --- |", *rows]
        )
        + "\n"
    )


def _row(each: Parameter) -> str:
    label = f"{each.option.label} *(advanced)*" if each.option.advanced else each.option.label
    value = _limits(each).replace("|", " or ")
    if each.required:
        default = "required"
    else:
        default = each.option.empty if each.default is None else f"`{each.text(each.default)}`"
    name = each.name.upper() + "..." * each.repeats if each.positional else each.flag
    return f"| `{name}` | {label} | {value} | {default} | {each.option.help} |"


def _limits(each: Parameter) -> str:
    """What may be given, with the limits of a number."""
    if each.type is str:
        return each.kind
    limits = f", {each.low:,} or more" if each.high >= LARGEST else f", {each.low:,} to {each.high:,}"
    return each.kind + limits


if __name__ == "__main__":
    print(markdown(), end="")
