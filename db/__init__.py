"""The one place with SQL and with the store's layout.

>>> from db import open_store
>>> store = open_store("store")
>>> units = store.frame("unit_label")
>>> len(units)
4
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from db.reader import Reader as Reader
    from db.reader import open_store as open_store

__all__ = ["Reader", "open_store"]


def __getattr__(name: str) -> Any:
    """Loaded when asked for, so that the parts of `db` stay quick to import."""
    if name in __all__:
        from db import reader

        return getattr(reader, name)
    raise AttributeError(f"module 'db' has no attribute {name!r}")
