"""Text from a file as it may stand in a sentence, and the error of a reader. No torch."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 80


class Unreadable(Exception):  # noqa: N818 - what it says of a file: "FILE " and this text make a sentence
    """What is wrong with a file: a predicate, such as "is cut short"."""


def plain(text: object, longest: int = LONGEST) -> str:
    """A name or key without control, format and surrogate characters, cut to a length.

    >>> plain("a" + chr(27) + "[31mb")
    'a[31mb'
    """
    shown = "".join(c for c in str(text)[: 4 * longest] if unicodedata.category(c) not in UNSEEN)
    return shown if len(shown) <= longest else shown[: longest - 3] + "..."


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """A key's place among others when its numbers are counted.

    >>> sorted(["a.10", "a.9", "a.b"], key=natural)
    ['a.9', 'a.10', 'a.b']
    """
    parts = re.split(r"(\d{1,15})", name)
    return tuple(
        (int(part), "") if part.isdecimal() else (-1 if not part else 1 << 60, part) for part in parts
    )


UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
