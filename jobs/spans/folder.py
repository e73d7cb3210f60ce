"""Where the spans of a run lie: `spans` in the run's folder under `work`, which all its processes share.

Counts of a span are one file, written aside and renamed: a span is counted if and only if its file is there.
A process that counts a span holds the span's lock, which the kernel frees when the process dies. Where a
shared folder keeps locks to one machine, two machines may count a span twice, and the counts are the same.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.dissection.spans import Span
from jobs.system import live, locks
from jobs.system.live import JsonObject


@dataclass(frozen=True)
class SpanFolder:
    """The files of a run's spans."""

    path: Path

    def create(self) -> None:
        """Make the folder. Only the run's job does: a span of a run that has ended must not make it again."""
        self.path.mkdir(parents=True, exist_ok=True)

    def counts(self, span: Span) -> Path:
        """The counts of a span."""
        return self.path / f"{span.name}.npz"

    def edges(self, key: str) -> Path:
        """The bin edges of spans with this key."""
        return self.path / f"edges-{key[:12]}.npz"

    def names(self) -> set[str]:
        """The names of the files that are there."""
        return {entry.name for entry in os.scandir(self.path)}

    def thresholds(self, key: str) -> Path:
        """The thresholds of spans with this key; there are none in the calibration."""
        return self.path / f"thresholds-{key[:12]}.npz"

    def lock(self, span: Span) -> locks.Lock | None:
        """The lock of a span; None while another process counts it, and when the run has ended."""
        return locks.take(self.path / "locks", span.name) if self.path.is_dir() else None

    def locked(self, span: Span) -> bool:
        """Whether some process counts a span, as far as this machine can tell."""
        return locks.held(self.path / "locks", span.name)

    def found(self, part: str, key: str) -> list[Span]:
        """The spans of a part whose counts are there."""
        spans = (Span.named(file.stem) for file in self.path.glob(f"{part}-{key[:12]}-*.npz"))
        return [span for span in spans if span is not None]

    def request(self, spans: Sequence[Span]) -> None:
        """Say which spans this run's helpers are to count, first ones first."""
        live.write_checked(self.path / "requested.json", {"spans": [plain(span) for span in spans]})

    def requested(self) -> list[Span]:
        """The spans that helpers are to count."""
        return [parsed(values) for values in live.read(self.path / "requested.json").get("spans", ())]

    def forget(self, part: str, key: str, stop: int) -> None:
        """Remove the counts of spans up to latent `stop`, which are saved with those of the run."""
        for span in self.found(part, key):
            if span.stop <= stop:
                self.counts(span).unlink(missing_ok=True)


def plain(span: Span) -> JsonObject:
    """A span as JSON."""
    return dict(vars(span))


def parsed(values: JsonObject) -> Span:
    """A span from JSON."""
    return Span(values["part"], str(values["key"]), int(values["start"]), int(values["stop"]))
