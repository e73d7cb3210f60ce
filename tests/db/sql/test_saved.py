"""Saved queries: every version stays, with who saved it and how it is shown; older workspaces keep theirs."""

import threading

import pytest
import sqlalchemy as sa

from db import store, workspace
from db.errors import StoreError
from db.layout import Layout
from db.permissions import Person
from db.sql import saved


def test_saving_again_is_a_version_and_no_text_is_lost(layout: Layout) -> None:
    saved.save(layout, Person("ada"), "units", "SELECT 1", "one", "a, b", {"chart": "bar", "p.run": "r&1"})
    again = saved.save(layout, Person("bob"), " units ", "SELECT 2")
    assert (again.version, again.author, again.owner, again.settings) == (2, "bob", "ada", {})
    assert [each.sql for each in saved.versions(layout, "units")] == ["SELECT 1", "SELECT 2"]
    first = saved.get(layout, "units", 1)
    assert (first.tags, first.description, first.removed) == (("a", "b"), "one", False)
    assert first.settings == {"chart": "bar", "p.run": "r&1"}
    back = saved.save_again(layout, Person("ada"), first)
    assert (back.version, back.sql, back.tags, back.settings) == (3, "SELECT 1", first.tags, first.settings)
    assert saved.get(layout, "units") == saved.newest(layout)["units"] == back


def test_a_removed_query_can_be_brought_back(layout: Layout) -> None:
    query = saved.save(layout, Person("ada"), "units", "SELECT 1")
    saved.save(layout, Person("ada"), "other", "SELECT 2")
    saved.save_again(layout, Person("bob"), query, removed=True)
    assert list(saved.newest(layout)) == ["other"]
    assert saved.get(layout, "units", 1).sql == "SELECT 1"
    saved.save_again(layout, Person("ada"), saved.get(layout, "units", 1))
    assert list(saved.newest(layout)) == ["units", "other"]


def test_what_is_not_there_is_a_sentence(layout: Layout) -> None:
    with pytest.raises(StoreError, match="There is no saved query nothing"):
        saved.get(layout, "nothing")
    saved.save(layout, Person("ada"), "units", "SELECT 1")
    with pytest.raises(StoreError, match="units has no version 7; it has 1"):
        saved.get(layout, "units", 7)
    with pytest.raises(StoreError, match="A worked question is called best-units"):
        saved.save(layout, Person("ada"), "best-units", "SELECT 1")
    with pytest.raises(StoreError, match="needs a name and a statement"):
        saved.save(layout, Person("ada"), "  ", "SELECT 1")


def test_values_are_of_the_worked_question_that_a_query_began_as(layout: Layout) -> None:
    settings = {"question": "artifact-units", "p.most": "5", "p.run": "r", "p.gone": "x"}
    query = saved.save(
        layout, Person("ada"), "worst", "SELECT * FROM t WHERE a = :run AND b < :most", "", "", settings
    )
    assert query.values() == {"run": "r", "most": 5.0}
    assert query.values({"p.run": "other"}) == {"run": "other"}
    assert query.values({"p.run": "", "p.most": ""}) == {}  # it was saved before it had run


def test_people_who_save_at_once_get_versions_of_their_own(layout: Layout) -> None:
    workspace.open(layout)
    write = [
        threading.Thread(target=saved.save, args=(layout, Person(str(n)), "units", f"SELECT {n}"))
        for n in range(5)
    ]
    for thread in write:
        thread.start()
    for thread in write:
        thread.join()
    assert [each.version for each in saved.versions(layout, "units")] == [1, 2, 3, 4, 5]


def test_queries_of_an_older_workspace_are_their_first_versions(layout: Layout) -> None:
    workspace._upgrade(layout, sa.create_engine(f"sqlite:///{layout.workspace}"), "0004")
    insert = (
        "INSERT INTO saved_query (name, sql, description, author, created_at, updated_at) "
        "VALUES ('old', 'SELECT 1', 'what', 'ada', '2025-01-02 03:04:05', '2025-01-02 03:04:05')"
    )
    with sa.create_engine(f"sqlite:///{layout.workspace}").begin() as connection:
        connection.exec_driver_sql(insert)
    (old,) = saved.versions(layout)
    assert (old.name, old.version, old.sql, old.owner, old.removed) == ("old", 1, "SELECT 1", "ada", False)
    assert str(old.saved_at) == "2025-01-02 03:04:05"
    assert saved.save(layout, Person("bob"), "old", "SELECT 2").version == 2
    store.publish(layout)
    found = store.open(layout).read(sa.text("SELECT version FROM saved_query ORDER BY id"))
    assert found["version"].tolist() == [1, 2]
