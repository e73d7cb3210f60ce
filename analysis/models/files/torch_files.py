"""What torch.save wrote, in each of its forms, as plain values with declared tensors; no code of it runs."""

from __future__ import annotations

import io
import mmap
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from analysis.models.files.pickles import (
    CUT,
    Buffer,
    TensorUnpickler,
    persistent_storage,
    scan,
    storage_bytes,
)
from analysis.models.files.tensors import Storage
from analysis.models.files.words import Unreadable

MAGIC = 0x1950A86A20F9469CFC6C  # of the form before torch 1.6: five pickles, then the storages
MOST_ENTRIES = 100_000
DEEPEST = 2  # a pickle in the bytes of a pickle


def read_zip(path: Path) -> tuple[str, Any]:
    """(format, content) of a zip archive of torch.save or torch.jit.save.

    Raises:
        Unreadable: it is none, or its sizes are not those of the file.
    """
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise Unreadable(CUT) from error
    names = {entry.filename: entry for entry in entries}
    pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise Unreadable(_other_archive(list(names)))
    _check_sizes(entries, size)
    root = pickles[0].removesuffix("data.pkl")
    order = names.get(f"{root}byteorder")
    if order is not None and _content(path, order) not in (b"little", b""):
        raise Unreadable("was written on a machine with another byte order; save it again on this one")

    def storage(pid: Any) -> Storage:
        dtype, key, count = persistent_storage(pid)
        entry = names.get(f"{root}data/{key}")
        if entry is None or storage_bytes(dtype, count) > entry.file_size:
            raise Unreadable(f"{CUT}: a tensor claims more values than its record holds")
        if key not in storages:
            storages[key] = Storage(dtype, entry.file_size, lambda: _content(path, entry))
        kept = storages[key]
        return kept if kept.dtype == dtype else Storage(dtype, entry.file_size, kept.source)

    storages: dict[str, Storage] = {}
    script = f"{root}constants.pkl" in names or any(name.startswith(f"{root}code/") for name in names)
    kind = "TorchScript archive" if script else "PyTorch checkpoint"
    return kind, _loaded(_content(path, names[pickles[0]]), storage)


def read_pickles(path: Path) -> tuple[str, Any]:
    """(format, content) of a file of torch.save before torch 1.6, or of one plain pickle.

    Raises:
        Unreadable: it is none of them.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if _is_legacy(data):
            # The map is closed when this returns, so each storage opens the file anew.
            return "PyTorch checkpoint (before 1.6)", _legacy(data, 0, path)
        end = scan(data)
        if len(data) - end > 4096:
            raise Unreadable("is no checkpoint: bytes follow its pickle")
        return "pickle", _unpickled(file, _no_storage, 0)


def _check_sizes(entries: list[zipfile.ZipInfo], size: int) -> None:
    """Entries are together no larger than the file; a compressed one is never read."""
    if len(entries) > MOST_ENTRIES:
        raise Unreadable(f"holds more than {MOST_ENTRIES:,} records")
    if any(entry.flag_bits & 1 for entry in entries):
        raise Unreadable("is encrypted; save it again without a password")
    stored = [entry for entry in entries if entry.compress_type == zipfile.ZIP_STORED]
    if (
        sum(entry.compress_size for entry in entries) > size
        or sum(entry.file_size for entry in stored) > size
    ):
        raise Unreadable(f"{CUT}: its records claim more bytes than it has")


def _other_archive(names: list[str]) -> str:
    """What a zip archive is that holds no single data.pkl."""
    if names and all(name.endswith(".npy") for name in names):
        return (
            "is a NumPy archive (.npz), not a PyTorch checkpoint; put its arrays into a state_dict and save "
            "that with torch.save"
        )
    if "word/document.xml" in names or "[Content_Types].xml" in names:
        return "is an office document, not a checkpoint"
    if any(name.endswith(("saved_model.pb", ".h5", "model.weights.h5")) for name in names):
        return "is a TensorFlow or Keras model; convert its weights to a PyTorch state_dict"
    inside = [name for name in names if name.endswith((".pt", ".pth", ".pkl", ".safetensors", ".ckpt"))]
    if inside:
        return f"is a zip archive of files; unpack it and give the checkpoint in it, such as {inside[0][:80]}"
    return "is a zip archive without weights; give a checkpoint saved by torch.save or safetensors"


def _content(path: Path, entry: zipfile.ZipInfo) -> bytes:
    """The bytes of a stored entry, checked against its checksum."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise Unreadable("is a compressed archive, which torch.save never writes; save it again")
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        header = file.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise Unreadable(CUT)
        name, extra = struct.unpack("<HH", header[26:30])
        file.seek(entry.header_offset + 30 + name + extra)
        content = file.read(entry.file_size)
    if len(content) < entry.file_size or (entry.CRC and zlib.crc32(content) != entry.CRC):
        raise Unreadable(CUT)
    return content


