"""Models: list, add, change and remove generators and segmenters."""

import streamlit as st

from dashboard.models import addition, details, shelf
from dashboard.widgets import page, url, words
from dashboard.widgets.rows import rows
from db.queries import runs as queries
from db.store import Snapshot


def runs_of(snapshot: Snapshot) -> shelf.Runs:
    """The runs that name each model by role and name, newest first: id and kind."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for row in rows(queries.naming_models(snapshot)):
        runs = found.setdefault((str(row["role"]), str(row["name"])), [])
        runs.append((str(row["run_id"]), str(row["kind"])))
    return found


with page.frame(
    "Models", "The generators and segmenters of this store: what is known of each, and how to add your own."
) as snapshot:
    if page.read_only():
        st.info(words.plain(page.look_only()))
    else:
        addition.ask()
    runs = runs_of(snapshot)
    if url.get("model"):
        with st.container(border=True, key="model"), page.sentences():
            details.draw(url.get("of", "generator"), url.get("model"), runs)
    shelf.everything(runs)
    details.removed()
