"""Logs: JSON lines for worker, render process and supervisor (`logs/<name>.log`); plain lines for a job."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import structlog


def structured(file: Path) -> None:
    """Log JSON lines to the end of `file` from now on."""
    _configure(file.open("a", buffering=1), structlog.processors.JSONRenderer())


def readable(stream: TextIO) -> structlog.typing.FilteringBoundLogger:
    """Log lines for people to `stream`, which for a job is its log. Returns the logger."""
    _configure(stream, structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, pad_level=False))
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


def _configure(stream: TextIO, renderer: structlog.typing.Processor) -> None:
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%SZ", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
