"""The concepts of the churches world and where they stand in its three label maps (no torch, no drawing)."""

from __future__ import annotations

from analysis.shared.concepts import Concept

OBJECTS = ("sky", "cloud", "hill", "grass", "path", "building", "tree")
PARTS = ("roof", "dome", "door", "window")
MATERIALS = ("brick", "plaster", "stone")
MAPS = (OBJECTS, PARTS, MATERIALS)

CONCEPTS: tuple[Concept, ...] = tuple(
    Concept(name, category)
    for names, category in zip(MAPS, ("object", "part", "material"), strict=True)
    for name in names
)
NAMES = tuple(concept.name for concept in CONCEPTS)

# A label is a concept's place in CONCEPTS plus one; 0 is nothing.
SKY, CLOUD, HILL, GRASS, PATH, BUILDING, TREE = range(1, 8)
ROOF, DOME, DOOR, WINDOW = range(8, 12)
BRICK, PLASTER, STONE = range(12, 15)
