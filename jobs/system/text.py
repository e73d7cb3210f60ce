"""Text from elsewhere (names, notes, errors), shown without control characters."""

from __future__ import annotations

import re

MOST, TAIL = 2000, 500  # characters of one sentence, and of its end where it is longer
# C0 and C1 controls, invisible marks that change the direction of text or its line, and lone surrogates.
_UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e"
    r"\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    r"""Text with control characters as escapes; line breaks and tabs stay.

    >>> visible("a" + chr(27) + "[31mb")
    'a\\x1b[31mb'
    """
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """A sentence on one line: control characters as escapes, and the middle left out where it is too long."""
    if len(text) > MOST:
        text = f"{text[: MOST - TAIL]} ... {text[-TAIL:]}"
    return visible(text).replace("\n", "\\n")
