"""Files made to do harm, to mislead, or by accident: each a function that writes one.

HOSTILE["bombs/bytearray"].make(folder, canary)     # the file's path

A file of group "code" creates `canary` if any of its code runs.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from example_checkpoints import randomised, tutorial_dcgan
from torch import Tensor, nn

State = dict[str, Tensor]
Make = Callable[[Path, Path], Path | None]


@dataclass(frozen=True)
class Hostile:
    """One file. `accepted` says that its weights may be taken: what is odd about it does no harm."""

    name: str
    write: Make
    accepted: bool = False
    slow: bool = False
    suffix: str = ".pt"

    def make(self, folder: Path, canary: Path) -> Path:
        """Writes it into a folder; its path."""
        path = folder / f"file{self.suffix}"
        return self.write(path, canary) or path


HOSTILE: dict[str, Hostile] = {}


def hostile(name: str, **options: Any) -> Callable[[Make], Make]:
    """Registers a function that writes one file."""

    def registered(write: Make) -> Make:
        assert name not in HOSTILE, name
        HOSTILE[name] = Hostile(name, write, **options)
        return write

    return registered


def each(group: str, contents: dict[str, bytes], **options: Any) -> None:
    """Registers files by their bytes."""
    for name, content in contents.items():
        hostile(f"{group}/{name}", **options)(lambda path, _canary, content=content: _put(path, content))


def _put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def good_state() -> State:
    """A DCGAN of 32 pixels."""
    return {k: v.clone() for k, v in randomised(tutorial_dcgan()).state_dict().items()}


def saved(content: Any, **options: Any) -> bytes:
    """What torch.save writes."""
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def with_pickle(pickled: bytes, records: dict[str, bytes] | None = None, **entry: Any) -> bytes:
    """A zip archive as torch.save writes it, with another data.pkl."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **entry) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", b"3\n")
        archive.writestr("archive/byteorder", b"little")
        for name, content in (records or {}).items():
            archive.writestr(f"archive/data/{name}", content)
    return buffer.getvalue()


def op_text(value: str) -> bytes:
    """The opcode of a text."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def op_number(value: int) -> bytes:
    """The opcode of a whole number."""
    return pickle.dumps(value, 2)[2:-1]


def op_numbers(values: Any) -> bytes:
    """The opcodes of a tuple of whole numbers."""
    return b"(" + b"".join(op_number(value) for value in values) + b"t"


def tensor_pickle(
    shape: Any,
    stride: Any,
    count: int,
    offset: int = 0,
    kind: str = "FloatStorage",
    key: str = "0",
    name: str = "main.0.weight",
) -> bytes:
    """{name: tensor} with the sizes as given, its storage a persistent id."""
    storage = b"(" + op_text("storage") + f"ctorch\n{kind}\n".encode() + op_text(key) + op_text("cpu")
    storage += op_number(count) + b"tQ"
    view = op_number(offset) + op_numbers(shape) + op_numbers(stride) + b"\x89ccollections\nOrderedDict\n)R"
    rebuilt = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + view + b"tR"
    return b"\x80\x02}" + op_text(name) + rebuilt + b"s."


# ---------------------------------------------------------------------------------------------- code


class Reduced:
    """An object whose pickle calls a function."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> Any:
        return self.function, self.args


def _code(name: str) -> Callable[[Callable[[str], bytes]], Callable[[str], bytes]]:
    def registered(content: Callable[[str], bytes]) -> Callable[[str], bytes]:
        hostile(f"code/{name}", accepted=True)(lambda path, canary: _put(path, content(str(canary))))
        return content

    return registered


_TOUCH = {
    "os.system": lambda canary: Reduced(os.system, f"touch {canary}"),
    "open": lambda canary: Reduced(open, canary, "w"),
    "exec": lambda canary: Reduced(exec, f"open({canary!r}, 'w')"),
    "eval": lambda canary: Reduced(eval, f"open({canary!r}, 'w')"),
    "path": lambda canary: Reduced(Path.touch, Path(canary)),
    "getattr": lambda canary: Reduced(getattr, Path(canary), "touch"),
    "nested pickle": lambda canary: Reduced(pickle.loads, pickle.dumps(Reduced(open, canary, "w"))),
    "nested torch": lambda canary: Reduced(torch.load, io.BytesIO(saved(Reduced(open, canary, "w")))),
    "import": lambda canary: Reduced(__import__, "antigravity"),
    "mkdir": lambda canary: Reduced(os.mkdir, canary),
    "np.save": lambda canary: Reduced(np.save, canary, 3),
    "torch.save": lambda canary: Reduced(torch.save, 3, canary),
}
for _name, _make in _TOUCH.items():
    _code(f"{_name} alone")(lambda canary, make=_make: pickle.dumps(make(canary)))
    _code(f"{_name} beside weights")(
        lambda canary, make=_make: saved({"netG": good_state(), "extra": make(canary)})
    )
