"""A safetensors file as declared tensors, its header held against the size of the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from analysis.models.files.tensors import DTYPES, DeclaredTensor, Storage, dense
from analysis.models.files.torch_files import CUT, FilePart
from analysis.models.files.words import Unreadable, natural, plain

LONGEST_HEADER = 32 << 20
MOST_TENSORS = 100_000
NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
    "BOOL": "bool",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "C64": "complex64",
}


def read_safetensors(path: Path) -> tuple[dict[str, DeclaredTensor], dict[str, Any]]:
    """(tensors, metadata) of a safetensors file.

    Raises:
        Unreadable: its header does not fit the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > size - 8:
            raise Unreadable(CUT)
        if length > LONGEST_HEADER:
            raise Unreadable("has a header of more than 32 MB, and holds more tensors than any generator")
        header = _json(file.read(length))
    metadata = header.pop("__metadata__", {})
    if len(header) > MOST_TENSORS:
        raise Unreadable(f"holds {len(header):,} tensors, more than any generator has")
    # The header is in the order of types and texts; people count: main.2 comes before main.10.
    names = sorted(header, key=natural)
    tensors = {name: _tensor(path, 8 + length, size, header[name]) for name in names}
    if sum(tensor.nbytes for tensor in tensors.values()) > size - 8 - length:
        raise Unreadable(f"{CUT}: its tensors claim more bytes than it has")
    return tensors, metadata if isinstance(metadata, dict) else {}


def _json(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unreadable(CUT) from error
    if not isinstance(found, dict):
        raise Unreadable(CUT)
    return found


def _tensor(path: Path, data: int, size: int, entry: Any) -> DeclaredTensor:
    try:
        kind, shape, (start, stop) = entry["dtype"], entry["shape"], entry["data_offsets"]
        dtype = NAMES.get(kind)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(CUT) from error
    if dtype is None:
        raise Unreadable(f"holds a tensor of the type {plain(kind, 16)}, which is not known here")
    numbers = (start, stop, *shape) if isinstance(shape, list) else (None,)
    if not all(type(number) is int and 0 <= number < 2**48 for number in numbers) or len(shape) > 16:
        raise Unreadable(CUT)
    tensor = dense(Storage(dtype, stop - start, FilePart(path, data + start, stop - start)), tuple(shape))
    if start > stop or data + stop > size or tensor.numel * DTYPES[dtype].itemsize != stop - start:
        raise Unreadable(f"{CUT}: a tensor claims more or fewer bytes than it has")
    return tensor
