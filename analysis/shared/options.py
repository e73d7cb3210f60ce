"""How a setting is shown to people: its label, its help, and the word for "no value". No torch.

A study's settings are one frozen dataclass. A field that people may choose carries an `Option`; the command
line, the form on the Jobs page and `docs/options.md` are made from it. A field without one is for callers in
Python.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True)
... class Settings:
...     images: Annotated[int, Ge(2), Option("Images", "Test images, which give the effects.")] = 64
>>> with_options(Settings(), {"images": 8})
Settings(images=8)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal, TypeVar

from annotated_types import Ge as Ge
from annotated_types import Gt as Gt
from annotated_types import Le as Le
from annotated_types import Lt as Lt

from analysis.shared.errors import GanatomyError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

S = TypeVar("S", bound="DataclassInstance")

__all__ = ["Ge", "Gt", "Le", "Lt", "Option", "with_options"]


@dataclass(frozen=True)
class Option:
    """A setting as people see it.

    `label` names it in the form, `help` is one sentence for form, command line and docs. An `advanced` option
    is folded away in the form. `empty` says what None means, such as "the generator's own"; where the default
    is not None it is also the word that people type for None, such as "all". `names` says whose name the
    value is, so that the form can offer those that exist.
    """

    label: str
    help: str
    advanced: bool = False
    empty: str = ""
    names: Literal["", "generator", "segmenter", "layer", "concept", "reference"] = ""


def with_options(settings: S, given: Mapping[str, object]) -> S:
    """Return the settings with some fields replaced.

    Raises:
        GanatomyError: the settings have no such field.
    """
    known = [field.name for field in fields(settings)]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise GanatomyError(f"There is no option '{unknown[0]}'; the options are {', '.join(known)}.")
    return replace(settings, **given)
