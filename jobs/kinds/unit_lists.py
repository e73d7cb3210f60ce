"""Unit numbers as people type them in a form or a command: `4,17,31` or `0-7`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, StringConstraints

from analysis.shared.errors import GanatomyError
from analysis.shared.number_lists import numbers


def _text(value: object) -> object:
    """A list as text, without spaces: stored requests and run ids hold this form."""
    if isinstance(value, str):
        return re.sub(r"\s*([,-])\s*", r"\1", value.strip()).strip(",")
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def _checked(value: str) -> str:
    try:
        numbers(value)
    except GanatomyError as error:
        raise ValueError(str(error)) from None
    return value


Units = Annotated[
    str, BeforeValidator(_text), StringConstraints(min_length=1, max_length=4000), AfterValidator(_checked)
]
