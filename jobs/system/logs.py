"""Logs: JSON lines for worker, render process and supervisor (`logs/<name>.log`); plain lines for a job."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO, cast

import structlog

LIMIT = 10_000_000  # bytes of a log before it is rotated
OLDER = 3  # rotated files that stay


class Rotating(RotatingFileHandler):
    """A log file as structlog writes to it. Several processes may write to one, and each may rotate it."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, maxBytes=LIMIT, backupCount=OLDER, encoding="utf-8")
        self.terminator = ""  # structlog's lines end in one

    def write(self, text: str) -> None:
        """Write a line."""
        self.handle(logging.makeLogRecord({"msg": text}))

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802
        """Whether the file is full. One that another process has rotated is opened anew first."""
        if self.stream and not self._current(self.stream):
            self.stream.close()
            self.stream = self._open()
        return bool(super().shouldRollover(record))

    def _current(self, stream: TextIO) -> bool:
        """Whether the open file is still the one of this name."""
        try:
            return os.path.samestat(os.stat(self.baseFilename), os.fstat(stream.fileno()))
        except FileNotFoundError:
            return False


@dataclass
class FailureLog:
    """Logs failures of what is tried again: a new one with its traceback, one that stays once a minute."""

    what: str  # as the log says it
    _last: str = ""
    _due: float = 0.0  # on time.monotonic()

    def log(self, error: Exception) -> None:
        """Log the failure, unless the same one was logged less than a minute ago."""
        reason, now = f"{type(error).__name__}: {getattr(error, 'orig', error)}", time.monotonic()
        if reason != self._last:
            structlog.get_logger().error(self.what, reason=reason, exc_info=error)
        elif now >= self._due:
            structlog.get_logger().error(self.what, reason=reason, still=True)
        else:
            return
        self._last, self._due = reason, now + 60.0


def structured(file: Path) -> None:
    """Log JSON lines to the end of `file` from now on.

    At `LIMIT` bytes it is renamed to `file`.1, and a new one begins.
    """
    _configure(Rotating(file), structlog.processors.JSONRenderer())


def readable(stream: TextIO) -> structlog.typing.FilteringBoundLogger:
    """Log lines for people to `stream`, which for a job is its log. Returns the logger."""
    _configure(stream, structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, pad_level=False))
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def _configure(stream: TextIO | Rotating, renderer: structlog.typing.Processor) -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", stream)),
        cache_logger_on_first_use=False,
    )
