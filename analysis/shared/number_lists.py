"""Lists of numbers as people type them: `4,17-20`. One reader for forms, commands and edits. No torch."""

from __future__ import annotations

import re

from analysis.shared.errors import GanatomyError

MOST = 4096  # numbers that one list may name
SPAN = re.compile(r"([0-9]{1,6})(?:\s*-\s*([0-9]{1,6}))?")


def span(text: str) -> tuple[int, int]:
    """The first and last number of `7` or `4-9`.

    Raises:
        GanatomyError: it is neither, runs backwards, or is too long.
    """
    match = SPAN.fullmatch(text.strip())
    if not match:
        raise GanatomyError(f"'{text.strip()}' is not a number or a range such as 4-9")
    first, last = int(match[1]), int(match[2] or match[1])
    if not 0 <= last - first < MOST:
        raise GanatomyError(f"the range '{text.strip()}' runs backwards or is longer than {MOST} numbers")
    return first, last


def numbers(text: str) -> list[int]:
    """The numbers in the order in which they are named, each once.

    Raises:
        GanatomyError: the text is no such list.

    >>> numbers("4, 17-19,4")
    [4, 17, 18, 19]
    """
    found: dict[int, None] = {}
    try:
        for part in filter(None, (part.strip() for part in text.split(","))):
            first, last = span(part)
            found |= dict.fromkeys(range(first, last + 1))
    except GanatomyError as error:
        raise GanatomyError(f"'{text}' is not a list of numbers such as 4,17-20: {error}.") from None
    if len(found) > MOST:
        raise GanatomyError(f"'{text[:40]}...' names more than {MOST} numbers.")
    return list(found)
