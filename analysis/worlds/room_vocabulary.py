"""The concepts of the rooms world and where they stand in its two label maps (no torch, no drawing)."""

from __future__ import annotations

from analysis.shared.concepts import Concept

OBJECTS = (
    "wall", "floor", "ceiling", "window", "door", "bed",
    "painting", "lamp", "table", "chair", "carpet", "plant",
)  # fmt: skip
MATERIALS = ("wood", "tile", "fabric", "glass")
MAPS = (OBJECTS, MATERIALS)

CONCEPTS: tuple[Concept, ...] = tuple(
    Concept(name, category)
    for names, category in zip(MAPS, ("object", "material"), strict=True)
    for name in names
)
NAMES = tuple(concept.name for concept in CONCEPTS)

# A label is a concept's place in CONCEPTS plus one; 0 is nothing.
WALL, FLOOR, CEILING, WINDOW, DOOR, BED, PAINTING, LAMP, TABLE, CHAIR, CARPET, PLANT = range(1, 13)
WOOD, TILE, FABRIC, GLASS = range(13, 17)
