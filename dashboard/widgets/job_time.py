"""When a job runs: now, at a time, or by a cron expression; how urgent it is; which jobs follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import streamlit as st

from dashboard.widgets import jobs, times, url
from db.times import utc_now
from jobs.kinds.requests import When

LABELS = {"now": "Now", "at": "At a time", "every": "Again and again"}
CRON = "Minute, hour, day, month, weekday, in UTC. `0 2 * * *` is 02:00 each day, `0 6 * * 1` Monday 06:00."
ANOTHER = (
    "Other generators, in this order. Each job waits for the one before. It reads all layers, with the "
    "generator's own segmenter unless one is chosen."
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
        help_text = "1 runs first, 9 last. Among equals, owners take turns."
        priority = url.whole(st.number_input, "Priority", "priority", 1, 9, 5, help=help_text)
        then: list[str] = []
        if how != "every" and generators:
            then = url.several(
                st.multiselect, "Then", "then", generators, help=ANOTHER, placeholder="Nothing more"
            )
    if how == "every":
        return Timing(When(priority=priority), cron.strip(), name.strip())
    return Timing(When(priority=priority, at=moment), then=tuple(then))


def chosen_moment() -> datetime:
    """A time, in the address as `at`; the default is the next full hour."""
    default = utc_now().replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return url.moment(st.datetime_input, "At (UTC)", "at", default)


def sentence(timing: Timing) -> str:
    """When the job runs, in a sentence.

    Raises:
        GanatomyError: The cron expression is not valid.
    """
    if timing.cron:
        coming = times.long_form(jobs.client().next_time(timing.cron))
        again = any(view.name == timing.name for view in jobs.client().schedules())
        replaced = " A schedule of that name is there already; the button replaces it." if again else ""
        return f"First on {coming}. It queues nothing while its result is there already.{replaced}"
    if timing.when.at is None:
        return ""
    past = timing.when.at <= utc_now()
    return "That time is past, so it runs at once." if past else f"Runs on {times.long_form(timing.when.at)}."
