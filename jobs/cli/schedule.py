"""ganatomy jobs schedule list | add | pause | resume | trigger | remove"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from jobs.cli.common import Json, Store, changes, client, console, show_json, show_table
from jobs.kinds.requests import KINDS, When, parse

app = typer.Typer(help="Jobs that the clock queues.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The schedule's name.")]


@app.command("list")
def list_(store: Store = None, json: Json = False) -> None:
    """List schedules."""
    found = client(store).schedules()
    if json:
        show_json([asdict(view) for view in found])
        return
    rows = [[v.name, v.cron, v.title, "paused" if v.paused else v.next_at, v.last] for v in found]
    show_table(["name", "when (UTC)", "what", "next", "last"], rows, "No schedules.")


@app.command()
def add(
    name: Name,
    generator: Annotated[str, typer.Argument(help="A generator's name.")],
    cron: Annotated[str, typer.Option(help="Minute, hour, day, month, weekday: '0 2 * * *' is 02:00 UTC.")],
    kind: Annotated[str, typer.Option(metavar="|".join(KINDS), help="What is queued.")] = "dissect",
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="What the job asks for, such as --set images=400 --set layer=layer3."),
    ] = None,
    priority: Annotated[int, typer.Option(min=1, max=9)] = 5,
    owner: Annotated[str, typer.Option()] = "anyone",
    project: Annotated[str, typer.Option()] = "default",
    store: Store = None,
    json: Json = False,
) -> None:
    """Queue a job whenever the clock says so; nothing is done while its result is there already."""
    values = {**changes(change), "generator": generator, "owner": owner, "project": project}
    view = client(store).schedule(name, parse(kind, values), cron, When(priority=priority))
    show_json(asdict(view)) if json else console.print(
        f"{name}: next at {view.next_at} UTC.", highlight=False
    )


@app.command()
def pause(name: Name, store: Store = None) -> None:
    """Queue nothing until it is resumed."""
    client(store).pause(name)
    console.print(f"{name} is paused.", highlight=False)


@app.command()
def resume(name: Name, store: Store = None) -> None:
    """Queue again."""
    client(store).resume(name)
    console.print(f"{name} is resumed.", highlight=False)


@app.command()
def trigger(name: Name, store: Store = None) -> None:
    """Queue it now, once."""
    client(store).trigger(name)
    console.print(f"{name} is triggered.", highlight=False)


@app.command()
def remove(name: Name, store: Store = None) -> None:
    """Forget a schedule."""
    client(store).unschedule(name)
    console.print(f"{name} is removed.", highlight=False)
