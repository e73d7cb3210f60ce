"""Concepts: what a segmentation network can name in an image."""

from collections.abc import Iterable
from dataclasses import dataclass

from analysis.shared.errors import GanatomyError


@dataclass(frozen=True)
class Concept:
    """A named thing, and the kind of thing it is (object, part, material, ...)."""

    name: str
    category: str = "object"


def concept_index(concepts: Iterable[Concept], concept: "Concept | str") -> int:
    """The position of a concept, given itself or its name. Label maps hold this position plus one.

    Raises:
        GanatomyError: no concept of the vocabulary has that name.
    """
    wanted = concept if isinstance(concept, str) else concept.name
    names = [known.name for known in concepts]
    if wanted not in names:
        raise GanatomyError(f"There is no concept '{wanted}'; choose one of {', '.join(names)}.")
    return names.index(wanted)
