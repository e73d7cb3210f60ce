"""The Python read API: three lines from a store to a data frame.

>>> from db import open_store
>>> store = open_store("store")
>>> units = store.frame("unit_label", run_id="run-1", layer="layer1")
>>> len(units)
4
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from db import store
from db.errors import StoreError
from db.layout import Layout
from db.schema import dictionary
from db.sql import console, parameters
from db.store.bundles import Bundle


@dataclass(frozen=True)
class Reader:
    """One store, read-only; each question is answered from what is published at that moment."""

    layout: Layout

    def frame(self, table: str, **where: Any) -> pd.DataFrame:
        """The rows of a table or view, those whose columns have the given values."""
        found = next((k[table] for k in dictionary.kinds().values() if table in k), None)
        if found is None:
            names = ", ".join(name for kind in dictionary.kinds().values() for name in kind)
            raise StoreError(f"There is no table {table!r}; there are {names}.")
        unknown = sorted(set(where) - set(found.c.keys()))
        if unknown:
            raise StoreError(
                f"Table {table} has no column {unknown[0]!r}; it has {', '.join(found.c.keys())}."
            )
        wanted = [found.c[name] == value for name, value in where.items()]
        return store.open(self.layout).read(sa.select(found).where(*wanted))

    def sql(
        self,
        statement: str,
        rows: int = 1_000_000,
        values: Mapping[str, parameters.Value] | None = None,
    ) -> pd.DataFrame:
        """The answer to one reading statement, from the sandboxed child process.

        `values` has those of its parameters, such as `:run`.
        """
        return console.run(self.layout, statement, rows=rows, seconds=120.0, values=values).frame

    def runs(self) -> pd.DataFrame:
        """Every published run with its provenance."""
        return self.frame("run")

    def bundle(self, run_id: str) -> Bundle:
        """The run's bundle: tables, arrays (joint histograms, pictures) and files."""
        return store.open(self.layout).bundle(run_id)


def open_store(root: Path | str) -> Reader:
    """Raises StoreError when there is no store in the folder."""
    layout = Layout(Path(root))
    store.open(layout)
    return Reader(layout)
