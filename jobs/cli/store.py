"""ganatomy store ... | export | import"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from analysis.shared.errors import GanatomyError
from db import store as results
from db.store import backup as backups
from db.store import exchange, remote, removal
from db.store import health as upkeep
from jobs.cli.common import Json, Store, client, console, show_json, show_table

app = typer.Typer(help="Look after the store: check, rebuild, back up, delete.", no_args_is_help=True)
Run = Annotated[str, typer.Argument(help="The run's id.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Address = Annotated[str, typer.Argument(help="Any fsspec address: s3://bucket/path, a folder, ...")]


@app.command()
def check(store: Store = None, json: Json = False) -> None:
    """Read every byte: published file, bundles, workspace. Exit status 1 when something is wrong."""
    health = upkeep.check(client(store).layout)
    if json:
        show_json(vars(health))
    elif not health.problems:
        console.print(f"Sound: {health.runs} runs, {health.bundles} bundles, {health.rows} rows.")
    for problem in health.problems if not json else []:
        console.print(problem, highlight=False, soft_wrap=True)
    if health.problems:
        raise typer.Exit(1)


@app.command()
def publish(store: Store = None) -> None:
    """Publish every bundle that waits."""
    console.print(results.publish(client(store).layout).name, highlight=False)


@app.command()
def rebuild(store: Store = None) -> None:
    """Make the DuckDB file again from the bundles."""
    console.print(results.rebuild(client(store).layout).name, highlight=False)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="The file to write (.tar).")],
    models: Annotated[bool, typer.Option(help="With the models' weights.")] = True,
    store: Store = None,
) -> None:
    """Write everything that cannot be made again to one file; jobs may go on meanwhile."""
    written = backups.backup(client(store).layout, target, models)
    console.print(f"{written}: {decimal(written.stat().st_size)}", highlight=False, soft_wrap=True)


@app.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A file that `store backup` wrote.")],
    folder: Annotated[Path, typer.Argument(help="A new folder for the store.")],
) -> None:
    """Make a store from a backup, in a new folder."""
    layout = backups.restore(source, folder)
    console.print(f"Restored. Use it with --store {layout.root}", highlight=False, soft_wrap=True)


@app.command()
def usage(store: Store = None, json: Json = False) -> None:
    """What takes the disk, by kind."""
    found = upkeep.usage(client(store).layout)
    if json:
        show_json(found)
        return
    show_table(["kind", "size"], [[name, decimal(size)] for name, size in found.items()], "Nothing.")


@app.command()
def evict(
    kind: Annotated[str, typer.Argument(help="labels or renders")],
    gigabytes: Annotated[float, typer.Option("--to", min=0, help="Leave at most so many GB.")],
    store: Store = None,
) -> None:
    """Remove label maps or renders, longest unused first; they are made again when needed."""
    freed = upkeep.evict(client(store).layout, kind, int(gigabytes * 1e9))
    console.print(f"{decimal(freed)} freed", highlight=False)


@app.command()
def delete(run: Run, yes: Yes = False, store: Store = None) -> None:
    """Remove a run for good, with what stands on it."""
    layout = client(store).layout
    _ask("Delete", run, removal.standing_on(layout, run), yes)
    console.print("Deleted: " + ", ".join(removal.delete(layout, run)), highlight=False, soft_wrap=True)


@app.command()
def archive(run: Run, yes: Yes = False, store: Store = None) -> None:
    """Put a run away, with what stands on it: no page shows it, and nothing is lost."""
    layout = client(store).layout
    _ask("Archive", run, removal.standing_on(layout, run), yes)
    console.print("Archived: " + ", ".join(removal.archive(layout, run)), highlight=False, soft_wrap=True)


@app.command()
def unarchive(run: Run, store: Store = None) -> None:
    """Publish an archived run again."""
    removal.unarchive(client(store).layout, run)
    console.print(f"Published again: {run}", highlight=False)


@app.command()
def push(address: Address, store: Store = None) -> None:
    """Copy the bundles that an address does not have there."""
    pushed = remote.push(client(store).layout, address)
    console.print(f"{len(pushed)} bundles pushed", highlight=False)


@app.command()
def pull(address: Address, store: Store = None) -> None:
    """Fetch the bundles that this store does not have, and publish them."""
    pulled = remote.pull(client(store).layout, address)
    console.print(f"{len(pulled)} bundles pulled", highlight=False)


def _ask(what: str, run: str, others: list[str], yes: bool) -> None:
    also = f" and what stands on it ({', '.join(others)})" if others else ""
    if not yes and not typer.confirm(f"{what} {run}{also}?"):
        raise GanatomyError("Nothing was changed.")


def export(
    run: Run,
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    format: Annotated[str, typer.Option(help="parquet, csv or json")] = "parquet",
    whole: Annotated[bool, typer.Option(help="With the bundle, which an import needs.")] = True,
    store: Store = None,
) -> None:
    """Write a run's tables and data dictionary to a folder."""
    written = exchange.export_run(client(store).layout, run, folder, format, whole)
    console.print(str(written), highlight=False, soft_wrap=True)


def import_(
    folder: Annotated[Path, typer.Argument(help="A folder that `ganatomy export` wrote.")],
    store: Store = None,
) -> None:
    """Read an exported run into this store and publish it."""
    new = exchange.import_run(client(store).layout, folder)
    console.print("Imported: " + ", ".join(new) if new else "Here already.", highlight=False, soft_wrap=True)
