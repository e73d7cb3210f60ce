"""`ganatomy store ...`, `ganatomy export` and `ganatomy import`."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal
from sqlalchemy.exc import DatabaseError

from analysis.shared.errors import GanatomyError
from db import workspace
from db.store import backup, bundles, exchange, health, remote, removal
from jobs.cli.common import Json, Store, client, console, show_json, show_table
from jobs.queue import database, schedules
from jobs.queue.client import Client

app = typer.Typer(help="Check, rebuild, back up and clean the store.", no_args_is_help=True)
Run = Annotated[str, typer.Argument(help="The run's id.")]
Keep = Annotated[bool, typer.Option("--keep", help="Only move it to the trash, from where it can come back.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Address = Annotated[str, typer.Argument(help="Any fsspec address: s3://bucket/path, a folder, ...")]


@app.command()
def check(store: Store = None, json: Json = False) -> None:
    """Read every byte of published file, bundles and workspace. Exits with 1 when something is wrong."""
    found = health.check(client(store).layout)
    if json:
        show_json(vars(found))
    elif not found.problems:
        console.print(f"Sound: {found.runs} runs, {found.bundles} bundles, {found.rows} rows.")
    if json and found.problems:
        raise typer.Exit(1)
    _tell(found.problems)


@app.command()
def publish(store: Store = None) -> None:
    """Publish every bundle that is not published yet."""
    from db.store import publication  # pandas and DuckDB, which `--help` need not load

    console.print(publication.publish(client(store).layout).name)


@app.command()
def rebuild(store: Store = None) -> None:
    """Make the DuckDB file anew from the bundles."""
    from db.store import publication

    console.print(publication.rebuild(client(store).layout).name)


@app.command()
def salvage(
    run: Annotated[str | None, typer.Argument(help="A published run whose bundle is missing.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Accept bundles/ as this store's own, and salvage every run.")
    ] = False,
    store: Store = None,
) -> None:
    """Write a bundle from the rows that the published file still has of a run, without its pictures."""
    layout = client(store).layout
    if every == bool(run):
        raise GanatomyError("Give the run to salvage, or --all.")
    written = health.salvage_all(layout) if run is None else [health.salvage(layout, run)]
    for path in written:
        console.print(f"Written: {path}")
    if not written:
        console.print("No bundle is missing.")


@app.command("backup")
def backup_(
    target: Annotated[Path, typer.Argument(help="The file to write (.tar).")],
    models: Annotated[bool, typer.Option(help="Include the models' weights.")] = True,
    store: Store = None,
) -> None:
    """Write everything that cannot be made again to one file. Jobs may run meanwhile.

    Exits with 1 when something in the store is damaged or missing; the backup has the rest.
    """
    here = client(store)
    extra, problems = {}, []
    if database.exists(here.layout):
        try:
            extra[here.layout.schedules.name] = schedules.exported(here.queue)
        except (GanatomyError, DatabaseError) as error:
            problems.append(f"The schedules are not in the backup: {error}")
    made = backup.backup(here.layout, target, models, extra)
    size = decimal(made.path.stat().st_size)
    console.print(f"{made.path}: {made.runs} runs, {size}, read back")
    _tell(problems + made.problems)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A file that `ganatomy store backup` has written.")],
    folder: Annotated[Path, typer.Argument(help="A new folder for the store.")],
) -> None:
    """Make a store from a backup in a new folder."""
    layout = backup.restore(source, folder)
    if layout.schedules.exists():
        schedules.restore(Client(layout).queue, layout.schedules.read_bytes())
        layout.schedules.unlink()
    console.print(f"Restored. Use it with --store {layout.root}")


@app.command()
def usage(store: Store = None, json: Json = False) -> None:
    """Show how much disk each kind of file takes."""
    found = health.usage(client(store).layout)
    if json:
        show_json(found)
        return
    show_table(["kind", "size"], [[name, decimal(size)] for name, size in found.items()], "Nothing.")


@app.command()
def evict(
    kind: Annotated[str, typer.Argument(help="labels or renders")],
    gigabytes: Annotated[float, typer.Option("--to", min=0, help="Leave at most this many GB.")],
    store: Store = None,
) -> None:
    """Remove label maps or renders, longest unused first. They are made again when needed."""
    freed = health.evict(client(store).layout, kind, int(gigabytes * 1e9))
    console.print(f"{decimal(freed)} freed")


@app.command()
def delete(run: Run, yes: Yes = False, keep: Keep = False, store: Store = None) -> None:
    """Delete a run and the runs that are based on it."""
    layout = client(store).layout
    if keep:
        console.print("In the trash: " + ", ".join(removal.trash(layout, run, _who())))
        return
    _confirm("Delete", run, removal.standing_on(layout, run), yes)
    console.print("Deleted: " + ", ".join(removal.delete(layout, run)))


@app.command()
def undelete(run: Run, store: Store = None) -> None:
    """Publish a run in the trash again: one that was deleted on the dashboard or with --keep."""
    removal.restore(client(store).layout, run, author=_who())
    console.print(f"Published again: {run}")


@app.command("empty-trash")
def empty_trash(yes: Yes = False, store: Store = None) -> None:
    """Remove the runs in the trash for good."""
    layout = client(store).layout
    there = removal.trashed(layout)
    if there and not yes and not typer.confirm(f"Remove {', '.join(there)} for good?"):
        raise GanatomyError("Nothing was changed.")
    console.print("Removed: " + (", ".join(removal.empty(layout, _who())) or "nothing"))


@app.command()
def rename(
    run: Run,
    title: Annotated[str, typer.Argument(help="Its title on pages; empty takes the title away.")],
    store: Store = None,
) -> None:
    """Give a run a title."""
    here = client(store).layout
    if run not in bundles.run_ids(here):
        raise GanatomyError(f"There is no run {run!r} in {here.root}.")
    workspace.open(here).rename_run(_who(), run, title.strip())
    console.print(f"Renamed: {run}")


@app.command()
def archive(run: Run, yes: Yes = False, store: Store = None) -> None:
    """Archive a run and the runs that are based on it. No page shows them, and nothing is lost."""
    layout = client(store).layout
    _confirm("Archive", run, removal.standing_on(layout, run), yes)
    console.print("Archived: " + ", ".join(removal.archive(layout, run, _who())))


@app.command()
def unarchive(run: Run, store: Store = None) -> None:
    """Publish an archived run again."""
    removal.unarchive(client(store).layout, run, author=_who())
    console.print(f"Published again: {run}")


@app.command()
def push(address: Address, store: Store = None) -> None:
    """Copy to an address the bundles that it does not have.

    Exits with 1 when one is damaged.
    """
    copied = remote.push(client(store).layout, address)
    console.print(f"{len(copied.keys)} bundles pushed")
    _tell(copied.problems)


@app.command()
def pull(address: Address, store: Store = None) -> None:
    """Copy from an address the bundles that this store lacks, and publish them.

    Exits with 1 when one is damaged.
    """
    copied = remote.pull(client(store).layout, address)
    console.print(f"{len(copied.keys)} bundles pulled")
    _tell(copied.problems)


def _tell(problems: Sequence[str]) -> None:
    """Print what is wrong, and exit with 1 if anything is."""
    for problem in problems:
        console.print(problem)
    if problems:
        raise typer.Exit(1)


def _who() -> str:
    """The name of the person at this terminal."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "anyone"


def _confirm(action: str, run: str, others: list[str], yes: bool) -> None:
    also = f" and the runs that are based on it ({', '.join(others)})" if others else ""
    if not yes and not typer.confirm(f"{action} {run}{also}?"):
        raise GanatomyError("Nothing was changed.")


def export(
    run: Run,
    folder: Annotated[Path, typer.Argument(help="The folder to create.")],
    format: Annotated[str, typer.Option(help="parquet, csv or json")] = "parquet",
    whole: Annotated[bool, typer.Option(help="Include the bundle, which an import needs.")] = True,
    store: Store = None,
) -> None:
    """Write a run's tables and data dictionary to a folder."""
    written = exchange.export_run(client(store).layout, run, folder, format, whole)
    console.print(str(written))


def import_(
    folder: Annotated[Path, typer.Argument(help="A folder that `ganatomy export` has written.")],
    store: Store = None,
) -> None:
    """Copy an exported run into this store and publish it."""
    new = exchange.import_run(client(store).layout, folder)
    console.print("Imported: " + ", ".join(new) if new else "Here already.")
