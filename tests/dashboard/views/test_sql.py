"""SQL: a statement in the address, its answer, and the schema."""

from collections.abc import Callable

from pages import Page


def test_an_empty_store_answers_with_no_rows(empty: Callable[..., Page]) -> None:
    assert "0 rows" in empty("sql").text


def test_an_example_is_answered(full: Callable[..., Page]) -> None:
    page = full("sql")
    assert "10 rows" in page.text
    page.click("Named units per layer")
    assert "4 rows" in page.text
    assert "layer_summary" in page.address["q"]


def test_a_table_is_described(full: Callable[..., Page]) -> None:
    page = full("sql").choose("Tables and views", "run")
    assert page.address["table"] == "run"
    assert "run_id" in page.test.table[0].value.index


def test_a_wrong_statement_gives_a_sentence(full: Callable[..., Page]) -> None:
    page = full("sql", q="DROP TABLE run", table="?")
    assert len(page.errors) == 1
    assert not page.test.dataframe
