"""What every command shares: the store option, JSON output, and errors as one sentence."""

from __future__ import annotations

import atexit
import errno
import json
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import DatabaseError

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from jobs.kinds.requests import sentence
from jobs.queue.client import Client

Store = Annotated[
    Path | None,
    typer.Option("--store", envvar="GANATOMY_STORE", help="The store's folder.", show_default="./store"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Owner = Annotated[str, typer.Option(envvar="GANATOMY_OWNER", help="Who asks.")]
console = Console()


class App(typer.Typer):
    """A Typer program whose errors for people are one sentence on standard error and exit status 1."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        atexit.register(hush)
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
            fail(
                f"{error.strerror}: {error.filename}; free some space, or choose another folder with --store."
            )
        except KeyboardInterrupt:
            sys.exit(130)


def hush() -> None:
    """At the very end, drop what is still written to standard error: where torch is loaded too, DuckDB's
    bindings list every object that lives on (39 lines) as the interpreter goes."""
    sys.stderr.flush()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def fail(reason: str) -> None:
    """Say why, and exit with 1."""
    print(f"ganatomy: {reason}", file=sys.stderr)
    sys.exit(1)


def client(store: Path | None) -> Client:
    """The client of the chosen store."""
    return Client.at(store)


def changes(texts: list[str] | None) -> dict[str, str]:
    """What `--set name=value`, given once or more, says about a request's fields.

    >>> changes(["images=400", "layers=layer1,layer2"])
    {'images': '400', 'layers': 'layer1,layer2'}
    """
    for text in texts or []:
        if "=" not in text:
            raise GanatomyError(f"{text!r} is not a change; write --set name=value.")
    return dict((text.split("=", 1)[0], text.split("=", 1)[1]) for text in texts or [])


def show_json(values: Any) -> None:
    """Plain values as JSON on standard output."""
    print(json.dumps(values, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def show_table(columns: list[str], rows: list[list[Any]], empty: str) -> None:
    """A table for people, or the sentence for an empty one."""
    if not rows:
        console.print(empty)
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console.print(table)
