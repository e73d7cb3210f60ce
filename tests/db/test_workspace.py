"""What people write: kept with author and time, changed, removed, upgraded with its data."""

import subprocess
import sys
import threading
import time

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from db import store, workspace
from db.errors import NotAllowedError, StoreError
from db.layout import Layout
from db.permissions import Person
from db.schema import workspace as workspace_schema
from db.sql import console
from db.times import utc_now


def test_a_note_is_kept_with_author_and_time(layout: Layout) -> None:
    space = workspace.open(layout)
    number = space.add("note", "ada", run_id="r", layer="layer1", unit=3, text="left side only")
    space.add("note", "bob", run_id="other", text="x")
    row = workspace.open(layout).rows("note", run_id="r").iloc[0]
    assert (row.author, row.unit, row.text, row.id) == ("ada", 3, "left side only", number)
    assert row.created_at == row.updated_at
    space.change("note", number, text="both sides")
    row = space.rows("note", id=number).iloc[0]
    assert row.text == "both sides"
    assert row.updated_at > row.created_at
    space.remove("note", number)
    assert len(space.rows("note", run_id="r")) == 0
    with pytest.raises(StoreError, match=f"no note {number} any more"):
        space.change("note", number, text="gone")


@pytest.mark.parametrize("table", ["saved_view", "model"])
def test_a_name_is_there_once(layout: Layout, table: str) -> None:
    space = workspace.open(layout)
    space.add(table, "ada", name="mine")
    space.add(table, "bob", name="mine")
    assert space.rows(table).author.tolist() == ["bob"]


def test_rows_about_nothing_in_particular(layout: Layout) -> None:
    space = workspace.open(layout)
    space.add("tag", "ada", run_id="r", tag="whole run")
    space.add("tag", "ada", run_id="r", layer="layer1", unit=0, tag="one unit")
    assert space.rows("tag", run_id="r", layer=None).tag.tolist() == ["whole run"]


def test_many_write_at_once(layout: Layout) -> None:
    def write(author: int) -> None:
        space = workspace.open(layout)
        for number in range(5):
            space.add("mark", str(author), mark=f"{number}")

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(workspace.open(layout).rows("mark")) == 20


def test_every_older_workspace_is_upgraded_with_its_data(layout: Layout) -> None:
    engine = sa.create_engine(f"sqlite:///{layout.workspace}")
    workspace._upgrade(layout, engine, "0001")
    insert = "INSERT INTO note (text, author, created_at) VALUES ('old', 'ada', '2025-01-02 03:04:05')"
    with engine.begin() as connection:
        connection.exec_driver_sql(insert)
    space = workspace.open(layout)
    row = space.rows("note").iloc[0]
    assert (row.text, row.author, str(row.created_at)) == ("old", "ada", "2025-01-02 03:04:05")
    space.add("model", "ada", name="mine", role="generator")


def test_migrations_make_the_schema(layout: Layout) -> None:
    space = workspace.open(layout)
    found = sa.inspect(space.engine)
    for table in workspace_schema.metadata.sorted_tables:
        assert {c["name"] for c in found.get_columns(table.name)} == set(table.c.keys())
    config = Config()
    config.set_main_option("script_location", "db:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == workspace_schema.REVISION


def test_a_workspace_of_a_newer_program(layout: Layout) -> None:
    space = workspace.open(layout)
    with space.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="written by a newer Ganatomy; update this one"):
        workspace.open(layout)


def test_a_damaged_workspace_is_one_sentence(layout: Layout) -> None:
    layout.workspace.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match=r"workspace .* cannot be used .*ganatomy store restore"):
        workspace.open(layout)


def test_a_column_that_is_not_there(layout: Layout) -> None:
    with pytest.raises(StoreError, match="A note has no 'nix'"):
        workspace.open(layout).add("note", "ada", nix=1)


def test_a_locked_workspace_is_a_sentence_within_three_seconds(layout: Layout) -> None:
    space = workspace.open(layout)
    hold = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN EXCLUSIVE'); "
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(layout.workspace)]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for write in (
            lambda: space.add("note", author="ada", text="hair"),
            lambda: workspace.open(layout).rows("note"),
        ):
            began = time.monotonic()
            with pytest.raises(StoreError, match="Another program has been writing to the workspace"):
                write()
            assert time.monotonic() - began < 3
        began = time.monotonic()
        store.publish(layout)  # a commit goes on without what people wrote
        assert time.monotonic() - began < 5
    finally:
        holder.kill()
        holder.wait()


