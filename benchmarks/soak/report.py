"""What a soak writes down, and what it reads in logs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.soak.reader import lines


class Report:
    """Events as JSON lines; those of an earlier process are there too."""

    def __init__(self, file: Path) -> None:
        self.folder = file.with_name(file.name + ".d")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.events = lines(file)
        self._file, self._began = file.open("a"), time.monotonic()

    def write(self, event: str, **values: Any) -> None:
        """Add an event."""
        entry = {"event": event, "at": round(time.monotonic() - self._began, 2), **values}
        self.events.append(entry)
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()

    def all(self, event: str) -> list[dict[str, Any]]:
        """The events of a name."""
        return [entry for entry in self.events if entry["event"] == event]


def errors(text: str) -> Iterator[str]:
    """The last line of each traceback in a log, of JSON lines or plain."""
    inside = False
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                yield from errors(json.loads(line).get("exception", "").rpartition("\n\n")[2])
            except ValueError:
                continue
        elif line.startswith("Traceback (most recent call last)"):
            inside = True
        elif inside and line and not line.startswith(" "):
            inside = False
            yield line
