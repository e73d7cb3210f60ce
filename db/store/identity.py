"""Whether bundles/ is this store's own: a marker in it holds the store's id.

Where bundles/ is a disk of its own that is not mounted, an empty folder is in its place. Nothing may be
written there.
"""

import uuid
from pathlib import Path

from db.errors import StoreError
from db.layout import Layout
from db.store import files


def check(layout: Layout) -> None:
    """Raises StoreError when bundles/ lacks the marker of this store, or has that of another one."""
    known, found = _read(layout.identity), _read(layout.marker)
    if known is None or found == known:
        return
    if found is None:
        raise StoreError(
            f"{layout.bundles} is not this store's folder of bundles: its marker is missing. Is its disk "
            "mounted? Nothing was written. If it is the right folder, run `ganatomy store salvage --all`: it "
            "accepts the folder and writes a bundle for each run that has none."
        )
    raise StoreError(
        f"{layout.bundles} is the folder of bundles of another store. Mount this store's own. Nothing was "
        f"written. If it is the right folder, remove {layout.marker} and run "
        "`ganatomy store salvage --all`."
    )


def known(layout: Layout) -> bool:
    """Whether the store has an id; one that an older version of the program made has none."""
    return _read(layout.identity) is not None


def accept(layout: Layout) -> None:
    """Mark bundles/ as this store's own, and give the store an id if it has none. For the committer only."""
    name = _read(layout.identity) or _read(layout.marker) or str(uuid.uuid4())
    for path in (layout.marker, layout.identity):  # a kill between leaves a store that is marked again
        if _read(path) != name:
            with files.writing(str(path)), files.replacing(path) as aside:
                aside.write_text(f"{name}\n")


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None
