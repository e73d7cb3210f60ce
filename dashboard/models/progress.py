"""A trial on a page: how far it is while its process runs, else what came of it."""

from dataclasses import asdict

import streamlit as st

from dashboard.team import people
from dashboard.widgets import page, words
from jobs.models import trials
from jobs.models.trials import Trial

EVERY_S = 1.1  # not a multiple of other refreshes: Streamlit 1.67 may lose one of two at the same moment


def followed(trial: Trial, key: str, again: bool = True) -> Trial | None:
    """The trial once it is done. While it runs, or if it failed, that is drawn, and None is returned.

    `again` offers to try what failed once more.
    """
    if trial.state == "running":
        _wait(trial, key)
        return None
    if trial.state == "failed":
        with st.container(key=f"failed-{key}"):
            st.error(words.plain(trial.error), icon=":material/error:")
            if (
                again
                and not page.read_only()
                and st.button("Try again", key=f"again-{key}", icon=":material/replay:")
            ):
                # Who asks now need not be who asked first, and may do other things.
                who = {"person": asdict(people.person())} if "person" in trial.request else {}
                trials.ask(page.layout(), trial.what, {**trial.request, **who}, again=True)
                st.rerun()
        return None
    return trial


def _wait(trial: Trial, key: str) -> None:
    """Draw how far a trial is, and the page again as soon as it has ended."""

    def tick() -> None:
        found = trials.look(page.layout(), trial.id)
        if found is None or found.state != "running":
            st.rerun()
        bar(found)

    st.fragment(tick, run_every=EVERY_S, key=f"wait-{key}")()


def bar(trial: Trial) -> None:
    """Draw the stage of a trial that runs, with a bar where its length is known."""
    stage = words.plain(trial.stage or "Starting")
    if trial.total:
        mb = f"{trial.done / 1e6:,.0f} of {trial.total / 1e6:,.0f} MB"
        st.progress(min(trial.done / trial.total, 1.0), text=f"{stage}: {mb}")
    else:
        st.caption(f":material/hourglass: {stage} ({words.seconds(trial.seconds)} so far)")
