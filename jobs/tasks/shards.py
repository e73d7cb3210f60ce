"""The shards of an unfinished run: one file per block of images, in the run's folder under `work`.

A shard is written aside and renamed, so a file that has its name is whole. Names carry a hash of what the
counts depend on, so shards of other edges or thresholds are never read. Many small shards are merged into
one. While the merged one and its parts exist, the larger wins: a kill between writing it and removing them
counts nothing twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from analysis.shared.errors import GanatomyError
from db.store import files

TOGETHER = 16  # more shards than these are merged into one
NAME = re.compile(r"(?P<part>[a-z]+)-(?P<key>[0-9a-f]{12})-(?P<start>\d{9})-(?P<stop>\d{9})\.npz")


class Countable(Protocol):
    """Counts of some images, which can be merged and saved."""

    def merge(self, other: Self) -> Self: ...

    def save(self, path: Path | str) -> None: ...


T = TypeVar("T", bound=Countable)


class LostShardError(GanatomyError):
    """A shard was missing or damaged; it is counted again."""


@dataclass(frozen=True, order=True)
class Span:
    """Images start to stop of one shard."""

    start: int
    stop: int


@dataclass
class Shards(Generic[T]):
    """The shards of one part ('calibration' or 'evaluation') of a run, counted under one key."""

    folder: Path
    part: str
    key: str
    load: Callable[[Path], T]

    def spans(self) -> list[Span]:
        """The spans that exist, without overlaps: of two that overlap the larger."""
        found = []
        for file in self.folder.glob(f"{self.part}-{self.key[:12]}-*.npz"):
            match = NAME.fullmatch(file.name)
            if match:
                found.append(Span(int(match["start"]), int(match["stop"])))
        chosen: list[Span] = []
        for span in sorted(found, key=lambda span: (span.start - span.stop, span.start)):
            if all(span.stop <= other.start or other.stop <= span.start for other in chosen):
                chosen.append(span)
        return sorted(chosen)

    def has(self, start: int, stop: int) -> bool:
        """True when some shard holds these images."""
        return any(span.start <= start and stop <= span.stop for span in self.spans())

    def put(self, start: int, stop: int, counts: T) -> None:
        """Write a shard."""
        with files.replacing(self._file(Span(start, stop))) as aside:
            counts.save(aside)

    def total(self, start: int, stop: int) -> T:
        """The counts of images start to stop, merged from the shards within; many small ones become one file.

        Every damaged shard is removed first, so that one more attempt counts all of them again.

        Raises:
            LostShardError: A shard is missing or damaged.
        """
        spans = [span for span in self.spans() if start <= span.start and span.stop <= stop]
        if sum(span.stop - span.start for span in spans) != stop - start:
            raise LostShardError(f"Shards of images {start} to {stop} are missing; retry the job.")
        counts: T | None = None
        damaged: GanatomyError | None = None
        for span in spans:
            try:
                shard = self.load(self._file(span))
            except GanatomyError as error:
                self._file(span).unlink(missing_ok=True)
                damaged = error
            else:
                counts = shard if counts is None else counts.merge(shard)
        if damaged is not None or counts is None:
            raise LostShardError(str(damaged)) from damaged
        if len(spans) > TOGETHER:
            self.put(start, stop, counts)
            for span in spans:
                self._file(span).unlink(missing_ok=True)
        return counts

    def _file(self, span: Span) -> Path:
        return self.folder / f"{self.part}-{self.key[:12]}-{span.start:09d}-{span.stop:09d}.npz"
