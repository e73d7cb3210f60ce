"""Reading one published version: nothing that is published later shows, and nobody can change it."""

import logging
import os
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import duckdb
import pandas as pd
import sqlalchemy as sa
from duckdb_sqlalchemy import ConnectionWrapper
from sqlalchemy.pool import QueuePool

from db.layout import Layout
from db.schema.base import run, store_info
from db.store import bundles, files, versions

log = logging.getLogger(__name__)

# What DuckDB may hold of a version. Its own limit is most of the machine's memory, and it keeps every block
# that a page has read.
MEMORY = "512MB"

_lock = threading.Lock()
_engines: WeakValueDictionary[Path, sa.Engine] = WeakValueDictionary()
_known_fingerprints: WeakKeyDictionary[sa.Engine, str] = WeakKeyDictionary()
_known_revisions: WeakKeyDictionary[sa.Engine, dict[str, int]] = WeakKeyDictionary()
_newest: dict[Path, sa.Engine] = {}  # one engine a store is kept warm; older ones live as long as a snapshot


@dataclass(frozen=True)
class Snapshot:
    """One version of the store, as it was when the link was resolved. Safe to use from several threads."""

    layout: Layout
    version: Path
    engine: sa.Engine

    def read(self, statement: sa.Executable) -> pd.DataFrame:
        """The rows of a select. Raises StoreError when the version turns out to be damaged."""
        start = time.perf_counter()
        try:
            with self.engine.connect() as connection:
                frame: pd.DataFrame = connection.execute(statement).cursor.df()
        except sa.exc.DBAPIError as error:
            if versions.is_damage(error.orig):
                raise versions.damaged(self.layout, "its file is damaged") from error
            raise
        # The log names the question that asked.
        log.debug("%.1f ms, %d rows", 1000 * (time.perf_counter() - start), len(frame), stacklevel=2)
        return frame

    def bundle(self, run_id: str) -> bundles.Bundle:
        """The bundle behind a run's rows in this version (the newest, if that revision is gone meanwhile)."""
        revision = self._revisions().get(run_id)
        path = self.layout.bundles / run_id / str(revision) if revision is not None else None
        if path and path.exists():
            return bundles.read(path)
        if path and not bundles.revisions(self.layout, run_id):
            raise bundles.missing(self.layout, run_id)
        return bundles.latest(self.layout, run_id)

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the schema that the version was made with, asked for once."""
        with _lock:
            known = _known_fingerprints.get(self.engine)
        if known is None:
            known = str(self.read(store_info.select()).fingerprint[0])
            with _lock:
                _known_fingerprints[self.engine] = known
        return known

    def _revisions(self) -> dict[str, int]:
        """The revision of each run in this version, asked for once."""
        with _lock:
            known = _known_revisions.get(self.engine)
        if known is None:
            rows = self.read(sa.select(run.c.run_id, run.c.revision))
            known = dict(zip(rows.run_id.tolist(), map(int, rows.revision), strict=True))
            with _lock:
                _known_revisions[self.engine] = known
        return known


def engine(layout: Layout, version: Path) -> sa.Engine:
    """The engine that reads a version, made once a process."""
    with _lock:
        found = _engines.get(version)
        if found is None:
            found = _engines[version] = _engine(layout, version)
        _newest[layout.root] = found
        return found


def _engine(layout: Layout, version: Path) -> sa.Engine:
    return _reading(_opened(layout, version))


def from_disk(layout: Layout, version: Path) -> Snapshot:
    """A snapshot that reads every byte from the disk anew, whatever this process holds in memory.

    Raises:
        FileNotFoundError: a newer version took the place of this one; resolve the link again.
    """
    try:
        return Snapshot(layout, version, _reading(_copied(layout, version)))
    except duckdb.Error as error:
        raise versions.damaged(layout, "its file is damaged") from error


def _reading(first: duckdb.DuckDBPyConnection) -> sa.Engine:
    def connect() -> Any:
        return ConnectionWrapper(first.cursor())

    return sa.create_engine("duckdb://", creator=connect, poolclass=QueuePool, max_overflow=-1)


def _opened(layout: Layout, version: Path) -> duckdb.DuckDBPyConnection:
    """Holds the file from now on, so that it can be read even when its name is gone.

    Where somebody opened it for writing, and so shut every reader out, it is a copy that is read.
    """
    try:
        return _connected(version)
    except duckdb.Error as error:
        if isinstance(error, duckdb.ConnectionException) or "set lock" in str(error):
            return _copied(layout, version)
        if not version.exists():
            raise FileNotFoundError(version) from error
        raise versions.damaged(layout, "its file is damaged") from error


def _copied(layout: Layout, version: Path) -> duckdb.DuckDBPyConnection:
    writable = os.access(layout.versions, os.W_OK)  # a copy beside the version shares its blocks
    folder = layout.versions if writable else Path(tempfile.gettempdir())
    aside = folder / f"{files.unique(versions.COPY)}.duckdb"
    try:
        files.copy(version, aside)
        return _connected(aside)
    finally:
        aside.unlink(missing_ok=True)


def _connected(file: Path) -> duckdb.DuckDBPyConnection:
    opened = duckdb.connect(str(file), read_only=True)
    opened.execute(f"SET memory_limit = '{MEMORY}'")
    return opened
