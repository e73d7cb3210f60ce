"""The counts of an unfinished run, saved now and then, so that a job that was killed goes on from them.

The counts so far are one file in the run's folder under `work`, and the save before it stays beside it: if
the newer file is damaged, the older one is taken. Names carry a hash of what the counts depend on, so counts
of other edges or thresholds are never read, and the range of images.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

import structlog

from analysis.shared.errors import GanatomyError
from db.store import files

INTERVAL_S = 120.0  # between two saves that take up to 6 s
CHEAP, DEAR = 100, 20  # a save waits until so many times its duration has passed: 1 % of the time, or 5 %
NAME = re.compile(r"[a-z]+-[0-9a-f]{12}-(?P<start>\d{9})-(?P<stop>\d{9})\.npz")


class Countable(Protocol):
    """Counts of ranges of images, which can be merged and saved."""

    ranges: list[tuple[int, int]]

    def merge(self, other: Self) -> Self: ...

    def save(self, path: Path | str) -> None: ...


T = TypeVar("T", bound=Countable)


def pause(took: float) -> float:
    """Seconds of counting between two saves, from those that the last save took.

    They are two minutes, fewer where saving takes under 1 % of the time, and more rather than over 5 % of it.
    """
    return max(DEAR * took, min(INTERVAL_S, CHEAP * took))


@dataclass
class SavedCounts(Generic[T]):
    """The saves of one part ('calibration' or 'evaluation') of a run, counted under one key."""

    folder: Path
    part: str
    key: str
    load: Callable[[Path], T]
    _saved_at: float = field(default_factory=time.monotonic)
    _took: float = 0.0  # seconds of the last save

    def read(self) -> T | None:
        """The counts so far, or None. Damaged files are removed.

        Version 0.1.0 left one file for each block of images. They are merged.
        """
        found: T | None = None
        for file in self._files():
            start, stop = _span(file)
            if found is not None and any(start < b and a < stop for a, b in found.ranges):
                continue
            try:
                counts = self.load(file)
                found = counts if found is None else found.merge(counts)
            except GanatomyError as error:
                structlog.get_logger().warning("damaged counts are counted again", reason=str(error))
                file.unlink(missing_ok=True)
        return found

    def due(self) -> bool:
        """Whether it is time to save."""
        return time.monotonic() - self._saved_at >= pause(self._took)

    def write(self, counts: T) -> None:
        """Save the counts so far. The save before this one stays; older ones go."""
        began, before = time.monotonic(), self._files()
        start, stop = counts.ranges[0][0], counts.ranges[-1][1]
        file = self.folder / f"{self.part}-{self.key[:12]}-{start:09d}-{stop:09d}.npz"
        with files.replacing(file) as aside:
            counts.save(aside)
        for old in [other for other in before if other != file][1:]:
            old.unlink(missing_ok=True)
        self._saved_at = time.monotonic()
        self._took = self._saved_at - began

    def _files(self) -> list[Path]:
        """Those with the most images first."""
        found = (f for f in self.folder.glob(f"{self.part}-{self.key[:12]}-*.npz") if NAME.fullmatch(f.name))
        return sorted(found, key=lambda file: (_span(file)[0] - _span(file)[1], file.name))


def _span(file: Path) -> tuple[int, int]:
    name = NAME.fullmatch(file.name)
    assert name is not None
    return int(name["start"]), int(name["stop"])
