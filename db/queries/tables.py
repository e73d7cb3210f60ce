"""What the SQL page asks: what is in a table, which concepts there are, and which page shows a run."""

import pandas as pd
import sqlalchemy as sa

from db.queries.answers import remembered
from db.schema import dictionary, views
from db.schema.base import concept, layer, run
from db.store import Snapshot

ROWS = "#rows"  # the number of rows in `contents`; no column has such a name


@remembered
def contents(snapshot: Snapshot, name: str) -> pd.DataFrame:
    """One row: a value of each column of a table or view (NULL where it has none), and the number of rows."""
    table = dictionary.tables()[name]
    values = [sa.func.any_value(column).label(column.name) for column in table.columns]
    return snapshot.read(sa.select(sa.func.count().label(ROWS), *values).select_from(table))


@remembered
def sizes(snapshot: Snapshot) -> pd.DataFrame:
    """table, rows and bytes of every table: those of the blocks of the file that hold it."""
    held = {name for kind, found in dictionary.kinds().items() if kind != "views" for name in found}
    parts = [
        f"""SELECT '{name}' AS "table", (SELECT count(*) FROM "{name}") AS rows,
            (SELECT count(DISTINCT block) FROM (
                SELECT block_id AS block FROM pragma_storage_info('{name}') WHERE block_id >= 0
                UNION ALL SELECT unnest(additional_block_ids) FROM pragma_storage_info('{name}')
            )) * (SELECT block_size FROM pragma_database_size()) AS bytes"""
        for name in sorted(held | set(views.kept))
    ]
    return snapshot.read(sa.text(" UNION ALL ".join(parts)))


@remembered
def concepts(snapshot: Snapshot) -> pd.DataFrame:
    """The concepts of all runs, by name."""
    return snapshot.read(sa.select(concept.c.concept).distinct().order_by(concept.c.concept))


@remembered
def runs(snapshot: Snapshot) -> pd.DataFrame:
    """run_id, kind, and the dissection that a run is or stands on, by which its units are known."""
    parent = sa.func.coalesce(run.c.parent_run_id, run.c.run_id).label("dissection")
    return snapshot.read(sa.select(run.c.run_id, run.c.kind, parent))


@remembered
def layers(snapshot: Snapshot) -> pd.DataFrame:
    """run_id, layer and the number of units of every layer."""
    return snapshot.read(sa.select(layer.c.run_id, layer.c.layer, layer.c.units))
