"""People's own SQL: what reads is answered, everything else is one sentence, and nothing gets out."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from db import store
from db.errors import ConsoleError
from db.layout import Layout
from db.sql import console


@pytest.fixture
def published(layout: Layout, write_run: Callable[..., Path]) -> Layout:
    write_run()
    store.publish(layout)
    return layout


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT unit, iou FROM unit_label WHERE named", 3),
        ("FROM unit", 4),
        ("WITH a AS (SELECT 1) FROM a", 1),
        ("DESCRIBE unit", 8),
        ("SUMMARIZE unit", 8),
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


def test_a_huge_result_is_cut_at_once(published: Layout) -> None:
    start = time.monotonic()
    result = console.run(published, "SELECT * FROM range(1000000000)", rows=100)
    assert (len(result.frame), result.truncated) == (100, True)
    assert time.monotonic() - start < 60  # most of it is the child's start on a busy machine


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("SELECT 1; SELECT 2", "One statement at a time"),
        ("", "One statement at a time"),
        ("-- nothing", "One statement at a time"),
        ("COPY unit TO '/tmp/ganatomy-was-here.csv'", "not COPY"),
        ("EXPLAIN ANALYZE COPY unit TO '/tmp/ganatomy-was-here.csv'", "disabled by configuration"),
        ("ATTACH '/tmp/ganatomy-was-here.duckdb'", "not ATTACH"),
        ("INSTALL httpfs", "not LOAD"),
        ("LOAD httpfs", "not LOAD"),
        ("PRAGMA database_list", "not PRAGMA"),
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


def test_the_child_sees_nothing_of_this_environment(
    published: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/ganatomy-secret")
    monkeypatch.setenv("PYTHONPATH", "/ganatomy-secret")
    settings = console.run(published, "SELECT name, value FROM duckdb_settings()").frame
    assert not settings.value.astype(str).str.contains("ganatomy-secret").any()
    locked = settings.set_index("name").value
    assert locked["enable_external_access"] == "false"
    assert locked["lock_configuration"] == "true"
    assert locked["threads"] == "1"
