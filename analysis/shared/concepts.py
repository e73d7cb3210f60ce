"""Concepts: what a segmentation network can name in an image."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.shared.errors import GanatomyError


@dataclass(frozen=True)
class Concept:
    """A named thing, and the kind of thing it is (object, part, material, ...)."""

    name: str
    category: str = "object"


def distinct(concepts: Iterable[object], of: str = "The segmenter") -> tuple[Concept, ...]:
    """The concepts with names that differ: "door (object)", "door (part)" where two categories have a door.

    >>> distinct([Concept("sky"), Concept("door"), Concept("door", "part")])[1:]
    (Concept(name='door (object)', category='object'), Concept(name='door (part)', category='part'))

    Raises:
        GanatomyError: there is no concept, one is no `Concept`, has no name, or stands there twice.
    """
    listed = [] if concepts is None or isinstance(concepts, str) else list(concepts)
    if not listed:
        raise GanatomyError(f"{of} has no concepts; give a list such as [Concept('sky')].")
    known: list[Concept] = []
    for concept in listed:
        if not isinstance(concept, Concept):
            raise GanatomyError(
                f"{of} has a concept {str(concept)[:80]!r} of type {type(concept).__name__}; "
                "make each one a Concept, as Concept('sky', 'object')."
            )
        for value, what in ((concept.name, "name"), (concept.category, "category")):
            if not isinstance(value, str) or not value.strip():
                raise GanatomyError(f"{of} has a concept with the {what} {value!r}; give it a word.")
        known.append(concept)
    concept, count = Counter(known).most_common(1)[0]
    if count > 1:
        raise GanatomyError(f"{of} has the concept '{concept.name[:80]}' twice; merge the two or rename one.")
    times = Counter(concept.name for concept in known)
    made = tuple(
        Concept(f"{concept.name} ({concept.category})", concept.category)
        if times[concept.name] > 1
        else concept
        for concept in known
    )
    name, count = Counter(concept.name for concept in made).most_common(1)[0]
    if count > 1:
        raise GanatomyError(f"{of} has the concept '{name[:80]}' twice; merge the two or rename one.")
    return made


def concept_index(concepts: Iterable[Concept], concept: "Concept | str") -> int:
    """The position of a concept, given itself or its name. Label maps hold this position plus one.

    Raises:
        GanatomyError: no concept of the vocabulary has that name, or several have it.
    """
    known = list(concepts)
    if isinstance(concept, Concept) and known.count(concept) == 1:
        return known.index(concept)
    wanted = concept if isinstance(concept, str) else concept.name
    names = [each.name for each in distinct(known)]
    if wanted in names:
        return names.index(wanted)
    if alike := [name for name, each in zip(names, known, strict=True) if each.name == wanted]:
        raise GanatomyError(f"Several concepts are called '{wanted}'; choose one of {', '.join(alike)}.")
    raise GanatomyError(f"There is no concept '{wanted}'; choose one of {', '.join(names)}.")
