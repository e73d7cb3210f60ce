"""Schedules on the Jobs page: next time, last job, and buttons to pause, run, change and remove each."""

import streamlit as st

from dashboard.team import people
from dashboard.widgets import form, jobs, page, times, url, words
from jobs.queue.records import Schedule

SHOWN = 20


def everything() -> None:
    """Draw every schedule."""
    with page.sentences():
        found = jobs.overview().schedules
        if not found:
            return
        st.header("Schedules", anchor=False)
        for view in found[:SHOWN]:
            one(view)
        if len(found) > SHOWN:
            more = words.count(len(found) - SHOWN, "more schedule")
            st.caption(f"{more} not shown. `ganatomy jobs schedule list` lists them all.")


def one(view: Schedule) -> None:
    """Draw one schedule: its name, its times, its buttons."""
    with st.container(border=True, gap="xsmall", key=f"schedule-{view.name}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{words.plain(view.name)}**", width="content")
            st.badge("paused" if view.paused else "on", color="orange" if view.paused else "green")
            st.markdown(
                words.plain(view.cron), width="content", help="Minute, hour, day, month, weekday, in UTC."
            )
        st.markdown(f"{words.plain(view.title)}, for {words.plain(view.owner)}")
        st.caption(when(view))
        if not page.read_only():
            changes(view)


def when(view: Schedule) -> str:
    """The next time and the last job, in one line."""
    parts = [
        "Queues nothing until it is resumed."
        if view.next_at is None
        else f"Next on {times.long_form(view.next_at)}."
    ]
    if view.last_fired_at is not None:
        what = words.plain(view.last) if view.last else "a worker will queue it."
        parts.append(f"Last {words.ago(view.last_fired_at)}: {what}{last_state(view)}")
    return " ".join(parts)


def last_state(view: Schedule) -> str:
    """The state of the job that this schedule queued last."""
    if view.last_job is None:
        return ""
    state = jobs.overview().last_states.get(view.last_job)
    if state is None:  # it was removed from the queue
        return ""
    sentences = {"failed": "**It failed.**", "cancelled": "It was cancelled.", "done": "It is done."}
    return f" {sentences.get(state, f'It is {state}.')}"


def changes(view: Schedule) -> None:
    """Draw the buttons of the schedule, or why whoever looks may not use them."""
    if why := people.refusal("change", "schedule", view.owner):
        st.caption(words.plain(why))
    else:
        buttons(view)


def buttons(view: Schedule) -> None:
    """Draw the buttons that pause or resume, run, change and remove the schedule."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if view.paused and st.button("Resume", key=f"resume-{view.name}", icon=":material/play_arrow:"):
            with jobs.writing() as client:
                client.resume(view.name)
            st.rerun()
        if not view.paused and st.button("Pause", key=f"pause-{view.name}", icon=":material/pause:"):
            with jobs.writing() as client:
                client.pause(view.name)
            st.rerun()
        if st.button("Run now", key=f"trigger-{view.name}", icon=":material/bolt:"):
            with jobs.writing() as client:
                client.trigger(view.name)
            st.toast(f"{words.plain(view.name)}: a worker will queue a job now.", icon=":material/bolt:")
        with st.popover("Remove", icon=":material/delete:", key=f"removing-{view.name}"):
            st.markdown("Remove this schedule? Jobs that it queued stay.")
            if st.button("Remove the schedule", key=f"remove-{view.name}", icon=":material/delete:"):
                with jobs.writing() as client:
                    client.unschedule(view.name)
                st.toast(f"{words.plain(view.name)} is removed. Jobs that it queued stay.")
                st.rerun()
        again = {
            **form.texts(view.kind, view.request),
            "when": "every",
            "cron": view.cron,
            "name": view.name,
        }
        url.turn("Change", f"change-{view.name}", ":material/edit:", **again)
        if view.last_job is not None:
            url.turn("Last job", f"last-{view.name}", ":material/history:", job=view.last_job)
