"""Answers to named questions are remembered: a published version never changes.

All sessions of a process share them. They are bounded in bytes, and those of an older version are dropped as
soon as somebody reads a newer one.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import pandas as pd

from db.store import Snapshot

MOST_BYTES = 64 << 20
P = ParamSpec("P")


class Answers:
    """The answers last used, at most `most_bytes` of them. Safe to use from several threads."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._held: OrderedDict[Hashable, pd.DataFrame] = OrderedDict()
        self._version: Path | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def get(self, version: Path, key: Hashable) -> pd.DataFrame | None:
        with self._lock:
            if version != self._version:
                self._held.clear()
                self._version, self.bytes = version, 0
            found = self._held.get(key)
            if found is not None:
                self._held.move_to_end(key)
            return found

    def put(self, version: Path, key: Hashable, answer: pd.DataFrame) -> None:
        size = _size(answer)
        with self._lock:
            if version != self._version or size > self.most_bytes or key in self._held:
                return
            self._held[key] = answer
            self.bytes += size
            while self.bytes > self.most_bytes:
                _, oldest = self._held.popitem(last=False)
                self.bytes -= _size(oldest)


def _size(answer: pd.DataFrame) -> int:
    return int(answer.memory_usage(deep=True).sum())


answers = Answers()


def remembered(
    question: Callable[Concatenate[Snapshot, P], pd.DataFrame],
) -> Callable[Concatenate[Snapshot, P], pd.DataFrame]:
    """Let a question be answered once for each version and arguments.

    Each caller gets a frame of its own: pandas copies a column when somebody writes to it.
    """
    name = (question.__module__, question.__qualname__)

    @wraps(question)
    def ask(snapshot: Snapshot, /, *args: P.args, **kwargs: P.kwargs) -> pd.DataFrame:
        key = (name, _hashable(args), _hashable(kwargs))
        answer = answers.get(snapshot.version, key)
        if answer is None:
            answer = question(snapshot, *args, **kwargs)
            answers.put(snapshot.version, key, answer)
        return answer.copy(deep=False)

    return ask


def _hashable(value: Any) -> Hashable:
    if isinstance(value, dict):
        return tuple((name, _hashable(held)) for name, held in value.items())
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value))
    return value if isinstance(value, Hashable) else repr(value)
