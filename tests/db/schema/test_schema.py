"""Every table, view and column is described, and the description reaches the file and docs/schema.md."""

from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from db import store
from db.layout import Layout
from db.schema import dictionary, views
from db.schema.ddl import statements

DESIGN = {
    *("run", "generator", "segmenter", "concept", "layer", "unit", "unit_concept", "unit_image"),
    *("ace_unit", "ace_curve", "insertion_context", "artifact_unit", "artifact_effect", "render"),
    *("unit_label", "layer_summary", "run_comparison"),
}
EVERY = [table for tables in dictionary.kinds().values() for table in tables.values()]


@pytest.mark.parametrize("table", EVERY, ids=lambda table: table.name)
def test_table_and_columns_are_described(table: sa.Table) -> None:
    undescribed = [c.name for c in table.columns if not c.comment or not c.comment.endswith(".")]
    assert table.comment
    assert undescribed == []


def test_the_names_of_the_design_are_there() -> None:
    assert {table.name for table in EVERY} >= DESIGN


def test_docs_schema_is_up_to_date() -> None:
    path = Path(__file__).parents[3] / "docs" / "schema.md"
    assert path.read_text() == dictionary.markdown(), "run `python -m db.schema > docs/schema.md`"


def test_the_file_says_what_its_columns_hold(layout: Layout) -> None:
    with duckdb.connect(str(store.publish(layout)), read_only=True) as plain:
        rows = plain.sql(
            "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
    about = dictionary.describe()
    assert set(rows) >= set(zip(about.table, about.column, about.description, strict=True))


def test_views_have_the_columns_that_they_describe() -> None:
    for name, select in views.definitions.items():
        assert [c.name for c in select.selected_columns] == list(views.metadata.tables[name].c.keys())


def test_statements_are_whole_every_time() -> None:
    assert statements() == statements()
    assert sum(s.startswith("CREATE") for s in statements()) == len(EVERY)