for _protocol in range(6):
    _code(f"protocol {_protocol}")(
        lambda canary, protocol=_protocol: pickle.dumps({"g": Reduced(open, canary, "w")}, protocol)
    )


@_code("in the state dict")
def _(canary: str) -> bytes:
    return saved({**good_state(), "main.0.bias": Reduced(open, canary, "w")})


@_code("as a key")
def _(canary: str) -> bytes:
    return saved({**good_state(), Reduced(open, canary, "w"): 1})


@_code("legacy form")
def _(canary: str) -> bytes:
    content = {"netG": good_state(), "x": Reduced(open, canary, "w")}
    return saved(content, _use_new_zipfile_serialization=False)


@_code("whole module of an unknown class")
def _(canary: str) -> bytes:
    return saved(nn.Sequential(OrderedDict(main=tutorial_dcgan().get_submodule("main"))))


def _opcode_code(canary: str) -> dict[str, bytes]:
    name = op_text(canary)
    return {
        "global": b"c__builtin__\nopen\n(" + name + op_text("w") + b"tR.",
        "inst": b"(" + name + op_text("w") + b"ibuiltins\nopen\n.",
        "obj": b"(cbuiltins\nopen\n" + name + op_text("w") + b"o.",
        "stack global": op_text("builtins") + op_text("open") + b"\x93(" + name + op_text("w") + b"tR.",
        "newobj": b"cpathlib\nPosixPath\n(" + name + b"t\x81.",
        "newobj ex": b"cpathlib\nPosixPath\n(" + name + b"t}\x92.",
        "extension 1": b"\x82\x01(" + name + b"tR.",
        "extension 4": b"\x84\xff\xff\xff\x7f(" + name + b"tR.",
        "build a class": b"cbuiltins\nopen\n}" + op_text("__call__") + b"cbuiltins\nopen\nsb.",
        "build a function": b"ctorch._utils\n_rebuild_tensor_v2\n}" + op_text("__code__") + b"K\x01sb.",
        "build slots": b"ctorch._utils\n_rebuild_tensor_v2\nN}" + op_text("_call") + b"cos\nsystem\ns\x86b.",
        "from bytes": b"ctorch.storage\n_load_from_bytes\nC\x05hello\x85R.",
        "dotted name": b"\x80\x04" + op_text("os") + op_text("path.os.system") + b"\x93(" + name + b"tR.",
        "type of type": b"cbuiltins\ntype\n(" + op_text("X") + b")}tR)R.",
        "persistent id": name + b"Q.",
        "persistent line": b"P" + canary.encode() + b"\n.",
        "a class as storage": b"\x80\x02(" + op_text("storage") + b"cos\nsystem\n" + name * 2 + b"K\x01tQ.",
        "rebuild from type": b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN(" + name + b"tNtR.",
        "encode": b"c_codecs\nencode\n(" + name + op_text("zlib_codec") + b"tR.",
    }


for _name in _opcode_code("x"):
    _code(f"opcode {_name}")(lambda canary, name=_name: _opcode_code(canary)[name])
    _code(f"opcode {_name} in a zip")(lambda canary, name=_name: with_pickle(_opcode_code(canary)[name]))


@hostile("code/torchscript", accepted=True)
def _(path: Path, canary: Path) -> None:
    module = tutorial_dcgan().get_submodule("main")
    torch.jit.save(torch.jit.trace(module, torch.zeros(1, 12, 1, 1)), path)


@hostile("code/config with remote code", accepted=True)
def _(path: Path, canary: Path) -> Path:
    from safetensors.torch import save_file

    folder = path.with_suffix("")
    folder.mkdir()
    save_file(good_state(), folder / "model.safetensors")
    config = {
        "auto_map": {"AutoModel": "evil.Model"},
        "_name_or_path": str(canary),
        "trust_remote_code": True,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(canary)!r}, 'w')")
    return folder


