"""People's own SQL: what reads is answered, everything else is one sentence, and nothing gets out."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_statements
import psutil
import pytest

from db import store
from db.errors import ConsoleError
from db.layout import Layout
from db.schema.dissection import unit
from db.sql import console, mistakes, parameters

ENDLESS = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range + b.range = 7.5"


@pytest.fixture
def published(layout: Layout, write_run: Callable[..., Path]) -> Layout:
    write_run()
    store.publish(layout)
    return layout


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT unit, iou FROM unit_label WHERE detector", 2),
        ("FROM unit", 4),
        ("WITH a AS (SELECT 1) FROM a", 1),
        ("DESCRIBE unit", len(unit.c)),
        ("SUMMARIZE unit", len(unit.c)),
        ("EXPLAIN SELECT 1", 1),
        ("VALUES (1), (2);", 2),
        ("SELECT 1 -- ; DROP TABLE unit", 1),
        ("SELECT ';'", 1),
        ("SELECT * FROM unit WHERE false", 0),
        ("PIVOT unit_concept ON concept IN ('tree', 'door') USING max(iou) GROUP BY unit", 4),
    ],
)
def test_what_reads_is_answered(published: Layout, sql: str, rows: int) -> None:
    result = console.run(published, sql)
    assert (len(result.frame), result.truncated) == (rows, False)


def test_show_tables_names_them(published: Layout) -> None:
    assert {"run", "unit_label", "note"} <= set(console.run(published, "SHOW TABLES").frame.name)


def test_columns_of_one_name_and_types_that_pandas_lacks(published: Layout) -> None:
    sql = "SELECT 1 a, 2 a, INTERVAL 3 MONTH i, {'x': 1} s, '101'::BIT b, 99999999999999999999999 h"
    frame = console.run(published, sql).frame
    assert list(frame.columns) == ["a", "a_2", "i", "s", "b", "h"]
    assert frame.a_2[0] == 2


def test_every_type_is_shown(published: Layout) -> None:
    result = console.run(published, "FROM test_all_types()")
    frame = result.frame
    first, second = frame.iloc[0], frame.iloc[1]
    assert second.uhugeint == "340282366920938463463374607431768211455"
    assert (first.date, first.time_tz) == ("5877642-06-25 (BC)", "00:00:00+15:59:59")
    assert second.interval == "83 years 3 months 999 days 00:16:39.999999"
    assert (second.blob, second.bit, second.union) == ("\\x00\\x00\\x00a", "10101", "5")
    assert second.time == "24:00:00"
    assert second.tinyint == 127
    assert second.date_array == "[1970-01-01, infinity, -infinity, NULL, 2022-05-12]"
    assert frame.iloc[2].isna().all()
    for text in (frame.to_json(orient="records", date_format="iso"), frame.to_csv()):
        assert "5877642-06-25 (BC)" in text


def test_decimals_are_numbers_where_those_hold_all_digits(published: Layout) -> None:
    long = "1234567890123.4567"
    sql = f"SELECT 1.005 a, 1.5 * count(*) b, NULL::DECIMAL(9, 2) c, {long}::DECIMAL(38, 4) d FROM range(3)"
    table = console.run(published, sql).table
    assert [str(kind) for kind in table.schema.types] == ["double", "double", "double", "decimal128(38, 4)"]
    row = table.to_pylist()[0]
    assert (row["a"], row["b"], row["c"], str(row["d"])) == (1.005, 4.5, None, long)


def test_sums_stay_numbers_and_dates_stay_dates(published: Layout) -> None:
    sql = "SELECT sum(i) s, DATE '2020-01-02' d, TIMESTAMP '9999-12-31 10:00' t, 1 a, 2 a FROM range(3) t(i)"
    table = console.run(published, sql).table
    assert table.to_pylist()[0]["s"] == 3
    assert str(table.schema.field("s").type) == "int64"
    assert table.column_names == ["s", "d", "t", "a", "a"]
    assert table.column("d")[0].as_py().year == 2020
    assert table.column("t")[0].as_py().year == 9999
    assert console.run(published, "SELECT '\\xFF'::BLOB b", binary=True).table["b"][0].as_py() == b"\xff"


@pytest.mark.parametrize(
    ("limits", "sentence"),
    [
        ({"seconds": float("inf")}, "not inf"),
        ({"seconds": float("nan")}, "not nan"),
        ({"seconds": -1.0}, "not -1"),
        ({"rows": 10**21}, "rows"),
        ({"rows": 0}, "rows"),
    ],
)
def test_limits_that_are_none_are_refused(published: Layout, limits: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConsoleError, match=sentence):
        console.run(published, "SELECT 1", **limits)


def test_only_a_few_statements_run_at_once(published: Layout) -> None:
    running = [threading.Thread(target=_ask, args=(published, ENDLESS)) for _ in range(console.AT_ONCE)]
    for thread in running:
        thread.start()
    time.sleep(0.5)
    with pytest.raises(ConsoleError, match="other statements are running"):
        console.run(published, "SELECT 1", seconds=0.2)
    for thread in running:
        thread.join()
    assert console.run(published, "SELECT 1 a").frame.a.tolist() == [1]


class _LeftError(BaseException):
    """What ends a page's script, which is no Exception in Streamlit either."""


