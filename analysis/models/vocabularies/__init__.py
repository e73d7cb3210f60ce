"""What segmenters can name: concepts with categories and colours, as data files. No torch.

    vocabulary = named("voc-21")          # those that come with Ganatomy are in this folder
    vocabulary = read(Path("mine.json"))

Anybody can write one. A file holds, in JSON, `concepts`: names, or objects with `name` and, where they
differ from the defaults, `category`, `labels` (the numbers that mean it in a label map; several numbers are
merged), `synonyms`, `colour` (such as "#b08030") and `map`. Numbers count from `first_label`, which is 1
unless the file says 0, since label 0 mostly is nothing. `maps` names the label maps where a pixel carries
several labels at once; a concept is in the map that has its category's name.
"""

from __future__ import annotations

import colorsys
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from analysis.shared.concepts import Concept, distinct
from analysis.shared.errors import GanatomyError

FOLDER = Path(__file__).parent
MOST = 10_000  # concepts; more are no vocabulary but a mistake
LARGEST = 4_000_000  # bytes of a vocabulary file
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
FIELDS = {"name", "category", "labels", "synonyms", "colour", "map"}


@dataclass(frozen=True)
class Vocabulary:
    """Concepts, and for each the labels or the network's classes that mean it.

    What is in no group is nothing.

    Attributes:
        concepts: with names that differ.
        groups: the numbers of each concept in its label map.
        synonyms: other names of each concept.
        colours: of each concept, as "#rrggbb".
        maps: the number of each concept's label map.
        map_names: the names of the label maps.
    """

    concepts: tuple[Concept, ...]
    groups: tuple[tuple[int, ...], ...]
    synonyms: tuple[tuple[str, ...], ...]
    colours: tuple[str, ...]
    maps: tuple[int, ...]
    map_names: tuple[str, ...] = ("",)
    title: str = ""
    first_label: int = 1

    @property
    def classes(self) -> int:
        """How many labels there are, nothing included: one more than the largest number."""
        return 1 + max(max(group) for group in self.groups)

    def grouped(self, names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        """For each concept, the positions of those classes whose name is the concept's or a synonym of it.

        Raises:
            GanatomyError: a concept is none of the classes.
        """
        # A class's name is the first of its synonyms: "blind, screen" is a "screen" only where no other is.
        parts = [[_plain_name(part) for part in re.split("[,;]", name)] for name in names]
        groups: list[tuple[int, ...]] = []
        for concept, others in zip(self.concepts, self.synonyms, strict=True):
            found: set[int] = set()
            for word in map(_plain_name, (concept.name, *others)):
                heads = {i for i, known in enumerate(parts) if word in (known[0], ", ".join(known))}
                found |= heads or {i for i, known in enumerate(parts) if word in known}
            if not found:
                listed = ", ".join(known[0] for known in parts[:8])
                raise GanatomyError(
                    f"The vocabulary's concept '{concept.name}' is none of the segmenter's "
                    f"{len(names)} classes ({listed}, ...); write one of them among its "
                    "synonyms, or leave the concept out."
                )
            groups.append(tuple(sorted(found)))
        owners: dict[int, str] = {}
        for concept, group in zip(self.concepts, groups, strict=True):
            for number in group:
                if (first := owners.setdefault(number, concept.name)) != concept.name:
                    raise GanatomyError(
                        f"The vocabulary gives the class '{names[number]}' to '{first}' and to "
                        f"'{concept.name}'; a class means one concept."
                    )
        return tuple(groups)

    def as_json(self) -> dict[str, Any]:
        """What a vocabulary file holds."""
        rows = zip(self.concepts, self.groups, self.synonyms, self.colours, self.maps, strict=True)
        return {
            "format_version": 1,
            "title": self.title,
            "first_label": self.first_label,
            "maps": list(self.map_names),
            "concepts": [
                {
                    "name": concept.name,
                    "category": concept.category,
                    "labels": list(group),
                    "synonyms": list(synonyms),
                    "colour": colour,
                    "map": self.map_names[level],
                }
                for concept, group, synonyms, colour, level in rows
            ],
        }


def _plain_name(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").split())


def colour(number: int) -> str:
    """A colour for the concept of that number, unlike those of its neighbours.

    >>> colour(0), colour(1)
    ('#d94c4c', '#4cd975')
    """
    # Steps of the golden ratio about the wheel of hues never come close to an earlier one for long.
    hue = number * 0.381966 % 1
    light = (0.575, 0.42, 0.73)[number // 12 % 3]
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(hue, light, 0.65))


def of_names(names: Sequence[str], category: str = "object", first_label: int = 0) -> Vocabulary:
    """The vocabulary of a network's class names; of "wall, brick" the first synonym is the concept's name.

    Raises:
        GanatomyError: two classes have one name, or a name is empty.
    """
    parts = [[part.strip() for part in re.split("[,;]", name)] for name in names]
    rows = [{"name": each[0], "category": category, "synonyms": each[1:]} for each in parts]
    # Classes such as "screen, silver screen" and "screen, CRT screen" differ in a later synonym alone.
    for row, each in zip(rows, parts, strict=True):
        if len(each) > 1 and [other[0] for other in parts].count(each[0]) > 1:
            row["name"] = ", ".join(each)
    return parse({"concepts": rows, "first_label": first_label}, "the list of classes")


@cache
def named(name: str) -> Vocabulary:
    """A vocabulary that comes with Ganatomy.

    Raises:
        GanatomyError: there is none of that name.
    """
    if name not in names():
        raise GanatomyError(f"There is no vocabulary '{name}'; choose one of {', '.join(names())}.")
    return read(FOLDER / f"{name}.json")


def names() -> list[str]:
    """The vocabularies that come with Ganatomy."""
    return sorted(file.stem for file in FOLDER.glob("*.json"))


def chosen(text: str) -> Vocabulary:
    """The vocabulary of a name, or in a file.

    Raises:
        GanatomyError: there is no such file or name, or the file holds none.
    """
    if text in names():
        return named(text)
    if not Path(text).exists():
        raise GanatomyError(
            f"There is no vocabulary file {text[:200]}; give a file, or one of {', '.join(names())}."
        )
    return read(Path(text))


def read(path: Path) -> Vocabulary:
    """The vocabulary in a file.

    Raises:
        GanatomyError: the file is missing, damaged, or no vocabulary; the sentence says what is wrong.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST:
            raise GanatomyError(
                f"{path.name} is too large for a vocabulary; give a list of concepts in JSON."
            )
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise GanatomyError(f"There is no vocabulary file {path}; check the path.") from error
    except (OSError, ValueError, RecursionError) as error:
        raise GanatomyError(f"{path.name} cannot be read as JSON; correct or write it again.") from error
    return parse(content, path.name)


def parse(content: object, where: str) -> Vocabulary:
    """The vocabulary that plain JSON values describe; `where` names them in sentences.

    Raises:
        GanatomyError: they describe none; the sentence says what is wrong.
    """
    if isinstance(content, list):
        content = {"concepts": content}
    if not isinstance(content, Mapping) or not isinstance(content.get("concepts"), list):
        raise GanatomyError(f'{where} holds no vocabulary; write {{"concepts": ["sky", "tree"]}}.')
    if not 1 <= len(content["concepts"]) <= MOST:
        raise GanatomyError(f"{where} holds {len(content['concepts']):,} concepts; give 1 to {MOST:,}.")
    first = content.get("first_label", 1)
    if first not in (0, 1) or isinstance(first, bool):
        raise GanatomyError(f"{where} has the first_label {first!r}; it is 0 or 1.")
    category = str(content.get("category", "object"))
    map_names = _map_names(content, where)
    rows = [_row(each, category, where) for each in content["concepts"]]
    maps = [_map(row, map_names, where) for row in rows]
    given = zip(rows, maps, _positions(maps), strict=True)
    groups = tuple(_labels(row, first + place, where) for row, _level, place in given)
    _check_once(groups, maps, [row["name"] for row in rows], where)
    return Vocabulary(
        distinct([Concept(row["name"], row["category"]) for row in rows], where),
        groups,
        tuple(tuple(row.get("synonyms", ())) for row in rows),
        tuple(row.get("colour") or colour(number) for number, row in enumerate(rows)),
        tuple(maps),
        map_names,
        str(content.get("title", "")),
        first,
    )


def _map_names(content: Mapping[str, Any], where: str) -> tuple[str, ...]:
    names = content.get("maps", [""])
    if not isinstance(names, list) or not 1 <= len(names) <= 16 or len(set(map(str, names))) < len(names):
        raise GanatomyError(f"{where} names no label maps under 'maps'; give 1 to 16 names that differ.")
    return tuple(map(str, names))


def _row(row: object, category: str, where: str) -> dict[str, Any]:
    if isinstance(row, str):
        row = {"name": row}
    if not isinstance(row, Mapping) or not isinstance(row.get("name"), str) or set(row) - FIELDS:
        raise GanatomyError(
            f"{where} has a concept {str(row)[:80]}; write its name, or an object with "
            f"{', '.join(sorted(FIELDS))}."
        )
    found = {"category": category} | dict(row)
    if not isinstance(found["category"], str):
        raise GanatomyError(f"{where} has no text as the category of '{row['name'][:80]}'; write a word.")
    if not all(isinstance(each, str) for each in found.get("synonyms", ())):
        raise GanatomyError(f"{where} has synonyms of '{row['name'][:80]}' that are no words; write a list.")
    if found.get("colour") and not (isinstance(found["colour"], str) and COLOUR.fullmatch(found["colour"])):
        raise GanatomyError(f"{where} has no colour for '{row['name'][:80]}'; write it as #b08030.")
    return found


def _map(row: Mapping[str, Any], names: Sequence[str], where: str) -> int:
    if len(names) == 1:
        return 0
    wanted = row.get("map", row["category"])
    if wanted not in names:
        raise GanatomyError(
            f"{where} puts '{row['name'][:80]}' in the label map '{str(wanted)[:80]}'; "
            f"its maps are {', '.join(names)}."
        )
    return list(names).index(wanted)


def _positions(maps: Sequence[int]) -> list[int]:
    """The place of each concept within its own label map."""
    seen: Counter[int] = Counter()
    found = []
    for level in maps:
        found.append(seen[level])
        seen[level] += 1
    return found


def _labels(row: Mapping[str, Any], otherwise: int, where: str) -> tuple[int, ...]:
    labels = row.get("labels", [otherwise])
    fits = isinstance(labels, list) and bool(labels)
    if not fits or not all(type(label) is int and 0 <= label < 65536 for label in labels):
        raise GanatomyError(
            f"{where} has no labels for '{row['name'][:80]}'; give whole numbers up to 65535."
        )
    return tuple(labels)


def _check_once(
    groups: Sequence[Sequence[int]], maps: Sequence[int], names: Sequence[str], where: str
) -> None:
    seen: dict[tuple[int, int], str] = {}
    for group, level, name in zip(groups, maps, names, strict=True):
        for label in group:
            if (level, label) in seen:
                raise GanatomyError(
                    f"{where} gives label {label} to '{seen[level, label][:80]}' and to '{name[:80]}'; "
                    "a label means one concept."
                )
            seen[level, label] = name


FACES = named("celebamask-hq")
FACES_MERGED = named("celebamask-hq-merged")
SHAPES = named("planted-shapes")
