"""`ganatomy audit`: who did what to what, and when."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer

from db import spreadsheet, workspace
from jobs.cli.common import Json, Store, client, show_json, show_table


def audit(
    since: Annotated[datetime | None, typer.Option(help="Not before this time, UTC.")] = None,
    who: Annotated[str | None, typer.Option(help="Only what this person did, or was refused.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="List at most this many, the newest.")] = 100,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    store: Store = None,
    json: Json = False,
) -> None:
    """List who did what to what and when, newest first: on pages, on the command line, by workers."""
    found = workspace.open(client(store).layout).audit(since, who, limit)
    if json:
        show_json(found.to_dict("records"))
    elif csv:
        sys.stdout.write(spreadsheet.guarded(found).to_csv(index=False))
    else:
        rows = found.assign(refused=found["refused"].map({True: "refused", False: ""}))
        show_table([*rows], rows.values.tolist(), "Nobody has changed anything in this store yet.")
