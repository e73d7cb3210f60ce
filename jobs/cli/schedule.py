"""`ganatomy jobs schedule list | add | pause | resume | trigger | remove`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from jobs.cli.common import Json, Owner, Store, changes, client, console, show_json, show_table
from jobs.kinds.requests import KINDS, When, parse

app = typer.Typer(help="Queue jobs at the times of a cron expression.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The schedule's name.")]


@app.command("list")
def list_(store: Store = None, json: Json = False) -> None:
    """List schedules."""
    found = client(store).schedules()
    if json:
        show_json([asdict(each) for each in found])
        return
    rows = [[s.name, s.cron, s.title, "paused" if s.paused else s.next_at, s.last] for s in found]
    show_table(["name", "when (UTC)", "what", "next", "last"], rows, "No schedules.")


@app.command()
def add(
    name: Name,
    generator: Annotated[str, typer.Argument(help="The generator's name.")],
    cron: Annotated[str, typer.Option(help="Minute, hour, day, month, weekday: '0 2 * * *' is 02:00 UTC.")],
    kind: Annotated[str, typer.Option(metavar="|".join(KINDS), help="The kind of job.")] = "dissect",
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of the job: --set images=400 --set layer=layer3."),
    ] = None,
    priority: Annotated[int, typer.Option(min=1, max=9, help="1 runs first, 9 last.")] = 5,
    owner: Owner = "anyone",
    project: Annotated[str, typer.Option(help="The job's project.")] = "default",
    store: Store = None,
    json: Json = False,
) -> None:
    """Queue a job at the times of a cron expression. A job whose results exist is not run again."""
    values = {**changes(change), "generator": generator, "owner": owner, "project": project}
    added = client(store).schedule(name, parse(kind, values), cron, When(priority=priority))
    if json:
        show_json(asdict(added))
    else:
        console.print(f"{name}: next at {added.next_at} UTC.")


@app.command()
def pause(name: Name, store: Store = None) -> None:
    """Stop a schedule until it is resumed."""
    client(store).pause(name)
    console.print(f"{name} is paused.")


@app.command()
def resume(name: Name, store: Store = None) -> None:
    """Start a paused schedule again."""
    client(store).resume(name)
    console.print(f"{name} is resumed.")


@app.command()
def trigger(name: Name, store: Store = None) -> None:
    """Queue a schedule's job now, once."""
    client(store).trigger(name)
    console.print(f"{name} is triggered.")


@app.command()
def remove(name: Name, store: Store = None) -> None:
    """Remove a schedule. Jobs that it queued stay."""
    client(store).unschedule(name)
    console.print(f"{name} is removed.")
