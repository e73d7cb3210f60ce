"""What is known of running jobs: how far each is, its memory, and its log.

A job process writes files of the store. With a queue on a server, its worker copies them into a table once a
second, and everybody reads the table: the files lie on another host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from db.layout import Layout
from jobs.queue import server
from jobs.system import live
from jobs.system.live import JsonObject

LOG_END = 64 << 10  # bytes of a log in the table
LOG_PART = 1 << 20  # bytes of a log that are in memory at a time
LIFE_DAYS = 7  # a page shows how far an ended job was for as long as its report is there


@dataclass(frozen=True)
class Report:
    """What a job process and its worker said last; empty before they said anything."""

    progress: JsonObject = field(default_factory=dict)
    watch: JsonObject = field(default_factory=dict)


def read(layout: Layout, job_ids: Sequence[str]) -> dict[str, Report]:
    """The reports of jobs, by id; a job without one has an empty one."""
    found = dict.fromkeys(job_ids, Report())
    if server.address() is None:
        return {job_id: _from_files(layout, job_id) for job_id in found}
    table = server.report
    select = sa.select(table.c.job_id, table.c.progress, table.c.watch).where(table.c.job_id.in_(found))
    with server.transaction() as connection:
        return found | {job: Report(progress, watch) for job, progress, watch in connection.execute(select)}


def _from_files(layout: Layout, job_id: str) -> Report:
    progress, watch = (live.read(live.path(layout, job_id, what)) for what in ("progress", "watch"))
    return Report(progress, watch)


def send(layout: Layout, job_id: str, attempt: int, known: int = -1) -> int:
    """Copy a job's files of this host into the server's table; nothing with a queue in the store's folder.

    Returns the length of the log. The log is not sent again while it is as long as `known`. The report of a
    later attempt stays.
    """
    if server.address() is None:
        return known
    files, log = _from_files(layout, job_id), _log_file(layout, job_id)
    values: dict[str, object] = {
        "attempt": attempt,
        "progress": files.progress,
        "watch": files.watch,
        "written_at": server.now,
    }
    end, length = b"", 0
    if log.exists():
        with log.open("rb") as file:
            length = file.seek(0, 2)
            file.seek(max(0, length - LOG_END))
            end = file.read()
    table = server.report
    newest = table.c.attempt <= attempt
    with server.transaction() as connection:
        if length == known:
            connection.execute(sa.update(table).where(table.c.job_id == job_id, newest).values(**values))
        else:
            values |= {"log": end, "log_bytes": length}
            connection.execute(server.upsert(table, newest, job_id=job_id, **values))
    return length


def forget(layout: Layout, job_id: str) -> None:
    """Remove what was said of a job's last attempt; its log stays."""
    live.forget(layout, job_id, "progress", "watch")
    if server.address() is not None:
        table = server.report
        empty = sa.update(table).where(table.c.job_id == job_id).values(progress={}, watch={})
        with server.transaction() as connection:
            connection.execute(empty)


def log_end(layout: Layout, job_id: str, tail: int) -> str:
    """The last `tail` bytes of a job's log; of one on another host, at most `LOG_END`."""
    if server.address() is not None:
        return _log_row(job_id)[0][-tail:].decode(errors="replace")
    try:
        with _log_file(layout, job_id).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - tail))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""


def log_from(layout: Layout, job_id: str, position: int) -> tuple[str, int]:
    """Whole lines of a job's log from a byte on, at most `LOG_PART` bytes, and the byte after them.

    Of a log on another host, what lies before its last `LOG_END` bytes is passed over.
    """
    if server.address() is not None:
        content, length = _log_row(job_id)
        position = max(position, length - len(content))
        part = content[len(content) - (length - position) :] if position < length else b""
    else:
        try:
            with _log_file(layout, job_id).open("rb") as file:
                file.seek(position)
                part = file.read(LOG_PART)
        except FileNotFoundError:
            return "", position
    end = part.rfind(b"\n") + 1 or (len(part) if len(part) == LOG_PART else 0)  # a line may be longer
    return part[:end].decode(errors="replace"), position + end


def clean_up() -> None:
    """Remove old reports from the server, the rows of workers that are long gone, and attempts at no job."""
    if server.address() is None:
        return
    with server.transaction() as connection:
        for table, moment in ((server.report, "written_at"), (server.worker, "seen_at")):
            old = table.c[moment] < server.now - sa.text(f"interval '{LIFE_DAYS} days'")
            connection.execute(sa.delete(table).where(old))
        job = "SELECT 1 FROM dbos.workflow_status WHERE workflow_uuid = job_id"
        nobodys = sa.delete(server.attempt).where(sa.text(f"NOT EXISTS ({job})"))
        connection.execute(nobodys)


def _log_file(layout: Layout, job_id: str) -> Path:
    return layout.logs / f"{job_id}.log"


def _log_row(job_id: str) -> tuple[bytes, int]:
    table = server.report
    select = sa.select(table.c.log, table.c.log_bytes).where(table.c.job_id == job_id)
    with server.transaction() as connection:
        row = connection.execute(select).one_or_none()
    return (bytes(row[0]), int(row[1])) if row else (b"", 0)
