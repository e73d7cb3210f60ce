"""What a reference's name stands for, and whether its pictures are there. No torch."""

from __future__ import annotations

from pathlib import Path

from analysis.shared.errors import GanatomyError

WORLDS = {"churches": "analysis.worlds.churches", "rooms": "analysis.worlds.rooms"}
# The training data that Ganatomy draws itself, by how a model's description names it, and their reference.
DRAWN_DATA = {"drawn church scenes": "drawn:churches", "drawn rooms": "drawn:rooms"}
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


def must_have(name: str, count: int) -> None:
    """Raise `GanatomyError` unless `name` is of a known kind, and its world or its `count` pictures exist."""
    kind, _, what = name.partition(":")
    if kind not in {"drawn", "folder", "generator"} or not what:
        raise GanatomyError(f"'{name}' names no reference; write drawn:WORLD, folder:PATH or generator:NAME.")
    if kind == "drawn" and what not in WORLDS:
        raise GanatomyError(f"There is no drawn world '{what}'; choose {', '.join(WORLDS)}.")
    if kind == "folder" and (held := len(pictures_in(Path(what)))) < count:
        raise GanatomyError(f"The folder holds {held} pictures; {count} are needed.")


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder and the folders in it, in the order of their names."""
    return sorted(file for file in folder.glob("**/*") if file.suffix.lower() in PICTURES)
