"""Page state in the address, so that a link shows the same page to a colleague.

Every choice is read from `st.query_params`, handed to its widget through the session, and written back when
the person changes it. Choices are written in full (no default is left out), so that a link still means the
same after new results have come in.

An address that says what a page does not know is answered by a sentence, and nothing is put in its place:
`UnknownValueError` ends the part of the page that asked, see `page.sentences`. Only where the person's own
change of another choice took a value away (another layer has other concepts) does the default take its
place, with a warning.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

import streamlit as st
from streamlit.elements.lib.mutable_tab_container import TabContainer
from streamlit.runtime.scriptrunner import get_script_run_ctx

from analysis.shared.errors import GanatomyError
from dashboard.widgets import words

T = TypeVar("T")
LISTED = 12  # values that a sentence offers


class UnknownValueError(GanatomyError):
    """The address says something that the page does not know."""


def get(name: str, default: str = "") -> str:
    """The value of one parameter of the address."""
    return st.query_params.get(name, default)


def number(name: str, default: int | None = None, low: int = 0, high: int | None = None) -> int | None:
    """A whole number of the address, without a widget. Raises `UnknownValueError` for other text."""
    text = get(name)
    if not text:
        return default
    value = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
    if value is None or value < low or (high is not None and value > high):
        at_most = "" if high is None else f", at most {high:,}"
        least = f" from {low:,} on" if low else ""
        raise not_known(name.capitalize(), name, f"choose a whole number{least}{at_most}")
    return value


def not_known(label: str, name: str, remedy: str, sentence: str = "") -> UnknownValueError:
    """The error about a parameter, whose value is cut where it is long; `sentence` has a {} for it."""
    said = get(name)
    shown = said if len(said) <= 80 else f"{said[:80]}..."
    told = sentence.replace("{}", shown) if sentence else f"\u201c{label}\u201d cannot be {shown}"
    return UnknownValueError(f"{told}; {remedy}.")


def _drawn() -> dict[str, str]:
    """The values that this page drew last, by the parameter, until the person goes elsewhere."""
    return st.session_state.setdefault("url-drawn", {})


def _taken_away(label: str, name: str) -> bool:
    """Whether the page knew this value until the person changed another choice; if so, draw a warning."""
    said = get(name)
    if _drawn().get(name) != said:
        return False
    text = f"\u201c{label}\u201d was {said}, which does not exist here, so it was set back."
    st.warning(words.sentence(text), icon=":material/help:")
    return True


@dataclass
class _Change:
    """A parameter as it was, as a person made it, and when (time.monotonic)."""

    old: str | None
    new: str | None
    when: float


FRESH = 30.0  # seconds after which the browser has surely heard of a change, even a busy one


def _changes() -> dict[str, _Change]:
    return st.session_state.setdefault("url-changes", {})


def reconcile() -> None:
    """Restore, at the start of a page or of a timed fragment, what a person chose a moment ago.

    With each run the browser tells the address that it shows. What it sends before it has heard of a change
    (another widget's change, a click, a timed fragment) still says the old one, and would take it back.
    """
    changes, path, context = _changes(), (st.context.url or "").split("?")[0], get_script_run_ctx()
    moved = st.session_state.get("url-path", path) != path or getattr(context, "is_history_navigation", False)
    if get(HERE) or moved:
        changes.clear()  # a link, or Back: what it says is meant
        _drawn().clear()
    st.session_state["url-path"] = path
    missed: dict[str, object] = {}
    for name, change in list(changes.items()):
        shown = st.query_params.get(name)
        if time.monotonic() - change.when > FRESH or shown not in (change.old, change.new):
            del changes[name]
        elif shown == change.old:
            missed[name] = change.new
    put(**missed)


def change(**values: object) -> None:
    """Write parameters that a person has just changed, in the callback of a widget; None removes one."""
    before = {name: st.query_params.get(name) for name in values}
    put(**values)
    for name, old in before.items():
        if (new := st.query_params.get(name)) != old:
            _changes()[name] = _Change(old, new, time.monotonic())


def go(**values: object) -> None:
    """Open this page with these parameters and no others; the callback of a button."""
    change(**{**dict.fromkeys(st.query_params.to_dict()), **values})


def turn(label: str, key: str, icon: str | None = None, **values: object) -> None:
    """Draw a button to this page with other parameters.

    A link would not do: on a page with a timed fragment, the fragment's next run can replace the click.
    """
    if st.button(label, key=key, icon=icon, on_click=go, kwargs=values):
        st.rerun()


def put(**values: object) -> None:
    """Write parameters; None removes one.

    The browser is told once, so that it never shows, and never sends back, an address that is half new.
    """
    before = st.query_params.to_dict()
    after = dict(before)
    for name, value in values.items():
        if name in _changes() and _changes()[name].new != (None if value is None else str(value)):
            del _changes()[name]
        if value is None:
            after.pop(name, None)
        else:
            after[name] = str(value)
    if after != before:
        st.query_params.from_dict(after)


def page_number(pages: int) -> int:
    """The page of a gallery, from 1. Raises `UnknownValueError` past the last."""
    return number("page", 1, 1, pages) or 1


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
        change(**{**dict.fromkeys(reset), name: st.session_state[key]})

    return {"key": key, "on_change": changed}


def choice(
    widget: Callable[..., Any],
    label: str,
    name: str,
    options: Sequence[T],
    default: T | None = None,
    reset: Sequence[str] = (),
    unknown: str = "",
    sparse: bool = False,
    **more: Any,
) -> T:
    """One of `options` (select box, segmented control, slider of steps) held in the address under `name`.

    Raises `UnknownValueError` for another value; the widget is drawn then with nothing chosen. `unknown` is
    the sentence about it, with {} for the value and no full stop. With `sparse`, the address leaves out the
    default: for what new results cannot change.
    """
    by_text = {str(option): option for option in options}
    said = get(name)
    if said and said not in by_text and not _taken_away(label, name):
        raise _refused(widget, label, name, options, reset, unknown, more)
    usual = options[0] if default is None else default
    value = by_text.get(said, usual)
    put(**{name: None if sparse and value == usual else value})
    _drawn()[name] = str(value)
    chosen = widget(label, options=options, **_bind(name, value, reset), **more)
    return value if chosen is None else chosen


def _refused(
    widget: Callable[..., Any],
    label: str,
    name: str,
    options: Sequence[object],
    reset: Sequence[str],
    unknown: str,
    more: dict[str, Any],
) -> UnknownValueError:
    """Draw the widget with nothing chosen, or a button that takes the value away; the error about it."""
    key = f"{_key(name)}:unknown"
    empty: dict[str, dict[str, Any]] = {
        "selectbox": {"index": None, "placeholder": "Choose"},
        "segmented_control": {"default": None},
    }
    kind = getattr(widget, "__name__", "")
    if kind in empty:

        def changed() -> None:
            change(**{**dict.fromkeys(reset), name: st.session_state[key]})

        own = {what: value for what, value in more.items() if what != "required"}
        widget(label, options=options, key=key, on_change=changed, **empty[kind], **own)
    else:
        without(label, name)
    listed = [str(option) for option in options if str(option)]
    others = f" or another of {len(listed)}" if len(listed) > LISTED else ""
    remedy = f"choose {', '.join(listed[:LISTED])}{others}" if listed else "leave it out"
    return not_known(label, name, remedy, unknown)


def without(label: str, name: str) -> None:
    """Draw a button that takes a parameter out of the address."""
    icon = ":material/undo:"
    st.button(
        f"Without \u201c{label}\u201d", f"without:{name}", on_click=change, kwargs={name: None}, icon=icon
    )


def tabs(labels: Mapping[str, str], name: str = "tab") -> dict[str, TabContainer]:
    """Tabs whose open one is held in the address. Only that one's `open` is true, so only it is drawn."""
    by_label = {label: value for value, label in labels.items()}
    said = get(name)
    if said and said not in labels and not _taken_away("Tab", name):
        without("Tab", name)
        raise not_known("Tab", name, f"choose {', '.join(labels)}")
    value = said if said in labels else next(iter(labels))
    put(**{name: value})
    key = _key(name)
    if st.session_state.get(key) != labels[value]:
        st.session_state[key] = labels[value]

    def changed() -> None:
        change(**{name: by_label[st.session_state[key]]})

    return dict(zip(labels, st.tabs(list(by_label), key=key, on_change=changed), strict=True))


def several(
    widget: Callable[..., Any], label: str, name: str, options: Sequence[str], **more: Any
) -> list[str]:
    """Any number of `options`, held in the address as a comma-separated list.

    What else the address lists is left out, with a warning. Where nothing else is listed,
    `UnknownValueError` is raised.
    """
    listed = [part for part in get(name).split(",") if part]
    lost = [part for part in listed if part not in options]
    value = [option for option in options if option in listed]
    if lost and _drawn().get(name) != get(name):
        if not value:
            without(label, name)
            raise not_known(label, name, "none of it exists here")
        text = f"\u201c{label}\u201d also lists {', '.join(lost)}; that does not exist here and is left out."
        st.warning(words.sentence(text), icon=":material/help:")
    else:
        _drawn()[name] = get(name)
    key = _key(name)
    st.session_state[key] = value

    def changed() -> None:
        change(**{name: ",".join(st.session_state[key]) or None})
        _drawn()[name] = get(name)

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
        change(**{**dict.fromkeys(reset), name: st.session_state[key] or cleared})

    return str(widget(label, key=key, on_change=changed, **more))


def moment(
    widget: Callable[..., Any],
    label: str,
    name: str,
    default: datetime,
    shown: Callable[[datetime], datetime],
    held: Callable[[datetime], datetime],
) -> datetime:
    """A UTC time without an offset, held in the address as ISO text.

    Raises `UnknownValueError` for other text. The widget shows `shown` of it, in the reader's zone; `held`
    takes that back.
    """
    try:
        value = datetime.fromisoformat(get(name)).replace(tzinfo=None) if get(name) else default
        shown(value)
    except (ValueError, OverflowError):  # no time, or one that the reader's zone has not
        without(label, name)
        raise not_known(label, name, "write a time such as 2026-11-26 18:30") from None
    put(**{name: value})
    key = _key(name)
    if st.session_state.get(key) != shown(value):
        st.session_state[key] = shown(value)

    def changed() -> None:
        if isinstance(st.session_state[key], datetime):
            change(**{name: held(st.session_state[key])})

    widget(label, key=key, on_change=changed)
    return value


def whole(
    widget: Callable[..., Any], label: str, name: str, low: int, high: int, default: int, **more: Any
) -> int:
    """A whole number between `low` and `high` (slider, number input) held in the address.

    Raises `UnknownValueError` for anything else.
    """
    reset = more.pop("reset", ())
    said = get(name)
    value = int(said) if re.fullmatch(r"-?\d{1,18}", said, re.ASCII) else None
    if said and (value is None or not low <= value <= high):
        if not _taken_away(label, name):
            without(label, name)
            raise not_known(label, name, f"choose a whole number from {low:,} to {high:,}")
        value = None
    value = min(max(default, low), high) if value is None else value
    put(**{name: value})
    _drawn()[name] = str(value)
    return int(widget(label, min_value=low, max_value=high, **_bind(name, value, reset), **more))
