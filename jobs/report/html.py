"""HTML in which every text is escaped unless it is `Markup`, and the frame of a report in one file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

# Nothing is fetched: no script, style, font or picture from elsewhere.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
STYLE = (Path(__file__).parent / "style.css").read_text()


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(kind: str, /, *inside: object, **attributes: object) -> Markup:
    """An element. `class_` and the like lose their underscore; an underscore within a name becomes a hyphen.

    >>> tag("p", "a < b ", tag("b", 1), class_="soft")
    '<p class="soft">a &lt; b <b>1</b></p>'
    """
    shown = {each.rstrip("_").replace("_", "-"): value for each, value in attributes.items()}
    said = "".join(f' {each}="{escape(str(value))}"' for each, value in shown.items() if value is not None)
    if kind in ("img", "meta"):
        return Markup(f"<{kind}{said}>")
    return Markup(f"<{kind}{said}>{joined(inside)}</{kind}>")


def joined(parts: Iterable[object]) -> Markup:
    """Parts one after another; what is no `Markup` is escaped."""
    return Markup("".join(part if isinstance(part, Markup) else escape(str(part)) for part in parts))


def picture(png: bytes, alt: str) -> Markup:
    """A picture within the file."""
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return tag("figure", tag("img", src=source, alt=alt))


def table(rows: Sequence[Mapping[str, object]], columns: Mapping[str, str]) -> Markup:
    """Rows as a table; `columns` has the title of each name."""
    numeric = {
        name
        for name in columns
        if all(isinstance(row.get(name), int | float | None) for row in rows)
        and not all(isinstance(row.get(name), bool | None) for row in rows)
    }

    def cell(kind: str, name: str, value: object) -> Markup:
        return tag(kind, value, class_="number" if name in numeric else None)

    head = tag("tr", *(cell("th", name, title) for name, title in columns.items()))
    body = (tag("tr", *(cell("td", name, shown(row.get(name))) for name in columns)) for row in rows)
    return tag("div", tag("table", tag("thead", head), tag("tbody", *body)), class_="scroll", tabindex=0)


def shown(value: object) -> str:
    """A value as a reader expects it: three significant digits, a dash for what is not known."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def facts(values: Mapping[str, object]) -> Markup:
    """Names and values in two columns, without those that are not known."""
    known = {name: value for name, value in values.items() if value not in (None, "")}
    return tag("dl", *(part for name, value in known.items() for part in (tag("dt", name), tag("dd", value))))


def document(title: str, finding: str, *parts: Markup) -> str:
    """The whole file."""
    head = joined(
        [
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("title", title),
            tag("style", Markup(STYLE)),
        ]
    )
    body = tag("main", tag("h1", title), tag("p", finding, class_="finding"), *parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{body}</body></html>\n'
