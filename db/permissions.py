"""Who may do what to whose things: one rule for jobs, schedules, runs, notes, boards, queries and models.

A viewer looks. A member also makes things, and changes the own ones. An admin may change everybody's.
"""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Literal, get_args

Role = Literal["viewer", "member", "admin"]
Origin = Literal["login", "typed", "terminal", "program"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)
NOBODY = "anyone"  # the owner of what nobody put a name to
NAME = r"\w[\w .@+'-]{0,63}"  # what an owner may be called, as a regular expression


@dataclass(frozen=True)
class Person:
    """Who acts: the name that their things carry, what they may do, and where the name comes from.

    Without a login everybody is an admin.
    """

    name: str
    role: Role = "admin"
    origin: Origin = "typed"


WORKER = Person("worker", origin="program")


@cache
def operator() -> Person:
    """The person at this machine's command line."""
    try:
        return Person(getpass.getuser(), origin="terminal")
    except (OSError, KeyError):  # a container's user may have no name
        return Person(NOBODY, origin="terminal")


def role(address: str, admins: Iterable[str], members: Iterable[str]) -> Role:
    """The role of somebody who logged in. Patterns are addresses in which * stands for anything.

    >>> role("Ada@example.org", ["ada@example.org"], ["*@example.org"])
    'admin'
    >>> role("bob@example.org", [], ["*@example.org"]), role("eve@example.com", [], ["*@example.org"])
    ('member', 'viewer')
    """

    def named(patterns: Iterable[str]) -> bool:
        return any(fnmatchcase(address.lower(), pattern.lower()) for pattern in patterns)

    return "admin" if named(admins) else "member" if named(members) else "viewer"


def refusal(person: Person, action: str, kind: str, owner: str) -> str:
    """Why a person may not do something to a thing of a kind, in a sentence; "" where they may.

    `owner` is whose the thing is. What is new is its maker's.

    >>> refusal(Person("bob", "member"), "cancel", "job", "ada")
    'This job belongs to ada; only its owner or an admin can cancel it.'
    """
    if person.role == "admin":
        return ""
    if person.role == "viewer":
        if person.name == NOBODY:
            return f"Log in to {action} a {kind}; without a login you can look at everything."
        return f"A viewer cannot {action} a {kind}; ask an admin to make you ({person.name}) a member."
    if owner in ("", NOBODY):
        return f"This {kind} has no owner; only an admin can {action} it."
    if owner != person.name:
        return f"This {kind} belongs to {owner}; only its owner or an admin can {action} it."
    return ""
