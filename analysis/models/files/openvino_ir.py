"""Read the constants of an OpenVINO model (IR: an .xml that describes the graph, a .bin with its numbers).

    state = read_constants(Path("Network.xml"))        # Network.bin lies beside it

Nothing is run: of the .xml only the constants' names, types, shapes and places are read.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.parsers import expat

import numpy as np
import torch

from analysis.models.checkpoints import State
from analysis.shared.errors import GanatomyError

MOST_XML = 16 << 20  # bytes; a graph of a thousand nodes takes half a million
MOST_BIN = 4 << 30
MOST_CONSTANTS = 100_000
TYPES = {
    "f64": "<f8",
    "f32": "<f4",
    "f16": "<f2",
    "i64": "<i8",
    "i32": "<i4",
    "i16": "<i2",
    "i8": "|i1",
    "u8": "|u1",
    "boolean": "|b1",
}


def read_constants(path: Path) -> State:
    """Every constant of the model by its name, in the order of the graph.

    Raises:
        GanatomyError: a file is missing, damaged or too large, or the .xml declares entities, an unknown type
            or numbers that the .bin does not hold.
    """
    path = Path(path)
    numbers = path.with_suffix(".bin")
    for file, most in ((path, MOST_XML), (numbers, MOST_BIN)):
        if not file.is_file():
            raise GanatomyError(f"There is no file {file}; an OpenVINO model is an .xml and a .bin together.")
        if file.stat().st_size > most:
            raise GanatomyError(f"{file.name} is larger than {most >> 20} MB; use a smaller model.")
    declared = _declared(path)
    content = numbers.read_bytes()
    # Constants may share their bytes. Each is copied, so a small file must not become a large state.
    if sum(size for _name, _kind, _shape, _offset, size in declared) > 2 * len(content) + (1 << 20):
        raise _damaged(path, "its constants are larger than its numbers")
    state: State = {}
    for name, kind, shape, offset, size in declared:
        if offset < 0 or size < 0 or offset + size > len(content):
            raise _damaged(path, f"'{name}' lies outside {numbers.name}")
        array = np.frombuffer(content, kind, math.prod(shape), offset).reshape(shape)
        state[name] = torch.from_numpy(array.astype(kind[1:]))  # a copy, in this machine's byte order
    return state


def _declared(path: Path) -> list[tuple[str, str, tuple[int, ...], int, int]]:
    """Name, type, shape, offset and size in bytes of each constant."""
    found: dict[str, tuple[str, str, tuple[int, ...], int, int]] = {}
    name: str | None = None

    def begin(tag: str, values: dict[str, str]) -> None:
        nonlocal name
        if tag == "layer":
            name = values.get("name", "") if values.get("type") == "Const" else None
        elif tag == "data" and name is not None:
            if name in found or len(found) >= MOST_CONSTANTS:
                raise _damaged(path, f"'{name[:80]}' is one constant too many")
            found[name] = (name, *_place(path, name, values))

    def refused(*_: Any) -> None:
        raise _damaged(path, "it declares entities, which no model needs")

    parser = expat.ParserCreate()
    parser.StartElementHandler = begin
    parser.StartDoctypeDeclHandler = refused
    parser.EntityDeclHandler = refused
    try:
        parser.Parse(path.read_bytes(), True)
    except expat.ExpatError as error:
        raise _damaged(path, "it is no XML") from error
    return list(found.values())


def _place(path: Path, name: str, values: dict[str, str]) -> tuple[str, tuple[int, ...], int, int]:
    kind = TYPES.get(values.get("element_type", ""))
    if kind is None:
        raise _damaged(path, f"'{name[:80]}' has the unknown type '{values.get('element_type', '')[:40]}'")
    try:
        shape = tuple(int(side) for side in values.get("shape", "").split(",") if side.strip())
        offset, size = int(values["offset"]), int(values["size"])
    except (KeyError, ValueError) as error:
        raise _damaged(path, f"the place of '{name[:80]}' cannot be read") from error
    if len(shape) > 8 or any(side < 1 for side in shape):
        raise _damaged(path, f"'{name[:80]}' has an impossible shape")
    if math.prod(shape) * np.dtype(kind).itemsize != size:
        raise _damaged(path, f"the size of '{name[:80]}' is not that of its shape")
    return kind, shape, offset, size


def _damaged(path: Path, reason: str) -> GanatomyError:
    return GanatomyError(f"{path.name} is damaged or no OpenVINO model: {reason}; download it again.")
