"""Five steps through the real pages for a first visitor: a card above the page, which can be left at once."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from dashboard.viewer import cookies

COOKIE = "ganatomy-tour"
STEP = "tour-step"  # of the session: the number of the step, 1 to 5; 0 when the tour is over


@dataclass(frozen=True)
class Step:
    """One page, and what to look at there."""

    view: str
    title: str
    text: str


STEPS = (
    Step(
        "home",
        "What is inside",
        "A dissection compares every unit of the chosen layers with the concepts in the images. Home lists "
        "the concepts that units detect. Each is a link.",
    ),
    Step(
        "concept",
        "One concept",
        "The units of all layers that detect a concept, their images, and the same images with the units "
        "switched off.",
    ),
    Step(
        "units",
        "One layer",
        "Every unit with its top images. The lift says how far a unit is above what chance and position "
        "alone would score.",
    ),
    Step(
        "paint",
        "Try it",
        "Draw a concept into an image, or remove it, with the units behind it. The numbers beside the image "
        "say what changed.",
    ),
    Step(
        "jobs",
        "Ask your own question",
        "Queue a dissection, or a study of causes, context or artifacts. Results appear on all pages when "
        "the job is done.",
    ),
)


def is_first_visit() -> bool:
    """Whether this browser has not shown the tour yet. What is no browser (a test of a page) says nothing."""
    return isinstance(st.context.headers.get("User-Agent"), str) and cookies.kept(COOKIE) is None


def start() -> None:
    """Begin the tour, again or for the first time, on Home."""
    st.session_state[STEP] = 1
    st.switch_page("views/home.py")


def offer() -> None:
    """Begin the tour on a first visit."""
    if STEP not in st.session_state:
        st.session_state[STEP] = 1 if is_first_visit() else 0


def draw() -> None:
    """Draw the current step, if the tour goes on."""
    number = st.session_state.get(STEP, 0)
    if not number:
        return
    step = STEPS[number - 1]
    cookies.keep(COOKIE, "seen")
    cookies.write(COOKIE)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="tour"):
        st.markdown(f"**{number} of {len(STEPS)} · {step.title}.** {step.text}", width="stretch")
        with st.container(horizontal=True, width="content"):
            if number > 1 and st.button("Back", key="tour-back"):
                _go(number - 1)
            following = "".join(f"Next: {step.title.lower()}" for step in STEPS[number : number + 1])
            if following and st.button(following, key="tour-next", type="primary"):
                _go(number + 1)
            last = "Leave the tour" if following else "Done"
            if st.button(last, key="tour-leave", type="tertiary"):
                st.session_state[STEP] = 0
                st.rerun()


def _go(number: int) -> None:
    st.session_state[STEP] = number
    st.switch_page(f"views/{STEPS[number - 1].view}.py")