def _is_legacy(data: Buffer) -> bool:
    """Whether the first pickle is the magic number: PROTO 2, LONG1 of ten bytes, STOP."""
    return data[:2] == b"\x80\x02" and data[2:4] == b"\x8a\n" and data[4:14] == MAGIC.to_bytes(10, "little")


def _legacy(data: Buffer, depth: int, path: Path | None = None) -> Any:
    """The content of the form before torch 1.6; its storages are read from `path`, or kept from `data`."""
    ends = list(_ends(data, 5))
    if _loaded(data[ends[0] : ends[1]], _no_storage) != 1001:
        raise Unreadable("was saved by a version of torch that is not known here")
    system = _loaded(data[ends[1] : ends[2]], _no_storage)
    if isinstance(system, dict) and system.get("little_endian") is False:
        raise Unreadable("was written on a machine with another byte order; save it again on this one")
    storages: dict[str, Storage] = {}

    def storage(pid: Any) -> Storage:
        dtype, key, count = persistent_storage(pid)
        root = storages.setdefault(key, Storage(dtype, storage_bytes(dtype, count)))
        view = pid[5] if len(pid) > 5 else None
        return root if view is None else _view(root, view)

    content = _loaded(data[ends[2] : ends[3]], storage, depth)
    keys = _loaded(data[ends[3] : ends[4]], _no_storage)
    _place(data, ends[4], keys, storages, path)
    return content


def _view(root: Storage, view: Any) -> Storage:
    """A part of a storage, by (key, first value, number of values)."""
    if not (isinstance(view, tuple) and len(view) == 3 and all(type(n) is int and n >= 0 for n in view[1:])):
        raise Unreadable(CUT)
    start, length = (storage_bytes(root.dtype, number) for number in view[1:])
    if start + length > root.nbytes:
        raise Unreadable(f"{CUT}: a tensor claims more values than the file holds")

    def part() -> bytes:
        if root.source is None:
            raise Unreadable("has no values")
        return bytes(root.source()[start : start + length])

    return Storage(root.dtype, length, part)


def _ends(data: Buffer, count: int) -> Iterator[int]:
    at = 0
    for _ in range(count):
        at = scan(data, at)
        yield at


def _place(data: Buffer, at: int, keys: Any, storages: dict[str, Storage], path: Path | None) -> None:
    """Tells each storage where its bytes are: a count of values, then the values, in the order of `keys`."""
    if not isinstance(keys, list) or not all(isinstance(key, str | int) for key in keys):
        raise Unreadable(CUT)
    for key in keys:
        storage = storages.get(str(key))
        if storage is None or storage.source is not None:
            raise Unreadable(CUT)
        count = int.from_bytes(data[at : at + 8], "little", signed=True)
        at += 8
        if storage_bytes(storage.dtype, count) != storage.nbytes or at + storage.nbytes > len(data):
            raise Unreadable(CUT)
        storage.source = FilePart(path, at, storage.nbytes) if path else _Held(data, at, storage.nbytes)
        at += storage.nbytes


class FilePart:
    """Bytes of a file, read when they are wanted."""

    def __init__(self, path: Path, start: int, length: int) -> None:
        self.path, self.start, self.length = path, start, length

    def __call__(self) -> bytearray:
        content = bytearray(self.length)
        with self.path.open("rb") as file:
            file.seek(self.start)
            read = file.readinto(content)
        return content[:read] if read < self.length else content


class _Held:
    """Bytes of a buffer that stays in memory."""

    def __init__(self, data: Buffer, start: int, length: int) -> None:
        self.data, self.start, self.length = data, start, length

    def __call__(self) -> bytes:
        return self.data[self.start : self.start + self.length]


def _no_storage(_pid: Any) -> Storage:
    raise Unreadable("is cut short or damaged: a tensor's storage is not in the file")


def _loaded(content: bytes, storage: Any, depth: int = 0) -> Any:
    scan(content)
    return _unpickled(io.BytesIO(content), storage, depth)


def _unpickled(file: IO[bytes], storage: Any, depth: int) -> Any:
    def nested(content: bytes) -> Any:
        if depth >= DEEPEST or not _is_legacy(content):
            raise Unreadable("is cut short or damaged: a tensor's bytes cannot be read")
        return _legacy(content, depth + 1)

    try:
        return TensorUnpickler(file, storage, nested).load()
    except Unreadable:
        raise
    except MemoryError:
        raise
    except Exception as error:  # the unpickler raises whatever a crafted file leads to
        raise Unreadable(f"is cut short or damaged ({type(error).__name__} in its pickle)") from error
