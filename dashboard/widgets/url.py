"""Page state in the address, so that a link shows the same page to a colleague.

Every choice is read from `st.query_params`, handed to its widget through the session, and written back when
the person changes it. Choices are written in full (no default is left out), so that a link still means the
same after new results have come in.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

T = TypeVar("T")


def get(name: str, default: str = "") -> str:
    """The value of one parameter of the address."""
    return st.query_params.get(name, default)


def number(name: str, default: int | None = None) -> int | None:
    """A whole number from the address; other text counts as absent."""
    text = get(name)
    return int(text) if text.isascii() and text.isdigit() else default


@dataclass
class _Change:
    """A parameter as it was, as a person made it, and when (time.monotonic)."""

    old: str | None
    new: str | None
    when: float


FRESH = 10.0  # seconds after which the browser has surely heard of a change


def _changes() -> dict[str, _Change]:
    return st.session_state.setdefault("url-changes", {})


def reconcile() -> None:
    """Restore, at the start of a page, what a person chose a moment ago.

    With each run the browser tells the address that it shows. What it sends before it has heard of a change
    (another widget's change, a click, a timed fragment) still says the old one, and would take it back.
    """
    changes, path, context = _changes(), (st.context.url or "").split("?")[0], get_script_run_ctx()
    moved = st.session_state.get("url-path", path) != path or getattr(context, "is_history_navigation", False)
    if get(HERE) or moved:
        changes.clear()  # a link, or Back: what it says is meant
    st.session_state["url-path"] = path
    for name, change in list(changes.items()):
        shown = st.query_params.get(name)
        if time.monotonic() - change.when > FRESH or shown not in (change.old, change.new):
            del changes[name]
        elif shown == change.old:
            put(**{name: change.new})


def _choose(**values: object) -> None:
    """Write parameters that a person has just changed."""
    before = {name: st.query_params.get(name) for name in values}
    put(**values)
    for name, old in before.items():
        if (new := st.query_params.get(name)) != old:
            _changes()[name] = _Change(old, new, time.monotonic())


def go(**values: object) -> None:
    """Open this page with these parameters and no others; the callback of a button."""
    _choose(**{**dict.fromkeys(st.query_params.to_dict()), **values})


def turn(label: str, key: str, icon: str | None = None, **values: object) -> None:
    """Draw a button to this page with other parameters.

    A link would not do: on a page with a timed fragment, the fragment's next run can replace the click.
    """
    if st.button(label, key=key, icon=icon, on_click=go, kwargs=values):
        st.rerun()


def put(**values: object) -> None:
    """Write parameters; None removes one."""
    for name, value in values.items():
        if name in _changes() and _changes()[name].new != (None if value is None else str(value)):
            del _changes()[name]
        if value is None:
            st.query_params.pop(name, None)
        elif get(name) != str(value):
            st.query_params[name] = str(value)


def everything(**changes: object) -> dict[str, str]:
    """This page's parameters with some changed, for a link; None removes one."""
    values = {**st.query_params.to_dict(), **changes}
    return {name: str(value) for name, value in values.items() if value not in (None, "")}


HERE = "here"  # marks a link to the page that one is on, see `same_page`


def same_page(**values: object) -> dict[str, str]:
    """Parameters of a link to the same page.

    The browser shows the new address only when the page writes it, so the link carries a mark that `arrived`
    takes out.
    """
    return {HERE: "1", **{name: str(value) for name, value in values.items() if value not in (None, "")}}


def arrived() -> None:
    """Remove the mark of a link to the same page from the address."""
    put(**{HERE: None})


def query() -> str:
    """This page's parameters as a query string."""
    return urlencode(st.query_params.to_dict())


def address(page: str, **values: object) -> str:
    """A link to a page of this dashboard, such as `/units?run=...`."""
    chosen = {name: str(value) for name, value in values.items() if value is not None}
    return f"/{page}" + (f"?{urlencode(chosen)}" if chosen else "")


def _key(name: str) -> str:
    return f"url:{st.context.url or ''}".split("?")[0] + f":{name}"


def _bind(name: str, value: object, reset: Sequence[str]) -> dict[str, Any]:
    """Key and callback of a widget for the parameter `name`; a change removes the parameters `reset`."""
    key = _key(name)
    if key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value

    def changed() -> None:
        _choose(**dict.fromkeys(reset), **{name: st.session_state[key]})

    return {"key": key, "on_change": changed}


def choice(
    widget: Callable[..., Any],
    label: str,
    name: str,
    options: Sequence[T],
    default: T | None = None,
    reset: Sequence[str] = (),
    **more: Any,
) -> T:
    """One of `options` (select box, segmented control, slider of steps) held in the address under `name`."""
    by_text = {str(option): option for option in options}
    value = by_text.get(get(name), options[0] if default is None else default)
    put(**{name: value})
    chosen = widget(label, options=options, **_bind(name, value, reset), **more)
    return value if chosen is None else chosen


def several(
    widget: Callable[..., Any], label: str, name: str, options: Sequence[str], **more: Any
) -> list[str]:
    """Any number of `options`, held in the address as a comma-separated list."""
    value = [option for option in options if option in get(name).split(",")]
    key = _key(name)
    st.session_state[key] = value

    def changed() -> None:
        _choose(**{name: ",".join(st.session_state[key]) or None})

    return list(widget(label, options=options, key=key, on_change=changed, **more))


def text(widget: Callable[..., Any], label: str, name: str, default: str = "", **more: Any) -> str:
    """A typed text held in the address, without the parameter when it is empty."""
    reset = more.pop("reset", ())
    value = get(name, default)
    key = _key(name)
    if st.session_state.get(key) != value:
        st.session_state[key] = value

    def changed() -> None:
        cleared = "" if default else None
        _choose(**dict.fromkeys(reset), **{name: st.session_state[key] or cleared})

    return str(widget(label, key=key, on_change=changed, **more))


def moment(widget: Callable[..., Any], label: str, name: str, default: datetime, **more: Any) -> datetime:
    """A time without an offset, held in the address as ISO text; other text counts as absent."""
    try:
        value = datetime.fromisoformat(get(name)).replace(tzinfo=None)
    except ValueError:
        value = default
    put(**{name: value})
    chosen = widget(label, **_bind(name, value, ()), **more)
    return chosen if isinstance(chosen, datetime) else value


def whole(
    widget: Callable[..., Any], label: str, name: str, low: int, high: int, default: int, **more: Any
) -> int:
    """A whole number between `low` and `high` (slider, number input) held in the address."""
    reset = more.pop("reset", ())
    value = min(max(number(name, default) or 0, low), high)
    put(**{name: value})
    return int(widget(label, min_value=low, max_value=high, **_bind(name, value, reset), **more))
