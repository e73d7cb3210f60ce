"""SQL: worked questions and own statements over the store, in a sandbox. What is asked is in the address."""

import streamlit as st

from analysis.shared.errors import GanatomyError
from dashboard.team import boards
from dashboard.widgets import page, url, words
from dashboard.workbench import editor, history, inputs, results, saved_queries, schema, statements
from db.errors import ConsoleError
from db.queries import tables
from db.schema import dictionary
from db.sql import mistakes, parameters
from db.store import Snapshot


def vocabulary(snapshot: Snapshot) -> list[str]:
    """What the editor completes: tables, columns and the concepts of the store."""
    found = dictionary.tables()
    columns = {column.name for table in found.values() for column in table.columns}
    return [*found, *sorted(columns - set(found)), *tables.concepts(snapshot)["concept"].astype(str)]


def wrong(statement: str, error: ConsoleError) -> None:
    """Draw the sentence of an error, with its place and the names that may have been wanted."""
    found = mistakes.find(statement, error)
    page.say(GanatomyError(mistakes.sentence(statement, error)))
    if found and found.nearest:
        named = ", ".join(f"`{name}`" for name in found.nearest)
        st.caption(f"The nearest names in the store: {named}")


def answer(snapshot: Snapshot, asked: statements.Key, values: dict[str, parameters.Value]) -> None:
    """Run a statement and draw its answer, or what is wrong with it."""
    statement, rows = asked[1:3]
    known = statements.error(asked)
    try:
        result = statements.run(snapshot, asked)
    except ConsoleError as error:
        if error.position is not None and not known:
            st.rerun()  # the editor, which stands above, underlines the place
        history.add(statement, values, None)
        wrong(statement, error)
        return
    if result is None:
        return
    history.add(statement, values, result)
    limits = {"rows": rows, "seconds": statements.SECONDS, "memory_mb": statements.MEMORY_MB}
    results.draw(snapshot, statement, values, result, limits)


with page.frame(
    "SQL", "Ask the store: pick a question, change it, or write your own statement. Statements can only read."
) as snapshot:
    left, right = st.columns([2, 1], gap="large")
    with right:
        with page.sentences():
            schema.draw(snapshot)
            saved_queries.listed()
        past = st.container()
    with left, page.sentences():
        above, place = st.container(), st.container()  # the editor stays where it is, whatever is above it
        with above:
            query = saved_queries.opened()
            asked = inputs.question()
            usual = asked.statement if asked and not query else ""
            statement = url.get("q", usual)
            if query:
                saved_queries.about(query, statement)
            elif asked:
                st.caption(
                    asked.answer if statement == usual else "You have changed this question's statement."
                )
            values = inputs.values(snapshot, statement, asked)
        part = editor.part(statement)
        run = part or statement
        with st.container(horizontal=True, vertical_alignment="bottom", key="below-editor"):
            rows = url.choice(
                st.selectbox,
                "Rows at most",
                "rows",
                statements.ROWS,
                sparse=True,
                reset=("page",),
                width=140,
                format_func="{:,}".format,
            )
            with page.sentences():
                written = editor.written(statement)
                saved_queries.save(written, query)
                boards.pin(query, written)
        key = statements.key(snapshot, run, rows, values)
        error = None if part else statements.error(key)
        with place:
            editor.draw(statement, usual, vocabulary(snapshot), error.position if error else None)
        with page.sentences():
            if run.strip():
                answer(snapshot, key, values)
            else:
                st.info("Write a statement, and press Ctrl+Enter.", icon=":material/lightbulb:")
        if part:
            st.caption(f"Only the selected part was run: {words.plain(part[:80])}")
    with past, page.sentences():
        history.draw()
