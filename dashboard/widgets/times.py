"""Times in the future: in UTC, as in the store, and in the viewer's time zone."""

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard.widgets import words
from db.times import utc_now


def long_form(moment: datetime, zone: str | None = None, now: datetime | None = None) -> str:
    """A UTC time such as `Mon 23 Nov 2026, 02:00 UTC (03:00 in Europe/Paris), in 5 hours`.

    Without `zone`, the browser's time zone is used.
    """
    text = f"{moment:%a %d %b %Y, %H:%M} UTC"
    with suppress(ValueError, KeyError, OSError):  # a browser may name a zone that this machine does not know
        zone = zone or st.context.timezone or "UTC"
        there = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
        other = "" if there.date() == moment.date() else "%a "
        text += f" ({there.strftime(other + '%H:%M')} in {zone})" if there.utcoffset() else ""
    return f"{text}, {ahead(moment, now)}"


def ahead(moment: datetime, now: datetime | None = None) -> str:
    """How far in the future a time is: `in 5 hours`."""
    seconds = (moment - (now or utc_now())).total_seconds()
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"in {words.count(round(seconds / size), unit)}"
    return "in a moment" if seconds > 0 else "now"
