"""Schedules: cron expressions that queue a request. DBOS keeps them in the queue's file."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from croniter import CroniterBadDateError, croniter
from dbos import DBOSClient, WorkflowSchedule

from analysis.shared.errors import GanatomyError
from jobs.kinds.base import Request
from jobs.kinds.requests import When
from jobs.queue import database, rows
from jobs.queue.records import Firing, Schedule
from jobs.system.live import JsonObject


def create(queue: DBOSClient, name: str, request: Request, cron: str, when: When) -> Schedule:
    """Create a schedule, or replace the one of that name."""
    if not re.fullmatch(r"[A-Za-z0-9][\w .-]{0,63}", name):
        raise GanatomyError(
            f"{name!r} cannot be a schedule's name; use letters, digits, spaces, dots and dashes."
        )
    next_time(cron)
    context = {
        "name": name,
        "kind": request.kind.command,
        "request": request.model_dump(mode="json"),
        "priority": when.priority,
    }
    _apply(queue, name, cron, context)
    return _schedule(queue, existing(queue, name))


def _apply(queue: DBOSClient, name: str, cron: str, context: JsonObject) -> None:
    queue.apply_schedules(
        [
            {
                "schedule_name": name,
                "workflow_name": database.FIRE,
                "schedule": cron,
                "context": context,
                "queue_name": database.CLOCK,
                "cron_timezone": "UTC",
            }
        ]
    )
    queue.resume_schedule(name)  # DBOS leaves a paused schedule paused when it is replaced


def exported(queue: DBOSClient) -> bytes:
    """Every schedule, as JSON for `restore`."""
    found = [
        {
            "name": row["schedule_name"],
            "cron": row["schedule"],
            "context": row["context"],
            "status": row["status"],
        }
        for row in queue.list_schedules()
    ]
    return json.dumps(found, indent=1).encode()


def restore(queue: DBOSClient, content: bytes) -> None:
    """Create the schedules that `exported` wrote, paused ones paused."""
    for each in json.loads(content):
        _apply(queue, each["name"], each["cron"], each["context"])
        if each["status"] != "ACTIVE":
            queue.pause_schedule(each["name"])


def listed(queue: DBOSClient) -> list[Schedule]:
    """Every schedule, by name."""
    return sorted((_schedule(queue, row) for row in queue.list_schedules()), key=lambda each: each.name)


def existing(queue: DBOSClient, name: str) -> WorkflowSchedule:
    """The schedule of that name; `GanatomyError` when there is none."""
    row = queue.get_schedule(name)
    if row is None:
        raise GanatomyError(f"There is no schedule {name!r}; `ganatomy jobs schedule list` shows all.")
    return row


def owner(queue: DBOSClient, name: str) -> str | None:
    """Whose jobs the schedule of that name queues; None when there is none."""
    row = queue.get_schedule(name)
    context = row["context"] if row is not None and isinstance(row["context"], dict) else {}
    return None if row is None else str(context.get("request", {}).get("owner", ""))


def trigger(queue: DBOSClient, name: str) -> None:
    """Fire a schedule now."""
    row = existing(queue, name)
    # DBOS gives a firing the newest version that a worker has registered, and fails in a store that never had
    # a worker. Registering a version twice does nothing. There is no public call for it.
    queue._sys_db.create_application_version(database.VERSION)
    queue.trigger_schedule(row["schedule_name"])


def _schedule(queue: DBOSClient, row: WorkflowSchedule) -> Schedule:
    context = row["context"] if isinstance(row["context"], dict) else {}
    kind, values = context.get("kind", ""), context.get("request", {})
    paused = row["status"] != "ACTIVE"
    request = rows.known_request(kind, values)
    fired = queue.list_workflows(schedule_name=row["schedule_name"], limit=1, sort_desc=True)
    firing = Firing.parse(fired[0].output) if fired else None
    return Schedule(
        name=row["schedule_name"],
        kind=kind,
        cron=row["schedule"],
        paused=paused,
        title=request.title() if request else kind,
        owner=values.get("owner", ""),
        request=values,
        last_fired_at=rows.time(fired[0].created_at) if fired else None,
        last=firing.message if firing else None,
        last_job=firing.job_id if firing else None,
        next_at=None if paused else next_time(row["schedule"]),
    )


def next_time(cron: str) -> datetime:
    """The next time of a cron expression, naive UTC; `GanatomyError` when it is invalid or never comes."""
    if len(cron.split()) != 5 or not croniter.is_valid(cron):
        raise GanatomyError(
            f"{cron!r} is not a cron expression; give five fields, for example '0 2 * * *' for 02:00 UTC."
        )
    try:
        coming: datetime = croniter(cron, datetime.now(UTC)).get_next(datetime)
    except CroniterBadDateError:
        raise GanatomyError(f"{cron!r} names a day that never comes; give another.") from None
    return coming.astimezone(UTC).replace(tzinfo=None)
