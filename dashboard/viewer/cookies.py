"""Small texts that the browser keeps from one visit to the next, and that no address holds."""

from __future__ import annotations

from urllib.parse import quote, unquote

import streamlit as st

_YEAR_S = 365 * 86400


def kept(name: str) -> str | None:
    """What this browser keeps under a name: in this session, else in its cookie; None for nothing."""
    chosen = st.session_state.get(_key(name))
    if chosen is not None:
        return str(chosen)
    cookie = st.context.cookies.get(name)
    return unquote(cookie) if isinstance(cookie, str) else None  # Streamlit's AppTest has no browser


def keep(name: str, value: str) -> None:
    """Let the browser keep a text; `write` tells it so when the page is drawn."""
    st.session_state[_key(name)] = value


def write(name: str) -> None:
    """Draw what hands the browser its cookie, if this session has something to keep."""
    if _key(name) not in st.session_state:
        return
    value = quote(st.session_state[_key(name)], safe="")  # no character of it can end the string
    cookie = f"{name}={value}; path=/; max-age={_YEAR_S}; SameSite=Lax"
    st.html(f"<script>document.cookie = '{cookie}'</script>", unsafe_allow_javascript=True)


def _key(name: str) -> str:
    return f"cookie-{name}"
