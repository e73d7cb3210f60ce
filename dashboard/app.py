"""Navigation, and nothing else. `jobs.kinds` declares the pages that show runs; all are drawn in `views/`."""

from pathlib import Path

import streamlit as st

from jobs.kinds.base import Page
from jobs.kinds.requests import KINDS

ICON = (Path(__file__).parent / "favicon.svg").read_text()

st.set_page_config(page_title="Ganatomy", page_icon=ICON, layout="wide", initial_sidebar_state="collapsed")

HOME = Page("home", "Home", "home", 0)
OTHERS = (
    Page("compare", "Compare", "compare", 30),
    Page("jobs", "Jobs", "schedule", 80),
    Page("sql", "SQL", "table", 90),
)
DECLARED = [page for kind in KINDS.values() for page in kind.pages]

PAGES = [
    st.Page(
        f"views/{page.view}.py",
        title=page.title,
        icon=f":material/{page.icon}:",
        default=page is HOME,
        visibility="hidden" if page.hidden else "visible",
    )
    for page in sorted((HOME, *OTHERS, *DECLARED), key=lambda page: page.place)
]

st.navigation(PAGES, position="top").run()
