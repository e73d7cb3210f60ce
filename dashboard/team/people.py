"""Who looks: from the login where there is one, else a name that this browser keeps. Never in an address."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import streamlit as st

from analysis.shared.errors import GanatomyError
from dashboard.viewer import cookies
from dashboard.widgets import words
from db import permissions
from db.permissions import NAME, NOBODY, Person
from jobs.system.settings import Settings

COOKIE = "ganatomy-name"
LONGEST = 64


def person() -> Person:
    """Who acts here, and what they may do: everything, where nobody can log in.

    Whoever has not logged in where others can is a viewer: a name that anybody may type counts for nothing.
    """
    if providers() is None:
        return Person((cookies.kept(COOKIE) or "").strip()[:LONGEST] or NOBODY)
    if not (address := _address()):
        return Person(NOBODY, "viewer", "login")
    settings = _settings(os.environ.get("GANATOMY_ADMINS"), os.environ.get("GANATOMY_MEMBERS"))
    return Person(address, permissions.role(address, settings.admins, settings.members), "login")


@cache
def _settings(_admins: str | None, _members: str | None) -> Settings:
    return Settings()  # reading all settings takes milliseconds, and pages ask often


def _address() -> str:
    """The e-mail address of the login; "" without a login, or with none that its provider vouches for.

    A provider's other names are no proof: people may choose them.
    """
    if not logged_in() or st.user.get("email_verified") is False:
        return ""
    address = str(st.user.get("email") or "").lower()
    return address if re.fullmatch(NAME, address) else ""


def logged_in() -> bool:
    """Whether this session has logged in."""
    return bool(getattr(st.user, "is_logged_in", False))


def name() -> str:
    """The name of whoever looks, with which notes, marks and pins are stored."""
    return person().name


def refusal(action: str, kind: str, owner: str | None) -> str:
    """Why whoever looks may not do something to what is somebody's, in a sentence; "" where they may."""
    return permissions.refusal(person(), action, kind, owner or "")


def tidies(author: str) -> bool:
    """Whether whoever looks may remove what an author wrote: the own, and as an admin who logged in all."""
    who = person()
    return author == who.name or (who.role == "admin" and who.origin == "login")


@cache
def providers() -> tuple[str, ...] | None:
    """The login providers by name, as Streamlit's secrets configure them; None where nobody can log in.

    A single provider has no name.

    Raises:
        GanatomyError: there are secrets that cannot be read, so it is not known whether people must log in.
    """
    try:
        auth = st.secrets["auth"]
    except KeyError:
        return None
    except FileNotFoundError as error:  # Streamlit says so of a file with a mistake in it too
        files = [file for file in map(Path, st.get_option("secrets.files")) if file.exists()]
        if files:
            raise GanatomyError(
                f"{files[0]} cannot be read, so nobody can log in and no page is shown; mend the file, and "
                "start the dashboard again."
            ) from error
        return None
    return tuple(name for name, value in auth.items() if hasattr(value, "items"))


def owner(text: str | None = None) -> str:
    """A name, else the one of whoever looks, as a job's owner may be written.

    >>> owner("Ada; <b>L</b>"), owner(" ;")
    ('Ada bLb', 'anyone')
    """
    return re.sub(r"[^\w .@+'-]", "", name() if text is None else text).strip(" .@+'-") or NOBODY


def log_in(offered: Sequence[str], where: str) -> None:
    """Draw the buttons that lead to a login."""
    for provider in offered or ("",):
        label = f"Log in with {words.plain(provider)}" if provider else "Log in"
        st.button(
            label, key=f"login-{where}-{provider}", on_click=st.login, args=(provider,) if provider else ()
        )


def shown() -> None:
    """Draw who one is, on top of every page, with the way to change it."""
    label = str(st.user.get("name") or name()) if logged_in() else name()
    with st.popover(words.plain(label), icon=":material/person:", type="tertiary", key="who"):
        ask("top")
        admin = person().role == "admin"
        if admin and st.button("Who did what", key="audit", icon=":material/history:"):
            st.switch_page("views/audit.py")
        if logged_in():
            st.button("Log out", key="logout", on_click=st.logout)


def ask(where: str) -> None:
    """Draw who one is, and, without a login, a field to change it. `where` names the place on the page."""
    if logged_in():
        who = person()
        said = f"You are {words.plain(who.name)}, {'an' if who.role == 'admin' else 'a'} {who.role}."
        none = "Your login has no verified e-mail address, so you can only look."
        st.caption(none if who.name == NOBODY else said)
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