def test_whoever_waits_may_end_a_statement(published: Layout) -> None:
    own = psutil.Process()

    def tick() -> None:
        if seen := [each for each in own.children() if each not in before]:
            children.extend(seen)
            raise _LeftError

    before, children = own.children(), list[psutil.Process]()
    with pytest.raises(_LeftError):
        console.run(published, ENDLESS, tick=tick)
    assert children
    assert not any(each.is_running() for each in children)
    assert console.run(published, "SELECT 1 a").frame.a.tolist() == [1]  # its slot is free again


def _ask(layout: Layout, sql: str) -> None:
    with contextlib.suppress(ConsoleError):
        console.run(layout, sql, seconds=1)


def test_a_huge_result_is_cut_at_once(published: Layout) -> None:
    start = time.monotonic()
    result = console.run(published, "SELECT * FROM range(1000000000)", rows=100)
    assert (len(result.frame), result.truncated) == (100, True)
    assert time.monotonic() - start < 60  # most of it is the child's start on a busy machine


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("SELECT 1; SELECT 2", "One statement at a time"),
        ("", "There is no statement in this text; write one"),
        ("-- nothing", "There is no statement"),
        ("COPY unit TO '/tmp/ganatomy-was-here.csv'", "not COPY"),
        ("EXPLAIN ANALYZE COPY unit TO '/tmp/ganatomy-was-here.csv'", "disabled by configuration"),
        ("ATTACH '/tmp/ganatomy-was-here.duckdb'", "not ATTACH"),
        ("INSTALL httpfs", "not LOAD"),
        ("LOAD httpfs", "not LOAD"),
        ("PRAGMA enable_profiling", "not PRAGMA"),
        ("SET memory_limit = '100GB'", "not SET"),
        ("CALL pragma_version()", "not CALL"),
        ("CREATE TEMP TABLE x AS SELECT 1", "not CREATE"),
        ("DELETE FROM unit", "not DELETE"),
        ("EXPORT DATABASE '/tmp/ganatomy-was-here'", "not EXPORT"),
        ("PREPARE a AS SELECT 1", "not PREPARE"),
        ("SELECT * FROM read_csv('/etc/passwd')", "disabled by configuration"),
        ("SELECT * FROM read_text('/etc/passwd')", "disabled by configuration"),
        ("SELECT * FROM '/etc/passwd'", "disabled by configuration|does not exist"),
        ("SELECT * FROM glob('/etc/*')", "disabled by configuration"),
        ("SELECT * FROM read_csv('https://example.org/x.csv')", "disabled|httpfs|cannot|not"),
        ("SELECT * FROM request", "does not exist"),
        ("SELECT getenv('PATH')", "does not exist"),
        ("PIVOT unit ON layer", "PIVOT runs here only with its values listed"),
        ("SELECT * FROM unitt", "Table with name unitt does not exist! Did you mean"),
        ("SELECT conept FROM unit", 'Candidate bindings: "concept"'),
        ("SELEC 1", 'syntax error at or near "SELEC"'),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000, "depth"),
    ],
)
def test_what_does_not_is_one_sentence(published: Layout, sql: str, sentence: str) -> None:
    with pytest.raises(ConsoleError, match=sentence) as refused:
        console.run(published, sql)
    assert "\n" not in str(refused.value)
    assert not list(Path("/tmp").glob("ganatomy-was-here*"))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT repeat('x', 1000000000) || repeat('y', 1000000000)",
        "SELECT list(i) FROM range(1000000000) t(i)",
        "WITH RECURSIVE r AS (SELECT 1 i UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r",
        "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range + b.range = 7.5",
        "SELECT * FROM range(1000000000) t(i) ORDER BY hash(i)",
    ],
)
def test_time_and_memory_bombs_end(published: Layout, sql: str) -> None:
    start = time.monotonic()
    with pytest.raises(ConsoleError, match=r"took longer|memory"):
        console.run(published, sql, seconds=1, memory_mb=256)
    assert time.monotonic() - start < 60  # most of it is the child's start on a busy machine