@hostile("code/metadata", accepted=True, suffix=".safetensors")
def _(path: Path, canary: Path) -> None:
    from safetensors.torch import save_file

    save_file(good_state(), path, {"code": f"open({str(canary)!r}, 'w')"})


# ---------------------------------------------------------------------------------------------- bombs

each(
    "bombs",
    {
        "bytearray": b"cbuiltins\nbytearray\n(" + op_number(8 << 30) + b"tR.",
        "bytearray in a zip": with_pickle(b"cbuiltins\nbytearray\n(" + op_number(8 << 30) + b"tR."),
        "bytearray opcode": b"\x80\x05\x96" + struct.pack("<Q", 8 << 30) + b"x.",
        "unicode opcode": b"\x80\x04\x8d" + struct.pack("<Q", 8 << 30) + b"x.",
        "bytes opcode": b"\x80\x04\x8e" + struct.pack("<Q", 2**63) + b"x.",
        "long opcode": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"x.",
        "negative long": b"\x80\x02\x8b" + struct.pack("<i", -5) + b"x.",
        "memo": b"\x80\x02}r\xff\xff\xff\xff.",
        "memo by text": b"}p4294967295\n.",
        "memo by nonsense": b"}pxyz\n.",
        "frame": b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"}.",
        "range": b"cbuiltins\nlist\n(cbuiltins\nrange\n(" + op_number(10**10) + b"tRtR.",
        "repeat": b"cbuiltins\nstr.__mul__\n(" + op_text("x") + op_number(10**10) + b"tR.",
        "text of digits": b"L" + b"9" * 4000 + b"L\n.",
        "long text of digits": b"L" + b"9" * 1_000_000 + b"L\n.",
        "nested lists": b"]" * 1_000_000 + b"a" * 999_999 + b".",
        "marks": b"(" * 1_000_000 + b"t" * 1_000_000 + b".",
        "duplicates": b"\x80\x02]" + b"2" * 1_000_000 + b".",
        "nested tuples as a key": b"\x80\x02}" + b")" + b"\x85" * 1_000_000 + b"K\x01s.",
        "doubled tuples as a key": b"\x80\x02})" + b"2\x86" * 60 + b"K\x01s.",
        "doubled lists": b"\x80\x02]" + b"".join(b"q%c](h%ch%ce" % (n, n, n) for n in range(60)) + b".",
        "dict in itself": b"\x80\x02}q\x00" + op_text("a") + b"h\x00s.",
        "list in itself": b"\x80\x02]q\x00h\x00a.",
        "too many steps": b"\x80\x02" + b"N0" * 3_500_000 + b"N.",
        "a million texts": b"\x80\x02](" + b"X\x01\x00\x00\x00a" * 1_000_000 + b"e.",
    },
    accepted=False,
)
each(
    "bombs",
    {
        "expanded": with_pickle(tensor_pickle((16384, 16384, 4, 4), (0, 0, 0, 0), 1), {"0": bytes(4)}),
        "large shape": with_pickle(tensor_pickle((2**40,), (1,), 4), {"0": bytes(16)}),
        "shape beyond int64": with_pickle(tensor_pickle((2**40, 2**40), (1, 1), 4), {"0": bytes(16)}),
        "storage count": with_pickle(tensor_pickle((4,), (1,), 2**40), {"0": bytes(16)}),
        "negative count": with_pickle(tensor_pickle((4,), (1,), -4), {"0": bytes(16)}),
        "negative size": with_pickle(tensor_pickle((-4,), (1,), 4), {"0": bytes(16)}),
        "negative stride": with_pickle(tensor_pickle((4,), (-1,), 4), {"0": bytes(16)}),
        "negative offset": with_pickle(tensor_pickle((4,), (1,), 4, offset=-2), {"0": bytes(16)}),
        "offset beyond": with_pickle(tensor_pickle((4,), (1,), 4, offset=1000), {"0": bytes(16)}),
        "stride beyond": with_pickle(tensor_pickle((4,), (1000,), 4), {"0": bytes(16)}),
        "too many strides": with_pickle(tensor_pickle((4,), (1, 1), 4), {"0": bytes(16)}),
        "too many dimensions": with_pickle(tensor_pickle((1,) * 100, (1,) * 100, 4), {"0": bytes(16)}),
        "no record": with_pickle(tensor_pickle((4,), (1,), 4)),
        "a record outside": with_pickle(tensor_pickle((4,), (1,), 4, key="../../../etc/passwd")),
        "unknown storage": with_pickle(tensor_pickle((4,), (1,), 4, kind="EvilStorage"), {"0": bytes(16)}),
        "short record": with_pickle(tensor_pickle((4,), (1,), 4), {"0": bytes(3)}),
        "no storage": b"ctorch._utils\n_rebuild_tensor_v2\n(K\x01K\x00(K\x01t(K\x01t\x89NtR.",
        "text as storage": b"ctorch._utils\n_rebuild_tensor_v2\n(" + op_text("x") + b"tR.",
        "id of a number": b"K\x05Q.",
        "unhashable key": b"\x80\x02}]K\x01s.",
        "odd items": b"\x80\x02}(K\x01u.",
        "no stack": b"aaaa.",
        "memo without a value": b"\x80\x02h\x05.",
        "no stop": b"\x80\x02}",
        "unknown opcode": b"\x80\x02\xff.",
        "protocol 255": b"\x80\xff}.",
        "quoted badly": b"S'abc\n.",
        "float of text": b"Fabc\n.",
        "integer of text": b"Iabc\n.",
        "surrogates": b"\x80\x04\x8c\x03\xed\xa0\x80.",
    },
)


