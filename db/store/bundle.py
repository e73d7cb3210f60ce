"""A bundle as it is read: one run at one revision, in a folder of its own (see `db.store.bundles`)."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from db.errors import StoreError
from db.schema import metadata
from db.store import files, formats, frames


@dataclass(frozen=True)
class Arrays(Mapping[str, np.ndarray]):
    """The arrays of one npz file, each read when it is asked for; nothing stays open."""

    path: Path

    def __getitem__(self, name: str) -> np.ndarray:
        with reading(self.path), np.load(self.path, allow_pickle=False) as arrays:
            if name not in arrays.files:
                raise KeyError(name)
            return np.asarray(arrays[name])

    def __iter__(self) -> Iterator[str]:
        with reading(self.path), np.load(self.path, allow_pickle=False) as arrays:
            return iter(arrays.files)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read: `.run`, `.table(name)`, `.array(name)`, `.file(name)`."""

    path: Path
    manifest: dict[str, Any] = field(repr=False)

    @property
    def run(self) -> dict[str, Any]:
        """The run's row as it was given."""
        with reading(self.path):
            return dict(json.loads((self.path / "run.json").read_bytes()))

    @property
    def run_id(self) -> str:
        return self.path.parent.name

    @property
    def revision(self) -> int:
        return int(self.path.name)

    def names(self, kind: str) -> list[str]:
        """What it holds of a kind: tables, arrays or files."""
        found = (Path(name) for name in self.manifest["files"])
        return sorted(f.name if kind == "files" else f.stem for f in found if f.parts[0] == kind)

    def arrow(self, name: str) -> pa.Table:
        """A table as today's schema has it: lifted from older formats, run_id included."""
        path = self.path / "tables" / f"{name}.parquet"
        with reading(path):
            rows = formats.lift(self.manifest["format_version"], name, pq.read_table(path))
        known = [c for c in rows.column_names if c in metadata.tables[name].c]
        return frames.conform(metadata.tables[name], rows.select(known), run_id=self.run_id)

    def table(self, name: str) -> pd.DataFrame:
        return self.arrow(name).to_pandas()

    def array(self, name: str) -> Arrays:
        """The arrays written under `name`, each read when asked for. Raises KeyError where there are none."""
        if name not in self.names("arrays"):
            raise KeyError(name)
        return Arrays(self.path / "arrays" / f"{name}.npz")

    def file(self, name: str) -> bytes:
        """Raises KeyError where there is none of this name."""
        if name not in self.names("files"):
            raise KeyError(name)
        with reading(self.path):
            return (self.path / "files" / name).read_bytes()

    def verify(self, kinds: Sequence[str] = ("run.json", "tables", "arrays", "files")) -> None:
        """Raises StoreError when a file is missing or differs from what was written."""
        for name, fact in self.manifest["files"].items():
            path = self.path / name
            if Path(name).parts[0] not in kinds:
                continue
            with reading(path):
                if path.stat().st_size != fact["size"] or files.sha256(path) != fact["sha256"]:
                    raise _damaged(path)


class reading:  # noqa: N801 - reads as a statement: `with reading(path):`
    """Turns what a damaged or missing file raises into a StoreError that names the remedy."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError | ValueError | EOFError | BadZipFile | pa.ArrowException):
            raise _damaged(self.path) from error


def _damaged(path: Path) -> StoreError:
    return StoreError(f"The bundle file {path} is damaged or missing; {formats.REMEDY}.")


def read(path: Path) -> Bundle:
    """The bundle in a folder. Raises StoreError when its manifest is damaged or newer than this program."""
    return Bundle(path, formats.read_manifest(path))
