"""What commands share: options, output as a table or JSON, and errors as one sentence."""

from __future__ import annotations

import atexit
import errno
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.table import Column, Table
from rich.text import Text
from sqlalchemy.exc import DatabaseError

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from jobs.cli import terminal
from jobs.kinds.requests import sentence
from jobs.queue.client import Client
from jobs.system.text import one_line, visible

Store = Annotated[
    Path | None,
    typer.Option("--store", envvar="GANATOMY_STORE", help="The store's folder.", show_default="./store"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Owner = Annotated[str, typer.Option(envvar="GANATOMY_OWNER", help="The owner of the result.")]
console = terminal.PlainConsole()


class App(typer.Typer):
    """A Typer program that prints errors for people as one sentence and exits with 1."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        atexit.register(_close_stderr)
        try:
            return super().__call__(*arguments, **options)
        except (GanatomyError, StoreError) as error:
            fail(str(error))
        except ValidationError as error:
            fail(sentence(error))
        except DatabaseError as error:
            remedy = "free some space" if "full" in str(error.orig) else "see `ganatomy doctor`"
            fail(f"The queue cannot be used ({error.orig}); {remedy}.")
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM):
                raise
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            remedy = "free some space" if full else "make it writable for you"
            fail(f"{error.strerror}: {error.filename}; {remedy}, or choose another folder with --store.")
        except KeyboardInterrupt:
            sys.exit(130)


def _close_stderr() -> None:
    """Drop what is written to standard error after this point, when the interpreter ends.

    Where torch is loaded too, DuckDB's bindings would list every object that is still alive (39 lines).
    """
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def fail(reason: str) -> None:
    """Print the reason on standard error and exit with 1."""
    print(f"ganatomy: {one_line(reason)}", file=sys.stderr)
    sys.exit(1)


def client(store: Path | None) -> Client:
    """The client of the chosen store."""
    return Client.at(store)


def changes(texts: list[str] | None) -> dict[str, str]:
    """The fields of a request that `--set name=value` changes.

    >>> changes(["images=400", "layers=layer1,layer2"])
    {'images': '400', 'layers': 'layer1,layer2'}
    """
    for text in texts or []:
        if "=" not in text:
            raise GanatomyError(f"{text!r} is not a change; write --set name=value.")
    return {name: value for name, _, value in (text.partition("=") for text in texts or [])}


def show_json(values: object) -> None:
    """Print values as JSON: times in ISO format, other objects as their text."""
    print(
        json.dumps(values, indent=2, default=lambda v: v.isoformat() if hasattr(v, "isoformat") else str(v))
    )


def show_facts(facts: Mapping[str, object]) -> None:
    """Print facts, each on a line of its own."""
    for name, value in facts.items():
        console.print(Text.assemble((name, "bold"), ": ", visible(str(value))))


def show_table(columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """Print a table, or the sentence `empty` when it has no rows.

    The first column, which names the row, is never broken. In a pipe or a file no column is.
    """
    if not rows:
        console.print(empty)
        return
    heads = [Column(visible(name), no_wrap=number == 0) for number, name in enumerate(columns)]
    table = Table(*heads, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    if console.is_terminal:
        console.print(table, soft_wrap=False)
        return
    endless = console.options.update(max_width=1_000_000)
    width = table.__rich_measure__(console, endless).maximum
    terminal.PlainConsole(width=width).print(table, soft_wrap=False)
