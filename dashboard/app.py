"""Navigation, and nothing else. `widgets/page_list.py` has the pages; all are drawn in `views/`."""

from pathlib import Path

import streamlit as st

from analysis.shared.errors import GanatomyError
from dashboard.team import people
from dashboard.widgets import page_list

HERE = Path(__file__).parent
ICON, LOGO = ((HERE / name).read_text() for name in ("favicon.svg", "logo.svg"))
INK = {"light": "#0f1719", "dark": "#e4eaea"}  # the text colours of .streamlit/config.toml

st.set_page_config(page_title="Ganatomy", page_icon=ICON, layout="wide", initial_sidebar_state="collapsed")

st.html(HERE / "widgets" / "back.html", width="content", unsafe_allow_javascript=True)

st.logo(LOGO.replace("currentColor", INK[st.context.theme.type or "light"]))

PAGES = [
    st.Page(
        f"views/{page.view}.py",
        title=page.title,
        icon=f":material/{page.icon}:",
        default=page is page_list.HOME,
        visibility="hidden" if page.hidden else "visible",
    )
    for page in page_list.PAGES
]

try:
    people.providers()
except GanatomyError as error:  # nobody can tell who may do what
    st.error(str(error), icon=":material/error:")
else:
    st.navigation(PAGES, position="top").run()