def test_a_search_takes_every_character_as_it_is(layout: Layout) -> None:
    space = workspace.open(layout)
    space.add("note", "ada", run_id="r", layer=None, unit=None, text="100 % of DOMES_here")
    space.add("note", "bob", run_id="r", layer=None, unit=None, text="nothing")
    for text in ("100 %", "domes_", "ADA"):
        assert space.containing("note", text, ("text", "author"))["author"].tolist() == ["ada"]
    for text in ("100_%", "domes%", "'"):
        assert space.containing("note", text, ("text", "author")).empty
    assert space.containing("note", "n", ("author", "text"))["author"].tolist() == ["bob"]


BOB = Person("bob", "member", "login")


def audited(layout: Layout) -> list[tuple[str, str, str, str, bool]]:
    found = workspace.open(layout).audit()
    columns = (found[name] for name in ("who", "action", "kind", "owner", "refused"))
    return [*zip(*columns, strict=True)][::-1]


def test_each_change_is_in_the_audit_with_who_made_it(layout: Layout) -> None:
    space = workspace.open(layout, BOB)
    number = space.add("note", "bob", run_id="r", text="left side only")
    space.change("note", number, text="both sides")
    space.remove("note", number)
    space.remove("note", number)  # gone already, so nothing was done
    assert [row[1] for row in audited(layout)] == ["write", "change", "remove"]
    found = space.audit(who="bob", limit=2)
    assert found["detail"].tolist() == ["both sides", "both sides"]
    assert (found["thing"] == "r").all()
    assert len(space.audit(since=utc_now())) == len(space.audit(who="ada")) == 0


def test_a_member_changes_only_the_own_rows(layout: Layout) -> None:
    admin, member = workspace.open(layout), workspace.open(layout, BOB)
    number = admin.add("note", "ada", text="hers")
    for refused in (
        lambda: member.change("note", number, text="x"),
        lambda: member.remove("note", number),
        lambda: member.add("note", "ada", text="in another name"),
    ):
        with pytest.raises(NotAllowedError, match=r"belongs to ada; only its owner or an admin can"):
            refused()
    assert admin.rows("note")["text"].tolist() == ["hers"]
    told = [("bob", action, "note", "ada", True) for action in ("change", "remove", "write")]
    assert audited(layout)[1:] == told
    with pytest.raises(NotAllowedError, match="A viewer cannot write a note"):
        workspace.open(layout, Person("eve", "viewer", "login")).add("note", "eve", text="x")


@pytest.mark.parametrize("table", ["saved_view", "model", "saved_query"])
def test_a_member_takes_nobodys_name(layout: Layout, table: str) -> None:
    workspace.open(layout).add(table, "ada", name="mine")
    with pytest.raises(NotAllowedError, match="belongs to ada"):
        workspace.open(layout, BOB).add(table, "bob", name="mine")
    workspace.open(layout, BOB).add(table, "bob", name="other")
    assert workspace.open(layout).rows(table)["author"].tolist() == ["ada", "bob"]


def test_rows_change_together_or_not_at_all(layout: Layout) -> None:
    space, member = workspace.open(layout), workspace.open(layout, BOB)
    hers, own = (space.add("board_entry", who, board="b", place=n) for n, who in enumerate(("ada", "bob")))
    with pytest.raises(NotAllowedError, match="belongs to ada"):
        member.change_all("board_entry", {own: {"board": "c"}, hers: {"board": "c"}})
    assert set(space.rows("board_entry")["board"]) == {"b"}
    member.arrange("board_entry", {own: 0, hers: 1}, moved=own)
    assert space.rows("board_entry")["place"].tolist() == [1, 0]


@pytest.mark.parametrize("change", ["UPDATE audit SET who = 'nobody'", "DELETE FROM audit"])
def test_rows_of_the_audit_stay_as_they_are(layout: Layout, change: str) -> None:
    space = workspace.open(layout)
    space.add("note", "ada", text="hair")
    with pytest.raises(sa.exc.IntegrityError, match="stay as they are"), space.engine.begin() as connection:
        connection.exec_driver_sql(change)
    assert audited(layout) == [(space.person.name, "write", "note", "ada", False)]


def test_the_audit_is_not_joined_with_the_results(layout: Layout) -> None:
    workspace.open(layout).add("note", "ada", text="hair")
    store.publish(layout)
    assert "audit" not in workspace_schema.joined.tables
    with pytest.raises(StoreError, match="audit"):
        console.run(layout, "SELECT * FROM audit")
