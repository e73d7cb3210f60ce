"""The store: bundles, the published versions of the DuckDB file, and how one becomes the other.

>>> from pathlib import Path
>>> from db import store
>>> from db.layout import Layout
>>> layout = Layout(Path("store"))
>>> version = store.publish(layout, ["run-1"])
>>> snapshot = store.open(layout)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from db.store.publication import WAIT_S as WAIT_S
    from db.store.publication import open as open
    from db.store.publication import publish as publish
    from db.store.publication import rebuild as rebuild
    from db.store.snapshot import Snapshot as Snapshot

__all__ = ["WAIT_S", "Snapshot", "open", "publish", "rebuild"]


def __getattr__(name: str) -> Any:
    """Loaded when asked for: publishing brings pandas and DuckDB."""
    if name in __all__:
        from db.store import publication

        return getattr(publication, name)
    raise AttributeError(f"module 'db.store' has no attribute {name!r}")
