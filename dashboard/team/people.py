"""Who looks: from the login where there is one, else a name that this browser keeps. Never in an address."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import streamlit as st

from dashboard.viewer import cookies
from dashboard.widgets import words

NOBODY = "anyone"
COOKIE = "ganatomy-name"
LONGEST = 64


def name() -> str:
    """The name of whoever looks, with which notes, marks and pins are stored."""
    if getattr(st.user, "is_logged_in", False):
        return str(st.user.get("name") or st.user.get("email") or NOBODY)[:LONGEST]
    if providers() is not None:
        return NOBODY  # where people log in, a name that anybody may type counts for nothing
    return (cookies.kept(COOKIE) or "").strip()[:LONGEST] or NOBODY


@cache
def providers() -> tuple[str, ...] | None:
    """The login providers by name, as Streamlit's secrets configure them; None where nobody can log in.

    A single provider has no name.
    """
    try:
        auth = st.secrets["auth"]
    except (FileNotFoundError, KeyError):
        return None
    return tuple(name for name, value in auth.items() if hasattr(value, "items"))


def owner(text: str | None = None) -> str:
    """A name, else the one of whoever looks, as a job's owner may be written.

    >>> owner("Ada; <b>L</b>"), owner(" ;")
    ('Ada bLb', 'anyone')
    """
    return re.sub(r"[^\w .@-]", "", name() if text is None else text).strip(" .@-") or NOBODY


def log_in(offered: Sequence[str], where: str) -> None:
    """Draw the buttons that lead to a login."""
    for provider in offered or ("",):
        label = f"Log in with {words.plain(provider)}" if provider else "Log in"
        st.button(
            label, key=f"login-{where}-{provider}", on_click=st.login, args=(provider,) if provider else ()
        )


def shown() -> None:
    """Draw who one is, on top of every page, with the way to change it."""
    with st.popover(words.plain(name()), icon=":material/person:", type="tertiary", key="who"):
        ask("top")
        if getattr(st.user, "is_logged_in", False):
            st.button("Log out", key="logout", on_click=st.logout)


def ask(where: str) -> None:
    """Draw who one is, and, without a login, a field to change it. `where` names the place on the page."""
    if getattr(st.user, "is_logged_in", False):
        st.caption(f"You are {words.plain(name())}.")
        return
    if (offered := providers()) is not None:
        log_in(offered, where)
        return
    key = f"person-{where}"
    st.session_state[key] = "" if name() == NOBODY else name()

    def changed() -> None:
        cookies.keep(COOKIE, st.session_state[key].strip())

    st.text_input(
        "Your name",
        max_chars=LONGEST,
        width=180,
        key=key,
        placeholder=NOBODY,
        help="It is stored with what you write, and kept in this browser, not in links.",
        on_change=changed,
    )
    cookies.write(COOKIE)
