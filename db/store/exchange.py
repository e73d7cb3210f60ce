"""Runs out of one store and into another.

    export_run(layout, run_id, folder, "csv")    folder/<table>.csv, dictionary.csv, README.md, bundle/
    import_run(other, folder)                    the same run there, number for number

The tables are for people and other programs; `bundle/` is the run itself, which is what an import reads.
"""

import json
import os
import shutil
from pathlib import Path

import pandas as pd

from db import store
from db.errors import StoreError
from db.layout import Layout
from db.schema import dictionary
from db.store import bundles, files

FORMATS = ("parquet", "csv", "json")
_README = """# Run {run_id}

Exported from a Ganatomy store. One file a table; `dictionary.csv` says what each column holds.
`run.{format}` has seed, latent ranges, weights' hashes, versions and settings. `bundle/` is the run itself:
`ganatomy import` reads it into another store.
"""


def export_run(
    layout: Layout, run_id: str, folder: Path, format: str = "parquet", whole: bool = True
) -> Path:
    """Write a run's tables, data dictionary and (if `whole`) bundle into a new folder.

    Raises StoreError when there is no such run or format, or the folder is there already.
    """
    if format not in FORMATS:
        raise StoreError(f"There is no format {format!r}; there are {', '.join(FORMATS)}.")
    bundle = bundles.latest(layout, run_id)
    folder = Path(folder).absolute()
    if folder.exists():
        raise StoreError(f"{folder} is there already; give a folder that is not.")
    bundle.verify()
    aside = folder.with_name(files.unique(f".{folder.name}"))
    with files.writing(f"The export {folder}"):
        try:
            aside.mkdir(parents=True)
            _fill(bundle, aside, format, whole)
            os.rename(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return folder


def _fill(bundle: bundles.Bundle, folder: Path, format: str, whole: bool) -> None:
    names = bundle.names("tables")
    for name in names:
        save(bundle.table(name), folder / f"{name}.{format}", format)
    about = dictionary.describe()
    about[about.table.isin(names)].drop(columns="kind").to_csv(folder / "dictionary.csv", index=False)
    (folder / "README.md").write_text(_README.format(run_id=bundle.run_id, format=format))
    if whole:
        shutil.copytree(bundle.path, folder / "bundle" / bundle.run_id / str(bundle.revision))


def save(frame: pd.DataFrame, path: Path, format: str) -> None:
    """Write a frame; numbers keep every digit, times are ISO 8601."""
    if format == "parquet":
        frame.to_parquet(path, index=False)
    elif format == "csv":
        frame.to_csv(path, index=False)
    elif format == "json":
        records = frame.astype(object).where(frame.notna(), None).to_dict("records")
        path.write_text(json.dumps(records, default=lambda moment: moment.isoformat()))
    else:
        raise StoreError(f"There is no format {format!r}; there are {', '.join(FORMATS)}.")


def import_run(layout: Layout, folder: Path) -> list[str]:
    """Publish what an export holds; returns the runs that are new here. A run that is here already is left.

    Raises StoreError when the folder is no whole export, or a file in it differs from what was written.
    """
    found = sorted((Path(folder) / "bundle").glob("*/*/manifest.json"))
    if not found:
        raise StoreError(f"{folder} is no export with a bundle; export the run again, whole.")
    for manifest in found:
        bundles.read(manifest.parent).verify()
    new = [m.parent.parent.name for m in found if bundles.take(layout, m.parent)]
    store.publish(layout, new)
    return new
