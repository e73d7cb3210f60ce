"""What a dashboard process does before it serves: imports, and the questions of the first page."""

import logging
import pkgutil
import threading
from importlib import import_module
from pathlib import Path

from dashboard import charts, comparison, models, share, team, widgets
from dashboard.widgets import pickers
from db import store
from db.errors import StoreError
from db.layout import Layout
from db.queries import compare, runs
from db.queries import concepts as concept_queries

log = logging.getLogger(__name__)


def prepare(root: Path) -> None:
    """Import every part of the pages, and let the first page's questions be answered in a thread."""
    for package in (charts, comparison, models, share, team, widgets):
        for module in pkgutil.iter_modules(package.__path__):
            import_module(f"{package.__name__}.{module.name}")
    threading.Thread(target=ask, args=(Layout(root),), name="preparation", daemon=True).start()


def ask(layout: Layout) -> None:
    """Ask what the first pages ask, of a store that is there; what goes wrong, a page will say."""
    try:
        snapshot = store.open(layout, make=False)
        found = runs.runs(snapshot, "dissection")
        compare.dissections(snapshot)
        if len(found):
            newest = str(pickers.newest(found)["run_id"])
            runs.showpieces(snapshot, newest)
            concept_queries.concepts(snapshot, newest)
    except StoreError as error:
        log.info("Nothing is prepared: %s", error)
