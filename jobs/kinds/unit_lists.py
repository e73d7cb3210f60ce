"""Unit numbers as people type them in a form or a command: `4,17,31` or `0-7`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, StringConstraints

MOST = 4096  # units that one list may name
NUMBERS = r"\d{1,6}(-\d{1,6})?(,\d{1,6}(-\d{1,6})?)*"


def _compact(value: object) -> object:
    if isinstance(value, str):
        return re.sub(r"\s*([,-])\s*", r"\1", value.strip()).strip(",")
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


Units = Annotated[str, BeforeValidator(_compact), StringConstraints(pattern=f"^{NUMBERS}$", max_length=4000)]


def listed(text: str) -> list[int]:
    """The numbers in the order in which they are named, each once.

    >>> listed("4,17-19,4")
    [4, 17, 18, 19]
    """
    found: dict[int, None] = {}
    for part in text.split(","):
        first, _, last = part.partition("-")
        for number in range(int(first), min(int(last or first), int(first) + MOST) + 1):
            found[number] = None
    return list(found)[:MOST]