@pytest.mark.parametrize("value", ["tree", "'; DROP TABLE unit; --", "getvariable('x')", None, 3])
def test_a_value_is_bound_and_never_read_as_sql(published: Layout, value: parameters.Value) -> None:
    sql = "SELECT :value AS given, ':value' AS text, [1, 2, 3][1:2] AS slice, '5'::INT AS five -- :value"
    row = console.run(published, sql, values={"value": value, "unused": 1}).table.to_pylist()[0]
    assert row == {"given": value, "text": ":value", "slice": [1, 2], "five": 5}


def test_a_parameter_without_a_value_is_said(published: Layout) -> None:
    with pytest.raises(ConsoleError, match="needs a value for :run, :layer"):
        console.run(published, "SELECT * FROM unit WHERE run_id = :run AND layer = :layer", values={"x": 1})


@pytest.mark.parametrize(
    ("sql", "line", "column", "nearest"),
    [
        ("SELECT :run,\n  'é', conept FROM unit", 2, 8, "concept"),
        ("SELECT :run\nFROM unit_lable", 2, 6, "unit_label"),
        ("SELECT unitt.layer FROM unit WHERE run_id = :run", 1, 8, "unit"),
        ("SELECT 1\nWHERE :run = = 1", 2, 14, None),
    ],
)
def test_a_mistake_has_its_place_and_the_nearest_name(
    published: Layout, sql: str, line: int, column: int, nearest: str | None
) -> None:
    with pytest.raises(ConsoleError) as refused:
        console.run(published, sql, values={"run": "run-1"})
    found = mistakes.find(sql, refused.value)
    assert found is not None
    assert (found.line, found.column) == (line, column)
    assert (found.nearest[0] if found.nearest else None) == nearest


def test_a_refusal_has_no_place(published: Layout) -> None:
    with pytest.raises(ConsoleError, match="not DROP") as refused:
        console.run(published, "DROP TABLE unit")
    assert mistakes.find("DROP TABLE unit", refused.value) is None


_LISTED = """
import json, sys
from db.sql import sandbox
connection = sandbox.connect(sys.argv[1], 256, {})
ask = lambda sql: [row[0] for row in connection.sql(sql).fetchall()]
kinds = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN "
tables = ask(kinds + "('table', 'table_macro', 'pragma')")
scalars = ask(kinds + "('scalar', 'macro') AND len(parameters) = 0")
views = ask("SELECT schema_name || '.' || view_name FROM duckdb_views()")
asked = [f'FROM "{name}"({given})' for name in tables for given in ("", "'unit'")]
asked += [f"FROM {name}" for name in views] + [f'SELECT "{name}"()' for name in scalars]
said = {}
for statement in asked:
    try:
        said[statement] = str(connection.sql(f"{statement} LIMIT 10000").fetchall())
    except Exception as error:
        said[statement] = str(error)
locked = dict(connection.sql("SELECT name, value FROM duckdb_settings()").fetchall())
print(json.dumps({"said": said, "locked": locked}))
"""


def test_what_tells_about_the_machine_is_refused(published: Layout) -> None:
    """Every table function, view and plain function of this DuckDB is asked; those that tell are not run."""
    path = str(store.open(published).version.absolute())
    program = [sys.executable, "-c", _LISTED, path]
    listed = json.loads(subprocess.run(program, check=True, capture_output=True, text=True).stdout)
    assert listed["locked"]["enable_external_access"] == "false"
    assert listed["locked"]["lock_configuration"] == "true"
    assert listed["locked"]["threads"] == "1"
    secrets = (str(published.root.absolute()), str(Path.home()), os.environ["PATH"])
    telling = [asked for asked, said in listed["said"].items() if any(each in said for each in secrets)]
    assert len(listed["said"]) > 250
    assert telling
    for statement in telling:
        with pytest.raises(ConsoleError, match="tells about this machine"):
            console.run(published, statement)


@pytest.mark.slow
@pytest.mark.parametrize("kind", hostile_statements.ALL)
def test_no_hostile_statement_gets_anything(published: Layout, kind: str) -> None:
    before = console.run(published, "SELECT * FROM unit").frame
    secrets = (str(published.root.absolute()), str(Path.home()), os.environ["PATH"], "root:")
    for statement in hostile_statements.ALL[kind]:
        with pytest.raises(ConsoleError) as refused:
            console.run(published, statement, seconds=2, memory_mb=256)
        assert "\n" not in str(refused.value)
        assert not any(each in str(refused.value) for each in secrets)
    assert not list(Path("/tmp").glob("ganatomy-was-here*"))
    assert console.run(published, "SELECT * FROM unit").frame.equals(before)


def test_names_within_texts_do_not_stand_in_the_way(published: Layout) -> None:
    found = console.run(published, "SELECT 'my query' AS query, 'a (b)' AS settings").frame
    assert found["query"].tolist() == ["my query"]
