"""What segmenters can name: the classes of a network, and how they are grouped into concepts. No torch."""

from dataclasses import dataclass

from analysis.shared.concepts import Concept


@dataclass(frozen=True)
class Vocabulary:
    """Concepts, and for each the network's classes that mean it. Classes in no group count as nothing."""

    concepts: tuple[Concept, ...]
    groups: tuple[tuple[int, ...], ...]
    classes: int


# CelebAMask-HQ's order, class 0 being background: (name, category, name when left and right are merged).
_FACE_CLASSES = (
    ("skin", "part", "skin"),
    ("left brow", "part", "brow"),
    ("right brow", "part", "brow"),
    ("left eye", "part", "eye"),
    ("right eye", "part", "eye"),
    ("glasses", "object", "glasses"),
    ("left ear", "part", "ear"),
    ("right ear", "part", "ear"),
    ("earring", "object", "earring"),
    ("nose", "part", "nose"),
    ("mouth", "part", "mouth"),
    ("upper lip", "part", "lip"),
    ("lower lip", "part", "lip"),
    ("neck", "part", "neck"),
    ("necklace", "object", "necklace"),
    ("cloth", "object", "cloth"),
    ("hair", "part", "hair"),
    ("hat", "object", "hat"),
)


def _faces(merged: bool) -> Vocabulary:
    groups: dict[Concept, list[int]] = {}
    for number, (name, category, merged_name) in enumerate(_FACE_CLASSES, start=1):
        groups.setdefault(Concept(merged_name if merged else name, category), []).append(number)
    return Vocabulary(tuple(groups), tuple(map(tuple, groups.values())), len(_FACE_CLASSES) + 1)


FACES = _faces(merged=False)
FACES_MERGED = _faces(merged=True)
SHAPES = Vocabulary(
    tuple(Concept(name, "shape") for name in ("disc", "bar", "post", "dot")), ((1,), (2,), (3,), (4,)), 5
)
