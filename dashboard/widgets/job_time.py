"""When a job runs (now, later, on a schedule), its priority, and the jobs that follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import streamlit as st

from dashboard.widgets import jobs, times, url
from db.times import utc_now
from jobs.kinds.requests import When

LABELS = {"now": "Now", "at": "At a time", "every": "On a schedule"}
CRON = "Minute, hour, day, month, weekday in UTC. `0 2 * * *`: daily at 02:00. `0 6 * * 1`: Mondays at 06:00."
ANOTHER = (
    "Further generators to dissect, in this order. Each job waits for the job before it. It dissects all "
    "layers, with the generator's own segmenter unless you choose one."
)


@dataclass(frozen=True)
class Timing:
    """When and how urgently a job runs; `cron` and `name` are empty unless it is a schedule."""

    when: When
    cron: str = ""
    name: str = ""
    then: tuple[str, ...] = ()


def ask(generators: Sequence[str]) -> Timing:
    """Draw the choices and return their values; `generators` can be queued after the first."""
    how = url.choice(
        st.segmented_control, "Run", "when", list(LABELS), format_func=LABELS.__getitem__, width="content"
    )
    with st.grid(min_column_width=220):
        if how == "every":
            cron = url.text(st.text_input, "Cron (UTC)", "cron", default="0 2 * * *", help=CRON)
            default = f"{url.get('generator', 'job')} at night"
            name = url.text(st.text_input, "Schedule's name", "name", default=default)
        moment = chosen_moment() if how == "at" else None
        help_text = "Jobs with priority 1 run first, those with 9 last. At equal priority, owners take turns."
        priority = url.whole(st.number_input, "Priority", "priority", 1, 9, 5, help=help_text)
        then: list[str] = []
        if how != "every" and generators:
            then = url.several(
                st.multiselect, "Then", "then", generators, help=ANOTHER, placeholder="No further job"
            )
    if how == "every":
        return Timing(When(priority=priority), cron.strip(), name.strip())
    return Timing(When(priority=priority, at=moment), then=tuple(then))


def chosen_moment() -> datetime:
    """Draw the field for a time in the reader's zone, in the address as `at`, UTC.

    The default is the next full hour.
    """
    default = utc_now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    label = f"At ({times.zone().key})"
    return url.moment(st.datetime_input, label, "at", default, times.local, times.from_local)


def sentence(timing: Timing) -> str:
    """When the job runs, in a sentence.

    Raises:
        GanatomyError: The cron expression is not valid.
    """
    if timing.cron:
        coming = times.long_form(jobs.client().next_time(timing.cron))
        again = any(view.name == timing.name for view in jobs.overview().schedules)
        replaced = " The button replaces the existing schedule of this name." if again else ""
        return f"Next run: {coming}. Skipped while an identical result exists.{replaced}"
    if timing.when.at is None:
        return ""
    past = timing.when.at <= utc_now()
    return (
        "This time is in the past, so the job runs at once."
        if past
        else f"Runs on {times.long_form(timing.when.at)}."
    )
