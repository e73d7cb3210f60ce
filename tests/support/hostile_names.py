"""A store whose names are Markdown, HTML, formulas, icons and addresses, as an imported run may have them."""

import duckdb

from db.layout import Layout
from db.store import publication

MARKUP = (
    "![i](http://127.0.0.1:9/img.png) [click](http://127.0.0.1:9/x) **bold** `code` <img src=x "
    "onerror=window.__pwn=1> $x^2$ :red[red] :material/home: :warning: http://127.0.0.1:9/auto "
    "www.evil.example a@evil.example p -> q"
)
# What each column's text is followed by; other columns hold identifiers that pages look up.
COLUMNS = (
    "generator",
    "segmenter",
    "concept",
    "category",
    "trained_on",
    "training",
    "extractor",
    "reference",
)
COLUMNS += ("context", "affected", "composition", "likely_names", "starts", "penalty")
COLUMNS += ("insert_kind", "title")
# Markdown that must not be in what a page hands to the browser.
RAW = ("[i](http", "[click](http", "**bold**", "`code`", " $x^2$", ":red[", ":material/home:", ":warning:")
RAW += ("http://127.0.0.1:9/auto", "www.evil", "a@evil", "p -> q", " <img")


def make_hostile(layout: Layout, more: tuple[str, ...] = ()) -> None:
    """Put markup behind every name of the published version, in its columns and in `more` columns."""
    publication.rebuild(layout)
    version = layout.current.resolve()
    version.chmod(0o644)
    with duckdb.connect(str(version)) as connection:
        found = connection.execute(
            "SELECT c.table_name, c.column_name FROM duckdb_columns() c JOIN duckdb_tables() t "
            "USING (table_name) WHERE c.data_type = 'VARCHAR' AND NOT c.internal"
        ).fetchall()
        for table, column in found:
            if column not in (*COLUMNS, *more):
                continue
            filled = (
                "coalesce({0}, 'new')" if column in ("composition", "likely_names", "trained_on") else "{0}"
            )
            old = filled.format(f'"{column}"')
            connection.execute(
                f'UPDATE "{table}" SET "{column}" = CASE WHEN {old} IN (\'\') THEN {old} ELSE {old} || ? END',
                [f" {MARKUP}"],
            )
        connection.execute("CHECKPOINT")
