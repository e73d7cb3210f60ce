"""An edit of a generator's units, as a value: it fits a URL and a table cell, and means the same everywhere.

    Edit.parse("ablate layer3 4,17,31")
    Edit.ablate("layer3", [4, 17, 31])                                  # the same
    Edit.parse("insert layer4 12=3.5,40=2 at 8-11:3-6 by 0.5; scale layer2 7=2")
    Edit.ablate("layer3", [4]).then(Edit.insert("layer4", {12: 3.5}))   # steps, in order

Grammar: `operation layer units [at cells] [by strength] [to latent]`, steps joined by `; `.

| operation   | what the units are drawn towards, at the cells             | units                      |
| ----------- | ---------------------------------------------------------- | -------------------------- |
| ablate      | 0                                                          | 4,17,31 or 0-7             |
| mean        | its mean: stated, or known to whoever applies the edit     | 4,17 or 4=0.3              |
| insert      | a constant k                                               | 12=3.5,40=2                |
| scale       | a multiple of what they are                                | 7=2                        |
| interpolate | what they are for another latent of the same seed          | 4,17 (with `to 12`)        |

Cells are rows:columns of the layer's grid, as 8-11:3-6 or 5:2, joined by commas; none means everywhere.
With strength s a unit r becomes (1 - s) r + s target. The empty edit changes nothing.
No torch here: `analysis.editing.interventions` applies edits.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from analysis.shared.errors import GanatomyError
from analysis.shared.number_lists import span

OPERATIONS = ("ablate", "mean", "insert", "scale", "interpolate")
LAYER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

Cell = tuple[int, int]


@dataclass(frozen=True)
class Unit:
    """A unit's number, and its value where the operation takes one."""

    number: int
    value: float | None = None


@dataclass(frozen=True)
class Box:
    """Cells from row `top` to `bottom` and column `left` to `right`, both ends included, counted from 0."""

    top: int
    bottom: int
    left: int
    right: int


def boxes(cells: Iterable[Cell]) -> tuple[Box, ...]:
    """Few boxes that hold exactly these cells, from the top: equal runs of rows below each other are one.

    >>> boxes([(1, 2), (1, 3), (2, 2), (2, 3), (2, 7)])
    (Box(top=1, bottom=2, left=2, right=3), Box(top=2, bottom=2, left=7, right=7))
    """
    found: dict[tuple[int, int], list[Box]] = {}
    for row, left, right in _runs(sorted(set(cells))):
        column = found.setdefault((left, right), [])
        if column and column[-1].bottom == row - 1:
            column[-1] = replace(column[-1], bottom=row)
        else:
            column.append(Box(row, row, left, right))
    return tuple(sorted((box for column in found.values() for box in column), key=_corner))


def _corner(box: Box) -> tuple[int, int]:
    return box.top, box.left


def _runs(cells: Iterable[Cell]) -> list[tuple[int, int, int]]:
    """Row, first and last column of each run of neighbours in a row."""
    runs: list[tuple[int, int, int]] = []
    for row, column in cells:
        if runs and runs[-1][0] == row and runs[-1][2] == column - 1:
            runs[-1] = (row, runs[-1][1], column)
        else:
            runs.append((row, column, column))
    return runs


@dataclass(frozen=True)
class Step:
    """One operation on some units of one layer, at some cells (none: all), with a strength of 0 to 1."""

    operation: str
    layer: str
    units: tuple[Unit, ...]
    cells: tuple[Box, ...] = ()
    strength: float = 1.0
    latent: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "units", tuple(sorted(self.units, key=lambda unit: unit.number)))
        for problem in _problems(self):
            raise GanatomyError(f"The edit '{_step_text(self)}' is not possible: {problem}.")

    def __str__(self) -> str:
        return _step_text(self)