@hostile("bombs/million keys", slow=True)
def _(path: Path, canary: Path) -> None:
    _put(path, saved({f"k{number}": number for number in range(1_000_000)}))


@hostile("bombs/many tensors", slow=True)
def _(path: Path, canary: Path) -> None:
    one = torch.zeros(1)
    _put(path, saved({f"main.{number}.weight": one for number in range(120_000)}))


@hostile("bombs/one storage many times")
def _(path: Path, canary: Path) -> None:
    one = torch.zeros(256, 64, 4, 4)
    _put(path, saved({f"main.{3 * number}.weight": one for number in range(5_000)}))


@hostile("bombs/classes")
def _(path: Path, canary: Path) -> None:
    _put(path, b"\x80\x02](" + b"".join(b"cm\nC%d\n" % number for number in range(200_000)) + b"e.")


@hostile("bombs/deflated pickle")
def _(path: Path, canary: Path) -> None:
    content = b"\x80\x02" + b"N0" * 100_000_000 + b"N."
    _put(path, with_pickle(content, compression=zipfile.ZIP_DEFLATED, compresslevel=1))


@hostile("bombs/deflated record")
def _(path: Path, canary: Path) -> None:
    records = {"0": bytes(200_000_000)}
    pickled = tensor_pickle((50_000_000,), (1,), 50_000_000)
    _put(path, with_pickle(pickled, records, compression=zipfile.ZIP_DEFLATED, compresslevel=1))


@hostile("bombs/deep wrappers")
def _(path: Path, canary: Path) -> None:
    content: Any = good_state()
    for number in range(200):
        content = {f"w{number}": content}
    _put(path, saved(content))


@hostile("bombs/image of four billion pixels")
def _(path: Path, canary: Path) -> None:
    state = {f"main.{3 * k}.weight": torch.randn(1, 3 if k == 15 else 1, 4, 4) for k in range(16)}
    _put(path, saved(state))


@hostile("bombs/wide first layer")
def _(path: Path, canary: Path) -> None:
    state = {"main.0.weight": torch.randn(1, 1, 400, 400)}
    state |= {f"main.{2 * k}.weight": torch.randn(1, 1, 4, 4) for k in range(1, 7)}
    _put(path, saved({**state, "main.14.weight": torch.randn(1, 3, 4, 4)}))


# ---------------------------------------------------------------------------------------------- archives


def _archive(change: Callable[[bytearray], Any]) -> bytes:
    content = bytearray(saved(good_state()))
    return bytes(change(content) or content)


def _patched(content: bytearray, signature: bytes, offset: int, value: bytes, last: bool = False) -> None:
    at = content.rfind(signature) if last else content.find(signature)
    content[at + offset : at + offset + len(value)] = value


