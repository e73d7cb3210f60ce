"""Navigation, and nothing else. Pages are named here, drawn in `views/`."""

from pathlib import Path

import streamlit as st

ICON = (Path(__file__).parent / "favicon.svg").read_text()

st.set_page_config(page_title="Ganatomy", page_icon=ICON, layout="wide", initial_sidebar_state="collapsed")

PAGES = [
    st.Page("views/home.py", title="Home", icon=":material/home:", default=True),
    st.Page("views/units.py", title="Units", icon=":material/grid_view:"),
    st.Page("views/unit.py", title="Unit", icon=":material/crop_free:", visibility="hidden"),
    st.Page("views/layers.py", title="Layers", icon=":material/layers:"),
    st.Page("views/compare.py", title="Compare", icon=":material/compare:"),
    st.Page("views/causes.py", title="Causes", icon=":material/account_tree:"),
    st.Page("views/context.py", title="Context", icon=":material/place:"),
    st.Page("views/artifacts.py", title="Artifacts", icon=":material/bug_report:"),
    st.Page("views/ablate.py", title="Ablate", icon=":material/content_cut:"),
    st.Page("views/jobs.py", title="Jobs", icon=":material/schedule:"),
    st.Page("views/sql.py", title="SQL", icon=":material/table:"),
]

st.navigation(PAGES, position="top").run()
