"""Times of the store, which are in UTC, in the reader's time zone, and how far from now they are."""

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pandas as pd
import streamlit as st

from dashboard.widgets import words
from db.times import utc_now


def zone() -> ZoneInfo:
    """The reader's time zone, as the browser names it; UTC where it does not, or nobody here knows it."""
    with suppress(ValueError, KeyError, OSError):
        return ZoneInfo(st.context.timezone or "UTC")
    return ZoneInfo("UTC")


def local(moment: datetime, there: ZoneInfo | None = None) -> datetime:
    """A UTC time as a clock on the reader's wall has it, without an offset."""
    return moment.replace(tzinfo=UTC).astimezone(there or zone()).replace(tzinfo=None)


def from_local(moment: datetime, there: ZoneInfo | None = None) -> datetime:
    """What `local` makes of a UTC time, back again."""
    return moment.replace(tzinfo=there or zone()).astimezone(UTC).replace(tzinfo=None)


def long_form(moment: datetime, there: ZoneInfo | None = None, now: datetime | None = None) -> str:
    """A UTC time such as `Mon 23 Nov 2026, 03:00 in Europe/Paris (02:00 UTC), in 5 hours`."""
    there = there or zone()
    at = local(moment, there)
    if at == moment:
        return f"{moment:%a %d %b %Y, %H:%M} UTC, {ahead(moment, now)}"
    day = "" if at.date() == moment.date() else "%a "
    text = f"{at:%a %d %b %Y, %H:%M} in {there.key} ({moment.strftime(day + '%H:%M')} UTC)"
    return f"{text}, {ahead(moment, now)}"


def past(moment: datetime | None, zone: str | None = None, now: datetime | None = None) -> str:
    """A UTC time that has passed, such as `2 hours ago (23 Nov, 03:00)`, in the viewer's time zone.

    Without `zone`, the browser's time zone is used; a machine that does not know it shows UTC, and says so.
    """
    if moment is None or pd.isna(moment):
        return "-"
    zone = zone or st.context.timezone
    there, name = moment.replace(tzinfo=UTC), " UTC"
    with suppress(ValueError, KeyError, OSError):
        if zone:
            there, name = there.astimezone(ZoneInfo(zone)), ""
    year = "" if there.year == (now or utc_now()).year else " %Y"
    return f"{words.ago(moment)} ({there.strftime(f'%d %b{year}, %H:%M')}{name})"


def ahead(moment: datetime, now: datetime | None = None) -> str:
    """How far in the future a time is: `in 5 hours`."""
    seconds = (moment - (now or utc_now())).total_seconds()
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return f"in {words.count(round(seconds / size), unit)}"
    return "in a moment" if seconds > 0 else "now"
