"""A store of an earlier version with a run of every kind, as it is committed."""

import shutil
from pathlib import Path

from db.layout import Layout
from db.store import publication

ARCHIVE = Path(__file__).parents[1] / "data" / "store-0.1.tar.xz"


def left(folder: Path) -> Layout:
    """The store in a folder, as the earlier version left it."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.unpack_archive(ARCHIVE, folder, filter="data")
    return Layout.create(folder)


def unpacked(folder: Path) -> Layout:
    """The store in a folder, with a version of today made, for which a page would wait."""
    layout = left(folder)
    publication.rebuild(layout)
    return layout
