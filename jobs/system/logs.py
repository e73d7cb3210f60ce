"""Logs: JSON lines for worker, render process and supervisor (`logs/<name>.log`); readable lines for one
job."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TextIO

import structlog


def structured(file: Path) -> structlog.typing.FilteringBoundLogger:
    """Log JSON lines to the end of `file` from now on."""
    return _configure(file.open("a", buffering=1), structlog.processors.JSONRenderer())


def readable(stream: TextIO | None = None) -> structlog.typing.FilteringBoundLogger:
    """Log lines for people to `stream`, which for a job is its log."""
    return _configure(
        stream or sys.stderr, structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, pad_level=False)
    )


def _configure(stream: TextIO, renderer: structlog.typing.Processor) -> structlog.typing.FilteringBoundLogger:
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
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
