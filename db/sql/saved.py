"""Queries that people save under a name. Saving again makes a new version, and none is ever lost.

saved.save(layout, person, "best units", "SELECT ...", "What to look at first")
query = saved.get(layout, "best units")
console.run(layout, query.sql, values=query.values())
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from db import workspace
from db.errors import StoreError
from db.layout import Layout
from db.permissions import Person
from db.sql.parameters import Value, names
from db.sql.questions import COMMON, QUESTIONS, Parameter

PREFIX = "p."  # of a parameter's value among the settings


@dataclass(frozen=True)
class SavedQuery:
    """One version of a query; `author` saved it, `owner` the first version.

    `settings` are how the SQL page shows it, as in its address: chart, columns, values of parameters, and the
    worked question that it began as.
    """

    name: str
    version: int
    sql: str
    description: str
    tags: tuple[str, ...]
    settings: Mapping[str, str]
    author: str
    owner: str
    saved_at: datetime
    removed: bool

    def fields(self) -> Mapping[str, Parameter]:
        """What is known of the parameters that it may have."""
        begun = QUESTIONS.get(self.settings.get("question", ""))
        return {**COMMON, **(begun.parameters if begun else {})}

    def values(self, others: Mapping[str, str] | None = None) -> dict[str, Value]:
        """The value of each parameter that was saved, or that other settings have."""
        found: dict[str, Value] = {}
        for name in names(self.sql):
            said = (self.settings if others is None else others).get(PREFIX + name)
            known = self.fields().get(name)
            if said is None or (known and not said):
                continue  # saved before it was asked with a value
            found[name] = float(said) if known and not known.choices else said
        return found


def tags(text: str) -> tuple[str, ...]:
    """The tags of a text with commas between them, each once.

    >>> tags("doors, layer4,, doors ")
    ('doors', 'layer4')
    """
    return tuple(dict.fromkeys(part for each in text.split(",") if (part := each.strip())))


def settings(address: str | None) -> dict[str, str]:
    """The settings that were written as a part of an address.

    >>> settings("chart=bar&p.concept=sky&p.where=")
    {'chart': 'bar', 'p.concept': 'sky', 'p.where': ''}
    """
    return dict(parse_qsl(address or "", keep_blank_values=True))


def save(
    layout: Layout,
    person: Person,
    name: str,
    sql: str,
    description: str = "",
    tagged: str = "",
    shown: Mapping[str, str] | None = None,
    removed: bool = False,
) -> SavedQuery:
    """Write the next version of a query; `shown` are its settings.

    Raises StoreError for a name that a worked question has, and NotAllowedError for a query that is
    somebody else's.
    """
    name = name.strip()
    if name in QUESTIONS:
        raise StoreError(f"A worked question is called {name}; choose another name.")
    if not name or not sql.strip():
        raise StoreError("A saved query needs a name and a statement; write both.")
    workspace.open(layout, person).add(
        "saved_query",
        person.name,
        name=name,
        sql=sql,
        description=description.strip(),
        tags=", ".join(tags(tagged)),
        address=urlencode(shown or {}),
        removed=removed,
    )
    return versions(layout, name)[-1]


def save_again(layout: Layout, person: Person, query: SavedQuery, removed: bool = False) -> SavedQuery:
    """Make a version the newest one: to bring it back, or, with `removed`, to take it off the lists."""
    kept = (query.description, ",".join(query.tags), query.settings)
    return save(layout, person, query.name, query.sql, *kept, removed)


def versions(layout: Layout, name: str | None = None) -> list[SavedQuery]:
    """Every version of a query, or of all of them, in the order in which they were saved."""
    if not layout.workspace.exists():
        return []
    space = workspace.open(layout)
    found = space.rows("saved_query") if name is None else space.rows("saved_query", name=name)
    owners: dict[str, str] = {}
    every = []
    for row in found.astype(object).where(found.notna(), None).to_dict("records"):
        every.append(
            SavedQuery(
                name=row["name"],
                version=int(row["version"]),
                sql=row["sql"],
                description=row["description"] or "",
                tags=tags(row["tags"] or ""),
                settings=settings(row["address"]),
                author=row["author"],
                owner=owners.setdefault(row["name"], row["author"]),
                saved_at=row["created_at"],
                removed=bool(row["removed"]),
            )
        )
    return every


def newest(layout: Layout) -> dict[str, SavedQuery]:
    """The newest version of each query that is not removed, by name; what was saved last comes first."""
    last: dict[str, SavedQuery] = {}
    for query in reversed(versions(layout)):
        last.setdefault(query.name, query)
    return {name: query for name, query in last.items() if not query.removed}


def get(layout: Layout, name: str, version: int | None = None) -> SavedQuery:
    """A version of a query, else the newest one. Raises StoreError for what was never saved."""
    found = versions(layout, name)
    if not found:
        raise StoreError(
            f"There is no saved query {name}; the list of saved queries on the SQL page has all."
        )
    if version is None:
        return found[-1]
    for query in found:
        if query.version == version:
            return query
    raise StoreError(f"Saved query {name} has no version {version}; it has {len(found)}.")
