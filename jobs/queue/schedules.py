"""Schedules: cron expressions that queue a request. They are kept by DBOS, in the queue's file."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from croniter import CroniterBadDateError, croniter
from dbos import DBOSClient, WorkflowSchedule, WorkflowStatus

from analysis.shared.errors import GanatomyError
from jobs.kinds.requests import KINDS, Request, When
from jobs.queue import database
from jobs.queue import rows as reading
from jobs.queue.records import Schedule


def create(queue: DBOSClient, name: str, request: Request, cron: str, when: When) -> Schedule:
    """Keep a schedule, or replace the one of that name."""
    if not re.fullmatch(r"[A-Za-z0-9][\w .-]{0,63}", name):
        raise GanatomyError(
            f"A schedule's name is letters, digits, spaces, dots and dashes; {name!r} is not."
        )
    following(cron)
    context = {
        "name": name,
        "kind": request.KIND,
        "request": request.model_dump(mode="json"),
        "priority": when.priority,
    }
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
    queue.resume_schedule(name)  # one that had been paused would stay so, and the person wants it on
    return _view(queue, known_schedule(queue, name))


def listed(queue: DBOSClient) -> list[Schedule]:
    """Every schedule, by name."""
    return sorted((_view(queue, row) for row in queue.list_schedules()), key=lambda view: view.name)


def known_schedule(queue: DBOSClient, name: str) -> WorkflowSchedule:
    """The schedule of that name, or `GanatomyError`."""
    row = queue.get_schedule(name)
    if row is None:
        raise GanatomyError(
            f"There is no schedule {name!r}; `ganatomy jobs schedule list` names those that there are."
        )
    return row


def known(queue: DBOSClient, name: str) -> str:
    """`name`, when there is a schedule of that name."""
    return str(known_schedule(queue, name)["schedule_name"])


def _view(queue: DBOSClient, row: WorkflowSchedule) -> Schedule:
    context: dict[str, Any] = row["context"] if isinstance(row["context"], dict) else {}
    kind, values = context.get("kind", ""), context.get("request", {})
    paused, fired = row["status"] != "ACTIVE", _last(queue, row["schedule_name"])
    last = fired.output if fired and isinstance(fired.output, str) else None
    job = re.search(r"job ([A-Za-z0-9-]+)\.$", last or "")
    return Schedule(
        name=row["schedule_name"],
        kind=kind,
        cron=row["schedule"],
        paused=paused,
        title=_title(kind, values),
        owner=values.get("owner", ""),
        request=values,
        last_fired_at=reading.moment(fired.created_at) if fired else None,
        last=last,
        last_job=job[1] if job else None,
        next_at=None if paused else following(row["schedule"]),
    )


def _last(queue: DBOSClient, name: str) -> WorkflowStatus | None:
    """Its last firing, by the clock or by hand."""
    rows = queue.list_workflows(schedule_name=name, limit=1, sort_desc=True)
    return rows[0] if rows else None


def _title(kind: str, values: dict[str, Any]) -> str:
    try:
        return KINDS[kind].model_validate(values).title()
    except (KeyError, ValueError):
        return kind


def following(cron: str) -> datetime:
    """When a cron expression comes next, naive UTC; `GanatomyError` when it is none or never comes."""
    if len(cron.split()) != 5 or not croniter.is_valid(cron):
        raise GanatomyError(
            f"{cron!r} is no cron expression; give five fields, for example '0 2 * * *' for 02:00 UTC."
        )
    try:
        coming: datetime = croniter(cron, datetime.now(UTC)).get_next(datetime)
    except CroniterBadDateError:
        raise GanatomyError(f"{cron!r} names a day that never comes; give another.") from None
    return coming.astimezone(UTC).replace(tzinfo=None)
