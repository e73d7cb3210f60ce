"""Formatting changes the layout of a statement and nothing else."""

import re
import shutil

import pandas as pd
import pytest
from full_store import unpacked

from db import store
from db.errors import ConsoleError
from db.sql import parameters, questions, sandbox
from db.sql.pretty import WIDTH, pretty

LONG = "SELECT " + ", ".join(f"round(unit_{n:02}, 3)" for n in range(30)) + " FROM t"
BEFORE = """with a as (select 1 as end, "from".x from t), -- the first
b as (select 2 union all select 3)
select a.*,l[1:2],{'k': 1}, j->>'$.x', 5>>1, $$it's; $$ from a left outer join b using(x)
-- why
where x is distinct from :run and n between 1 and 2 /* both */ and exists(select 1)
order by case when a and b then 1 else 2 end desc;"""
AFTER = """WITH a AS (
  SELECT 1 AS end, "from".x
  FROM t
), -- the first
b AS (
  SELECT 2
  UNION ALL
  SELECT 3
)
SELECT a.*, l[1:2], {'k': 1}, j->>'$.x', 5>>1, $$it's; $$
FROM a
LEFT OUTER JOIN b USING(x)
-- why
WHERE x IS DISTINCT FROM :run AND n BETWEEN 1 AND 2 /* both */ AND EXISTS(
  SELECT 1
)
ORDER BY CASE WHEN a AND b THEN 1 ELSE 2 END DESC;"""


def words(sql: str) -> str:
    """The text without blanks, in small letters."""
    return re.sub(r"\s", "", sql).lower()


def test_a_statement_is_laid_out() -> None:
    assert pretty(BEFORE) == AFTER


@pytest.mark.parametrize(
    "sql", [BEFORE, LONG, "", "FROM unit", "EXPLAIN SELECT 1", "SELEC 1", "SELECT 'a''b'"]
)
def test_formatting_again_changes_nothing(sql: str) -> None:
    found = pretty(sql)
    assert pretty(found) == found
    assert words(found) == words(sql)
    assert max(map(len, found.split("\n"))) <= WIDTH


@pytest.mark.parametrize(
    ("sql", "half"), [("SELECT (1", "("), ("SELECT 1)", ")"), ("SELECT 'a", "'"), ("[1)", "[")]
)
def test_what_has_no_other_half_stays_as_it_is(sql: str, half: str) -> None:
    with pytest.raises(ConsoleError, match="the text stays as it is") as said:
        pretty(sql)
    assert f"has a {half} without" in str(said.value)


def test_every_question_has_the_same_answer_when_it_is_formatted(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    snapshot = store.open(unpacked(tmp_path_factory.mktemp("formatted")))
    path = shutil.copy(snapshot.version, tmp_path_factory.mktemp("copy") / "version.duckdb")
    for question in questions.QUESTIONS.values():
        values = questions.defaults(snapshot, question)
        connection = sandbox.connect(str(path), 1024, values)
        found = pretty(question.statement)
        assert pretty(found) == found
        frames = [
            connection.sql(parameters.bound(sql, values).sql).df() for sql in (question.statement, found)
        ]
        connection.close()
        pd.testing.assert_frame_equal(*frames)