@dataclass(frozen=True)
class Edit:
    """Steps that are applied in order; equal texts are equal edits."""

    steps: tuple[Step, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Edit":
        """The edit that a text describes; `str(edit)` gives a text that parses to an equal edit.

        Raises:
            GanatomyError: the text is no edit; the sentence says where.
        """
        return cls(tuple(_parse_step(part) for part in text.split(";") if part.strip()))

    @classmethod
    def ablate(
        cls, layer: str, units: Iterable[int], cells: Iterable[Box] = (), strength: float = 1.0
    ) -> "Edit":
        """Draws units to 0 (Bau et al. 2019, section 3.2)."""
        return cls._of("ablate", layer, units, cells, strength)

    @classmethod
    def mean(
        cls,
        layer: str,
        units: Iterable[int] | Mapping[int, float],
        cells: Iterable[Box] = (),
        strength: float = 1.0,
    ) -> "Edit":
        """Draws units to their means: given here, or known to whoever applies the edit."""
        return cls._of("mean", layer, units, cells, strength)

    @classmethod
    def insert(
        cls, layer: str, values: Mapping[int, float], cells: Iterable[Box] = (), strength: float = 1.0
    ) -> "Edit":
        """Draws units to constants k (Bau et al. 2019, equation 5)."""
        return cls._of("insert", layer, values, cells, strength)

    @classmethod
    def scale(
        cls, layer: str, factors: Mapping[int, float], cells: Iterable[Box] = (), strength: float = 1.0
    ) -> "Edit":
        """Multiplies units."""
        return cls._of("scale", layer, factors, cells, strength)

    @classmethod
    def interpolate(
        cls, layer: str, units: Iterable[int], latent: int, cells: Iterable[Box] = (), strength: float = 1.0
    ) -> "Edit":
        """Draws units to what they are for another latent of the same seed."""
        step = Step("interpolate", layer, tuple(map(Unit, units)), tuple(cells), strength, latent)
        return cls((step,))

    def then(self, other: "Edit") -> "Edit":
        """This edit, and after it the other."""
        return Edit(self.steps + other.steps)

    def on(self, names: Mapping[str, str]) -> "Edit":
        """The same edit with its layers called by other names."""
        return Edit(tuple(replace(step, layer=names[step.layer]) for step in self.steps))

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are edited, each once, in the order of the steps."""
        return tuple(dict.fromkeys(step.layer for step in self.steps))

    def at(self, layer: str) -> tuple[Step, ...]:
        """The steps on one layer, in order."""
        return tuple(step for step in self.steps if step.layer == layer)

    def __str__(self) -> str:
        return "; ".join(map(str, self.steps))

    @classmethod
    def _of(
        cls,
        operation: str,
        layer: str,
        units: Iterable[int] | Mapping[int, float],
        cells: Iterable[Box],
        strength: float,
    ) -> "Edit":
        pairs = units.items() if isinstance(units, Mapping) else ((number, None) for number in units)
        chosen = tuple(Unit(int(n), None if value is None else float(value)) for n, value in pairs)
        return cls((Step(operation, layer, chosen, tuple(cells), float(strength)),))


def _problems(step: Step) -> Iterable[str]:
    numbers = [unit.number for unit in step.units]
    if step.operation not in OPERATIONS:
        yield f"there is no operation '{step.operation}', only {', '.join(OPERATIONS)}"
    if not LAYER.fullmatch(step.layer):
        yield f"'{step.layer}' is no layer's name"
    if not numbers or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        yield "name one or more units, each once, counted from 0"
    yield from _value_problems(step)
    if (step.operation == "interpolate") != (step.latent is not None) or (step.latent or 0) < 0:
        yield "interpolate, and it alone, needs the number of another latent, as 'to 12'"
    if any(not (0 <= box.top <= box.bottom and 0 <= box.left <= box.right) for box in step.cells):
        yield "cells are rows:columns counted from 0, as 8-11:3-6"


def _value_problems(step: Step) -> Iterable[str]:
    values = [unit.value for unit in step.units if unit.value is not None]
    if step.operation in ("insert", "scale") and len(values) < len(step.units):
        yield f"{step.operation} needs a value for each unit, as 12=3.5"
    if step.operation in ("ablate", "interpolate") and values:
        yield f"{step.operation} takes no values"
    if not all(map(math.isfinite, values)) or not 0 <= step.strength <= 1:
        yield "values must be finite and the strength between 0 and 1"


def _step_text(step: Step) -> str:
    parts = [step.operation, step.layer, _units_text(step.units)]
    if step.cells:
        boxes = (f"{_span_text(b.top, b.bottom)}:{_span_text(b.left, b.right)}" for b in step.cells)
        parts += ["at", ",".join(boxes)]
    if step.strength != 1:
        parts += ["by", _number_text(step.strength)]
    if step.latent is not None:
        parts += ["to", str(step.latent)]
    return " ".join(parts)


def _units_text(units: Iterable[Unit]) -> str:
    """Runs of units with equal values as first-last, so that many units stay short."""
    runs: list[tuple[int, int, float | None]] = []
    for unit in units:
        if runs and runs[-1][1] + 1 == unit.number and runs[-1][2] == unit.value:
            runs[-1] = (runs[-1][0], unit.number, unit.value)
        else:
            runs.append((unit.number, unit.number, unit.value))
    return ",".join(
        _span_text(first, last) + ("" if value is None else f"={_number_text(value)}")
        for first, last, value in runs
    )


def _span_text(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _number_text(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def _parse_step(text: str) -> Step:
    words = text.split()
    if len(words) < 3 or len(words) % 2 == 0:
        raise _unreadable(text, "write operation, layer and units, as 'ablate layer3 4,17,31'")
    options = dict(zip(words[3::2], words[4::2], strict=True))
    if not set(options) <= {"at", "by", "to"} or 2 * len(options) + 3 != len(words):
        raise _unreadable(text, "after the units come 'at' cells, 'by' strength and 'to' latent, each once")
    try:
        units = tuple(unit for part in words[2].split(",") for unit in _parse_units(part))
        cells = tuple(_parse_box(part) for part in options["at"].split(",")) if "at" in options else ()
        strength = float(options.get("by", "1"))
        latent = int(options["to"]) if "to" in options else None
    except (ValueError, GanatomyError) as error:
        raise _unreadable(text, str(error)) from error
    return Step(words[0], words[1], units, cells, strength, latent)


def _parse_units(text: str) -> list[Unit]:
    numbers, equals, value = text.partition("=")
    first, last = span(numbers)
    number = float(value) if equals else None
    return [Unit(unit, number) for unit in range(first, last + 1)]


def _parse_box(text: str) -> Box:
    rows, _, columns = text.partition(":")
    return Box(*span(rows), *span(columns))


def _unreadable(text: str, reason: str) -> GanatomyError:
    return GanatomyError(f"The edit '{text.strip()[:120]}' cannot be read: {reason}.")
