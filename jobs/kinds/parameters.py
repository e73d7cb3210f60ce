"""What a request can be given: one `Parameter` per field that carries an `Option`.

The command line, the form, the command that repeats a job and `docs/options.md` are all made from these.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from analysis.shared.options import Option

LARGEST = 2**53 - 1  # the largest whole number that a browser holds


@dataclass(frozen=True)
class Parameter:
    """One thing that a request can be given, with its type, limits, default and the words for people."""

    name: str
    option: Option
    type: type  # int, float, bool or str; str also where several types are possible
    required: bool
    default: Any  # None where it is required
    optional: bool  # None is allowed
    repeats: bool  # a list, written with commas
    choices: tuple[str | int, ...]
    low: int
    high: int

    def value(self, text: str) -> object:
        """What a typed text means; pydantic checks and converts what this leaves as text.

        >>> from jobs.kinds.requests import KINDS
        >>> KINDS["dissect"].parameters()["layers"].value("layer1, layer2")
        ['layer1', 'layer2']
        """
        if self.none and text.strip() in (self.none, ""):
            return None
        if self.repeats:
            return [part.strip() for part in text.split(",") if part.strip()] or [""]
        return next((choice for choice in self.choices if str(choice) == text.strip()), text)

    def text(self, value: object) -> str:
        """The text that `value` is typed as; `value` of it gives the same again."""
        if value is None:
            return self.none
        if isinstance(value, list | tuple):
            return ",".join(map(str, value))
        return ("yes" if value else "no") if isinstance(value, bool) else str(value)

    @property
    def none(self) -> str:
        """The word that stands for None where that is not the default, such as "all"; else empty."""
        return self.option.empty if self.optional and self.default is not None else ""

    @property
    def flag(self) -> str:
        """The option's name on the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def positional(self) -> bool:
        """Whether the command line takes it without a flag: what is studied."""
        return self.name in ("generator", "generators")

    @property
    def help(self) -> str:
        """Its help, with what happens when it is left out."""
        if self.none:
            return f"{self.option.help} Or: {self.none}."
        default = f" Default: {self.option.empty}." if self.option.empty else ""
        return self.option.help + default

    @property
    def kind(self) -> str:
        """What may be given, in a word: int, float, text, a|b, or text,text where it repeats."""
        names = {int: "int", float: "float", str: "text"}
        word = "|".join(map(str, self.choices)) or names[self.type]
        word = f"{word},..." if self.repeats else word
        return f"{word}|{self.none}" if self.none else word


def parameter(name: str, field: FieldInfo) -> Parameter | None:
    """The parameter of a field, or None where the field has no `Option`."""
    option = next((part for part in field.metadata if isinstance(part, Option)), None)
    if option is None:
        return None
    parts = _alternatives(field.annotation)
    optional, parts = NoneType in parts, [part for part in parts if part is not NoneType]
    repeats = len(parts) == 1 and get_origin(parts[0]) is tuple
    parts = _alternatives(get_args(parts[0])[0]) if repeats else parts
    only = parts[0] if len(parts) == 1 else str
    choices = get_args(only) if get_origin(only) is Literal else ("no", "yes") if only is bool else ()
    required = field.is_required()
    return Parameter(
        name=name,
        option=option,
        type=only if only in (int, float) else str,
        required=required,
        default=None if required else field.get_default(call_default_factory=True, validated_data={}),
        optional=optional,
        repeats=repeats,
        choices=choices,
        low=max([int(part.ge) for part in field.metadata if isinstance(part, Ge)] + [0]),  # type: ignore[call-overload]
        high=min([int(part.le) for part in field.metadata if isinstance(part, Le)] + [LARGEST]),  # type: ignore[call-overload]
    )


def _alternatives(annotation: Any) -> list[Any]:
    """The types of a union without their annotations."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [each for part in get_args(annotation) for each in _alternatives(part)]
    return [annotation]


def of_settings(settings: type) -> dict[str, Parameter]:
    """The parameters of a settings dataclass: its fields that carry an `Option`."""
    hints = get_type_hints(settings, include_extras=True)
    found = {}
    for field in dataclasses.fields(settings):
        made = parameter(field.name, FieldInfo.from_annotated_attribute(hints[field.name], field.default))
        if made is not None:
            found[field.name] = made
    return found


def words(command: str, given: Mapping[str, object], parameters: Mapping[str, Parameter]) -> list[str]:
    """The words of the command line that gives these values.

    Numbers are always there, so that a reader sees the amounts; others where they differ from their default.
    """
    said = ["ganatomy", command]
    for name, value in given.items():
        known = parameters[name]
        if known.positional:
            said[2:2] = [value] if isinstance(value, str) else [*value]  # type: ignore[misc]
        elif value != known.default or (known.type in (int, float) and value is not None):
            said += [known.flag, known.text(value)]
    return said
