"""What a file is, by its content, and its content as plain values with declared tensors."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from analysis.models.files.pickles import ObjectRecord
from analysis.models.files.safetensors_files import read_safetensors
from analysis.models.files.tensors import Storage, dense
from analysis.models.files.torch_files import FilePart, read_pickles, read_zip
from analysis.models.files.words import Unreadable, plain

Reader = Callable[[Path], "Content"]
ONNX_KEY = "onnx"  # the name under which an ONNX file's bytes are handed on, as a tensor of uint8
LONGEST_CONFIG = 1 << 20
IN_FOLDERS = (  # the weights of a folder, the most likely file first
    "model.safetensors",
    "pytorch_model.bin",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.bin",
)


class Content(NamedTuple):
    """What a file holds: dicts, lists, numbers, texts, declared tensors, records of objects; its config."""

    format: str
    tree: Any
    config: dict[str, Any]


def read(path: Path) -> Content:
    """The content of a checkpoint file, or of a folder with weights and a config.json.

    Raises:
        Unreadable: it cannot be read; the text says what it is instead.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return _folder(path)
        if not stat.S_ISREG(mode):
            raise Unreadable("is no plain file")
        return _file(path)
    except FileNotFoundError as error:
        raise Unreadable("does not exist; check the path") from error
    except OSError as error:
        raise Unreadable(f"cannot be read ({os.strerror(error.errno or 5)})") from error


def disk_bytes(path: Path) -> int:
    """The bytes that a file, or a folder's files, take on the disk: a sparse file takes few."""
    if path.is_dir():
        return sum(disk_bytes(file) for file in path.iterdir() if file.is_file())
    facts = path.stat()
    return min(facts.st_size, facts.st_blocks * 512 + 4096)


def _file(path: Path) -> Content:
    with path.open("rb") as file:
        head = file.read(512)
    if head[:4] == b"PK\x03\x04":
        return Content(*read_zip(path), {})
    if head[8:9] == b"{" and (path.suffix == ".safetensors" or _length(head) <= path.stat().st_size):
        tensors, metadata = read_safetensors(path)
        return Content("safetensors", tensors, metadata)
    if foreign := _foreign(head):
        raise Unreadable(foreign)
    if _is_onnx(head):
        size = path.stat().st_size
        content = dense(Storage("uint8", size, FilePart(path, 0, size)), (size,))
        return Content("ONNX", {ONNX_KEY: content}, {})
    return _pickle(path, head)


def _length(head: bytes) -> int:
    """The length of a safetensors header."""
    return int.from_bytes(head[:8], "little")


def _pickle(path: Path, head: bytes) -> Content:
    try:
        kind, tree = read_pickles(path)
    except Unreadable as error:
        if head[:1] != b"\x80" and str(error).startswith("is cut short"):
            raise Unreadable(
                "is not a PyTorch, safetensors or ONNX file; give a checkpoint saved by torch.save or "
                "safetensors"
            ) from error
        raise
    if (isinstance(tree, tuple) and any(_is_tensorflow(part) for part in tree)) or _is_tensorflow(tree):
        raise Unreadable(
            "is a StyleGAN pickle of TensorFlow; convert it first, with legacy.py of NVlabs' "
            "stylegan2-ada-pytorch"
        )
    return Content("NVlabs pickle" if _is_nvlabs(tree) else kind, tree, {})


def _is_tensorflow(value: Any) -> bool:
    return isinstance(value, ObjectRecord) and value.where[0].startswith("dnnlib.tflib")


def _is_nvlabs(tree: Any) -> bool:
    parts = tree.values() if isinstance(tree, dict) else ()
    return any(isinstance(part, ObjectRecord) and part.where[0].startswith("torch_utils.") for part in parts)


def _folder(path: Path) -> Content:
    """A folder in Hugging Face's layout."""
    names = sorted(file.name for file in path.iterdir() if file.is_file())
    weights = next((name for name in IN_FOLDERS if name in names), None)
    if weights is None:
        safe = [name for name in names if name.endswith(".safetensors")]
        if any(name.endswith(".index.json") for name in names):
            raise Unreadable(
                "is a folder with its weights in several parts; join them into one model.safetensors"
            )
        if len(safe) != 1:
            raise Unreadable(
                "is a folder without model.safetensors or pytorch_model.bin; name the checkpoint file"
            )
        weights = safe[0]
    content = _file(path / weights)
    config = _config(path / "config.json") if "config.json" in names else {}
    return Content(f"Hugging Face folder ({weights})", content.tree, {**content.config, **config})


def _config(path: Path) -> dict[str, Any]:
    if path.stat().st_size > LONGEST_CONFIG:
        raise Unreadable("has a config.json of more than 1 MB")
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise Unreadable("has a config.json that cannot be read; mend or remove it") from error
    if not isinstance(found, dict):
        raise Unreadable("has a config.json that holds no object; mend or remove it")
    return found


_HEADS: tuple[tuple[bytes, str], ...] = (
    (
        b"version https://git-lfs",
        "is a git-lfs pointer, not the weights; run `git lfs pull`, or download the file itself",
    ),
    (b"\x93NUMPY", "is a NumPy array (.npy), not a checkpoint; save a state_dict with torch.save"),
    (b"\x89HDF\r\n", "is an HDF5 file (Keras); convert its weights to a PyTorch state_dict"),
    (b"\x1f\x8b", "is a compressed file (gzip); unpack it first"),
    (b"BZh", "is a compressed file (bzip2); unpack it first"),
    (b"\xfd7zXZ", "is a compressed file (xz); unpack it first"),
    (b"7z\xbc\xaf", "is a 7z archive; unpack it first"),
    (b"Rar!", "is a RAR archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "is a compressed file (zstd); unpack it first"),
    (b"GGUF", "is a GGUF file of a language model, not a generator"),
    (b"\x89PNG", "is a PNG picture, not a checkpoint"),
    (b"\xff\xd8\xff", "is a JPEG picture, not a checkpoint"),
    (b"%PDF", "is a PDF document, not a checkpoint"),
    (b"PK\x05\x06", "is an empty zip archive"),
)


def _foreign(head: bytes) -> str:
    """What a file is that is certainly no checkpoint; empty when it may be one."""
    if not head:
        return "is empty; copy or download it again"
    start = head.lstrip()[:64].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "is a web page, not the weights; download the file itself"
    if start.startswith((b"{", b"[")) and head[:1] != b"]" and b'"' in head[:64]:
        return "is a JSON file, not the weights"
    if head[257:262] == b"ustar":
        return "is a tar archive; unpack it and give the checkpoint in it"
    if not any(head):
        return "holds only zeros; copy or download it again"
    return next((what for magic, what in _HEADS if head.startswith(magic)), "")


def _is_onnx(head: bytes) -> bool:
    """Whether it begins as an ONNX ModelProto: ir_version, then fields of that message."""
    at = 0
    fields: list[int] = []
    while at + 1 < len(head) and len(fields) < 3:
        tag = head[at]
        field, wire = tag >> 3, tag & 7
        if tag & 0x80 or field not in (1, 2, 3, 4, 5, 6, 7, 8, 14) or wire not in (0, 2):
            break
        value, at = _varint(head, at + 1)
        fields.append(field)
        at += value if wire == 2 else 0
        if field == 1 and not 1 <= value <= 30:
            return False
    return fields[:1] == [1] and len(fields) >= 2 and head[:1] == b"\x08"


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not data[at - 1] & 0x80:
            break
    return value, at


def described(path: Path) -> str:
    """The name of a file or folder as it may stand in a sentence."""
    return plain(path.name or path.absolute().name)