each(
    "archives",
    {
        "cut at 10 bytes": saved(good_state())[:10],
        "cut at a third": saved(good_state())[:3000],
        "cut in the directory": saved(good_state())[:-60],
        "cut by a byte": saved(good_state())[:-1],
        "no local headers": saved(good_state())[2000:],
        "sizes forged": _archive(lambda c: _patched(c, b"PK\x01\x02", 20, b"\xf0\xff\xff\x7f" * 2)),
        "offset forged": _archive(lambda c: _patched(c, b"PK\x01\x02", 42, b"\xf0\xff\xff\x7f")),
        "encrypted": _archive(lambda c: _patched(c, b"PK\x01\x02", 8, b"\x01\x00")),
        "unknown method": _archive(lambda c: _patched(c, b"PK\x01\x02", 10, b"\x63\x00")),
        "empty zip": b"PK\x05\x06" + bytes(18),
        "only a header": b"PK\x03\x04" + bytes(26),
        "bzip2": with_pickle(b"\x80\x02}.", compression=zipfile.ZIP_BZIP2),
        "lzma": with_pickle(b"\x80\x02}.", compression=zipfile.ZIP_LZMA),
        "big endian": with_pickle(b"\x80\x02}.").replace(b"little", b"big\x00\x00\x00"),
        "zeros": bytes(100_000),
        "random": np.random.default_rng(0).bytes(100_000),
        "one byte": b"\x80",
        "empty": b"",
        "junk after a pickle": pickle.dumps({"a": 1}) + bytes(10_000),
        "html": b"\n<!DOCTYPE html><html><body>404</body></html>",
        "git-lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "json": b'{"a": [1, 2, 3]}',
        "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "jpeg": b"\xff\xd8\xff\xe0" + bytes(100),
        "gzip": b"\x1f\x8b\x08" + bytes(100),
        "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(100),
        "pdf": b"%PDF-1.7\n",
        "numpy": b"\x93NUMPY\x01\x00" + bytes(100),
        "text": b"hello, these are my weights\n" * 10,
        "onnx-like": b"\x08\x08\x12\x07pytorch\x1a\x052.0.0" + bytes(40),
        "shell script": b"#!/bin/sh\ntouch /tmp/x\n",
        "elf": b"\x7fELF\x02\x01\x01" + bytes(100),
        "tar": bytes(257) + b"ustar\x0000" + bytes(400),
    },
)


each(
    "archives",
    {
        "directory beyond": _archive(lambda c: _patched(c, b"PK\x05\x06", 16, b"\xf0\xff\xff\x7f")),
        "entries beyond": _archive(lambda c: _patched(c, b"PK\x05\x06", 8, b"\xfe\xff\xfe\xff")),
    },
    accepted=True,
)


@hostile("archives/duplicate pickles", accepted=True)
def _(path: Path, canary: Path) -> None:
    _put(path, saved(good_state()))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Reduced(open, str(canary), "w"), 2))


@hostile("archives/two roots")
def _(path: Path, canary: Path) -> None:
    _put(path, saved(good_state()))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/data.pkl", b"\x80\x02}.")


@hostile("archives/outside names", accepted=True)
def _(path: Path, canary: Path) -> None:
    _put(path, saved(good_state()))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"../../..{canary}", b"x")
        archive.writestr(str(canary), b"x")


@hostile("archives/wrong checksum")
def _(path: Path, canary: Path) -> None:
    content = saved(good_state())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entry = next(each for each in archive.infolist() if each.filename.endswith("data/0"))
    spoilt = bytearray(content)
    spoilt[entry.header_offset + 200] ^= 1
    _put(path, bytes(spoilt))


@hostile("archives/overlapping records", accepted=True)
def _(path: Path, canary: Path) -> None:
    content = bytearray(saved(good_state()))
    entries = [at for at in range(len(content) - 4) if content[at : at + 4] == b"PK\x01\x02"]
    for at in entries[3:6]:  # three records that begin at one place
        content[at + 42 : at + 46] = content[entries[2] + 42 : entries[2] + 46]
    _put(path, bytes(content))


@hostile("archives/a hundred thousand entries", slow=True)
def _(path: Path, canary: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        for number in range(110_000):
            archive.writestr(f"archive/data/{number}", b"")


for _suffix in ("docx", "npz", "zip of files"):

    @hostile(f"archives/{_suffix}")
    def _(path: Path, canary: Path, kind: str = _suffix) -> None:
        names = {"docx": "word/document.xml", "npz": "weight.npy", "zip of files": "a/netG.pth"}
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(names[kind], b"x")


# ---------------------------------------------------------------------------------------------- places


@hostile("places/fifo")
def _(path: Path, canary: Path) -> None:
    os.mkfifo(path)


@hostile("places/device")
def _(path: Path, canary: Path) -> Path:
    return Path("/dev/zero")


@hostile("places/link to a device")
def _(path: Path, canary: Path) -> None:
    path.symlink_to("/dev/random")


@hostile("places/link to nothing")
def _(path: Path, canary: Path) -> None:
    path.symlink_to(path.parent / "nothing")


@hostile("places/link to itself")
def _(path: Path, canary: Path) -> None:
    path.symlink_to(path)


@hostile("places/missing")
def _(path: Path, canary: Path) -> None:
    pass


@hostile("places/empty folder")
def _(path: Path, canary: Path) -> None:
    path.mkdir()


@hostile("places/folder with a fifo")
def _(path: Path, canary: Path) -> None:
    path.mkdir()
    os.mkfifo(path / "model.safetensors")


@hostile("places/folder in parts")
def _(path: Path, canary: Path) -> None:
    path.mkdir()
    (path / "model.safetensors.index.json").write_text("{}")


@hostile("places/folder with a bomb")
def _(path: Path, canary: Path) -> None:
    path.mkdir()
    (path / "pytorch_model.bin").write_bytes(b"cbuiltins\nbytearray\n(" + op_number(8 << 30) + b"tR.")


def _folder(config: bytes) -> Make:
    def write(path: Path, canary: Path) -> None:
        path.mkdir()
        (path / "pytorch_model.bin").write_bytes(saved(good_state()))
        (path / "config.json").write_bytes(config)

    return write


for _name, _config in {
    "deep config": b"[" * 100_000,
    "config of a list": b"[]",
    "config of nothing": b"",
    "long config": b'{"a": "' + b"x" * 2_000_000 + b'"}',
    "config of bytes": b"\xff\xfe\x00",
}.items():
    hostile(f"places/{_name}")(_folder(_config))
hostile("places/config of huge numbers", accepted=True)(_folder(b'{"z": 1e400, "a": ' + b"9" * 4000 + b"}"))
hostile("places/config that lies", accepted=True)(
    _folder(
        b'{"z_dim": -1, "img_resolution": 1e9, "num_layers": 999999999, "c_dim": "x", "channel_base": null}'
    )
)


@hostile("places/no rights")
def _(path: Path, canary: Path) -> Path:
    return Path("/proc/1/mem")


@hostile("places/sparse 200 GB")
def _(path: Path, canary: Path) -> None:
    with path.open("wb") as file:
        file.write(b"\x80\x02")
        file.truncate(200 << 30)


@hostile("places/sparse safetensors", suffix=".safetensors")
def _(path: Path, canary: Path) -> None:
    size = 64 << 30
    header = json.dumps(
        {"main.0.weight": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}
    ).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        file.truncate(8 + len(header) + size)


@hostile("places/sparse zip")
def _(path: Path, canary: Path) -> None:
    with path.open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(64 << 30)


# ---------------------------------------------------------------------------------------------- values


def _values(name: str, change: Callable[[State], Any], **options: Any) -> None:
    def write(path: Path, canary: Path) -> None:
        _put(path, saved(change(good_state())))

    hostile(f"values/{name}", **options)(write)


def _one(value: Callable[[Tensor], Tensor], key: str = "main.3.weight") -> Callable[[State], State]:
    return lambda state: {**state, key: value(state[key])}


def _every(value: Callable[[Tensor], Tensor]) -> Callable[[State], State]:
    return lambda state: {k: value(v) if v.is_floating_point() else v for k, v in state.items()}


_values("complex64", _one(lambda v: v.to(torch.complex64)))
_values("complex128", _every(lambda v: v.to(torch.complex128)))
_values("bool", _one(lambda v: v > 0))
_values("int64", _every(lambda v: v.long()))
_values("int8", _one(lambda v: v.to(torch.int8)))
_values("uint8", _one(lambda v: v.abs().to(torch.uint8)))
_values("NaN", _one(lambda v: v * float("nan")))
_values("one NaN", _one(lambda v: v.clone().index_put_((torch.tensor([0]),), torch.tensor(float("nan")))))
_values("infinite", _one(lambda v: v + float("inf")))
_values("minus infinite bias", _one(lambda v: v - float("inf"), "main.4.bias"))
_values("1e38", _every(lambda v: v.sign() * 1e38))
_values("negative variance", _one(lambda v: -v - 1, "main.4.running_var"))
_values("NaN in half", _every(lambda v: (v * float("nan")).half()))
_values("sparse", _one(lambda v: v.to_sparse()))
_values("sparse rows", _one(lambda v: v[0, 0].to_sparse_csr()))
_values("quantized", _one(lambda v: torch.quantize_per_tensor(v, 0.1, 0, torch.qint8)))
_values("meta", _one(lambda v: v.to("meta")))
_values("zero-dimensional", _one(lambda v: v.sum()))
_values("no values", _one(lambda v: v[:0]))
_values("no channels", _one(lambda v: v[:, :0]))
_values("five-dimensional", _one(lambda v: v[None]))
_values("transposed", _one(lambda v: v.transpose(0, 1)))
_values("empty state dict", lambda state: {"netG": {}})
_values("all zeros", _every(torch.zeros_like))
_values("half", _every(torch.Tensor.half), accepted=True)
_values("bfloat16", _every(torch.Tensor.bfloat16), accepted=True)
_values("double", _every(torch.Tensor.double), accepted=True)
_values("float8", _every(lambda v: v.to(torch.float8_e5m2)), accepted=True)
_values("not contiguous", _every(lambda v: v.transpose(0, -1).contiguous().transpose(0, -1)), accepted=True)
_values("a view of much", _every(lambda v: torch.cat([v, v])[: len(v)] if v.ndim else v), accepted=True)
_values("subnormal", _one(lambda v: v + 1e-42), accepted=True)
_values("a tensor of a subclass", _one(lambda v: nn.Parameter(v)), accepted=True)
_values("tied", lambda state: {"g": state, "g_ema": dict(state)}, accepted=True)
_values("numpy arrays", lambda state: {k: v.numpy() for k, v in state.items()}, accepted=True)
_values("numpy objects", lambda state: {k: np.array([1, "x", None], object) for k in state})
_values("numpy big endian", lambda state: {k: v.numpy().astype(">f4") for k, v in state.items()})
_values("a number beside", lambda state: {**state, "step": 3, "loss": np.float64(3)}, accepted=True)
_values("texts only", lambda state: {"a": "b"})
_values("one tensor", lambda state: state["main.0.weight"])
_values("a list of tensors", lambda state: list(state.values()))


# ---------------------------------------------------------------------------------------------- keys

_KEYS: dict[str, Any] = {
    "number": 3,
    "tuple": (1, 2),
    "none": None,
    "bytes": b"main",
    "float": 1.5,
    "bool": True,
}
for _name, _key in _KEYS.items():
    hostile(f"keys/{_name} beside", accepted=True)(
        lambda path, canary, key=_key: _put(path, saved({**good_state(), key: torch.zeros(1)}))
    )
    hostile(f"keys/{_name} alone")(lambda path, canary, key=_key: _put(path, saved({key: torch.zeros(1)})))
    hostile(f"keys/{_name} above", accepted=True)(
        lambda path, canary, key=_key: _put(path, saved({key: good_state(), "netG": good_state()}))
    )
for _name, _text in {
    "escape": "\x1b[31mred\x1b[0m",
    "newline": "a\nb\r\nc",
    "long": "k" * 2_000_000,
    "bidi": "a\u202eb",
    "markup": "[red]x[/oops] :warning: <img src=x onerror=alert(1)> ![i](http://x)",
    "dots": "....",
    "empty": "",
    "negative": "main.-1.weight",
    "huge number": "main.99999999999999999999999.weight",
    "large number": "main.999999999.weight",
    "other digits": "main.\u0662\u0660.weight",
    "superscript": "main.\u00b2.weight",
    "percent": "%s%n{0}{key!r}",
    "path": "../../../etc/passwd",
    "nul": "a\x00b",
}.items():
    hostile(f"keys/{_name} only")(
        lambda path, canary, key=_text: _put(path, saved({key: torch.zeros(3, 3, 4, 4)}))
    )
    hostile(f"keys/{_name} added", accepted=True)(
        lambda path, canary, key=_text: _put(path, saved({**good_state(), key: torch.zeros(3, 3, 4, 4)}))
    )
    hostile(f"keys/{_name} as a wrapper", accepted=True)(
        lambda path, canary, key=_text: _put(path, saved({key: good_state()}))
    )
for _name, _key in {
    "progan": "blocks.999999999.0.bias",
    "order": "order",
    "colours": "colours",
    "bias": "blocks.bias",
}.items():
    hostile(f"keys/{_name} key")(lambda path, canary, key=_key: _put(path, saved({key: torch.zeros(4)})))


# ---------------------------------------------------------------------------------------------- safetensors


def safe(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with a header as given."""
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(content) if length is None else length) + content + data


def _entry(**values: Any) -> dict[str, Any]:
    return {"main.0.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | values}


each(
    "safetensors",
    {
        "header beyond": safe(_entry(), bytes(8), 10**9),
        "header of 2**63": safe(_entry(), bytes(8), 2**63),
        "empty header": safe(b"{", b"", 0),
        "header of nothing": safe(b"{" + b" " * 20),
        "list": safe([1, 2]),
        "no JSON": safe(b"{nonsense}" * 5),
        "deep JSON": safe(b'{"a":' * 100_000),
        "deep lists": safe(b'{"a":' + b"[" * 100_000),
        "offset beyond": safe(_entry(data_offsets=[0, 800]), bytes(8)),
        "offset beyond int64": safe(_entry(data_offsets=[0, 2**70]), bytes(8)),
        "negative offset": safe(_entry(data_offsets=[-8, 0]), bytes(8)),
        "offsets reversed": safe(_entry(data_offsets=[8, 0]), bytes(8)),
        "fractions": safe(_entry(data_offsets=[0.0, 8.0]), bytes(8)),
        "three offsets": safe(_entry(data_offsets=[0, 4, 8]), bytes(8)),
        "texts": safe(_entry(data_offsets=["0", "8"]), bytes(8)),
        "wrong length": safe(_entry(shape=[3]), bytes(8)),
        "huge shape": safe(_entry(shape=[2**40, 2**40]), bytes(8)),
        "huge shape of nothing": safe(_entry(shape=[0, 2**47, 2**47], data_offsets=[0, 0]), bytes(8)),
        "negative shape": safe(_entry(shape=[-2, -1]), bytes(8)),
        "many dimensions": safe(_entry(shape=[1] * 1000 + [2]), bytes(8)),
        "unknown type": safe(_entry(dtype="F4"), bytes(8)),
        "type of a list": safe(_entry(dtype=["F32"]), bytes(8)),
        "no shape": safe({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, bytes(8)),
        "null": safe({"a": None}),
        "number": safe({"a": 3}),
        "metadata of a list": safe({"__metadata__": [1], **_entry()}, bytes(8)),
        "only metadata": safe({"__metadata__": {"a": "b"}}),
        "no tensors": safe({}, b"      "),
        "overlapping": safe(
            {f"t{k}": _entry(shape=[1000], data_offsets=[0, 4000])["main.0.weight"] for k in range(50)},
            bytes(4000),
        ),
        "NaN in JSON": safe(b'{"a": NaN, "b": Infinity}'),
        "a key of surrogates": safe(
            b'{"\\ud800": {"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', bytes(8)
        ),
        "a long key": safe({"k" * 2_000_000: _entry()["main.0.weight"]}, bytes(8)),
        "cut": safe(_entry(), bytes(4)),
    },
    suffix=".safetensors",
)


@hostile("safetensors/million tensors", slow=True, suffix=".safetensors")
def _(path: Path, canary: Path) -> None:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    _put(path, safe({f"t{number}": entry for number in range(1_000_000)}))


@hostile("safetensors/a quarter million tensors", suffix=".safetensors")
def _(path: Path, canary: Path) -> None:
    entry = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    _put(path, safe({f"t{number}": entry for number in range(250_000)}))


# ---------------------------------------------------------------------------------------------- names

for _name, _text in {
    "spaces": "my weights final (2).pt",
    "unicode": "п\u0435\u0440\u0441\u0438\u043a-\u6843.pt",
    "markup": "[red]x[-oops] :warning:.pt",
    "newline": "a\nb.pt",
    "escape": "\x1b[31mred.pt",
    "long": "x" * 240 + ".pt",
    "dash": "--family.pt",
    "bidi": "a\u202etp.exe.pt",
}.items():

    @hostile(f"names/{_name}")
    def _(path: Path, canary: Path, text: str = _text) -> Path:
        named = path.parent / text
        named.write_bytes(b"\x80\x02}")
        return named

    @hostile(f"names/{_name} of weights", accepted=True)
    def _(path: Path, canary: Path, text: str = _text) -> Path:
        named = path.parent / text
        named.write_bytes(saved(good_state()))
        return named


def group(name: str) -> str:
    """The group of a file."""
    return name.partition("/")[0]


__all__ = ["HOSTILE", "Hostile", "good_state", "group", "saved"]
