"""Pickles without their code: a scan of the opcodes; an unpickler of a few names that records the rest."""

from __future__ import annotations

import math
import mmap
import pickle
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from analysis.models.files.tensors import DTYPES, STORAGES, DeclaredTensor, Storage, dense, refused
from analysis.models.files.words import Unreadable

Buffer = bytes | mmap.mmap

MOST_OPCODES = 6_000_000
MOST_CLASSES = 2_000
LONGEST_NUMBER = 64  # bytes of an integer
_ALONE = frozenset(b"(012NRb)]}tldsuaeoQ\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98")
_FIXED = {
    **dict.fromkeys(b"Khq\x82\x80", 1),
    **dict.fromkeys(b"M\x83", 2),
    **dict.fromkeys(b"Jjr\x84", 4),
    **dict.fromkeys(b"G\x95", 8),
}
_COUNTED = {
    **dict.fromkeys(b"UC\x8a\x8c", 1),
    **dict.fromkeys(b"TXB\x8b", 4),
    **dict.fromkeys(b"\x8d\x8e\x96", 8),
}
_LINES = {**dict.fromkeys(b"FILSVgpP", 1), **dict.fromkeys(b"ci", 2)}
_STOP, _PUT, _LONG_BINPUT, _FRAME = b".pr\x95"
_NUMBERS = b"\x8a\x8b"
_MEMO = "is damaged or made to do harm: its pickle asks for a huge memo"
CUT = "is cut short or damaged"


def scan(data: Buffer, start: int = 0) -> int:
    """Where the pickle that begins at `start` ends (after its STOP), all its lengths within the data.

    Raises:
        Unreadable: it is no pickle, is cut short, or declares more than there is.
    """
    end, at = len(data), start
    for count in range(MOST_OPCODES):
        if at >= end:
            raise Unreadable(CUT)
        code = data[at]
        at += 1
        if code == _STOP:
            return at
        if code not in _ALONE:
            at = _after_argument(data, at, code, 2 * count + 4096)
        if at > end:
            raise Unreadable(CUT)
    raise Unreadable(f"has a pickle of more than {MOST_OPCODES:,} steps; save the state_dict() alone")


def _after_argument(data: Buffer, at: int, code: int, most_memo: int) -> int:
    """Where an opcode's argument ends; `most_memo` is the highest place of the memo that it may ask for."""
    if (size := _FIXED.get(code)) is not None:
        value = int.from_bytes(data[at : at + size], "little")
        if code == _LONG_BINPUT and value > most_memo:
            raise Unreadable(_MEMO)
        if code == _FRAME and value > len(data) - at - size:
            raise Unreadable(CUT)
        return at + size
    if (size := _COUNTED.get(code)) is not None:
        length = int.from_bytes(data[at : at + size], "little")
        if code in _NUMBERS and length > LONGEST_NUMBER:
            raise Unreadable(CUT)
        return at + size + length
    return _after_lines(data, at, code, most_memo)


def _after_lines(data: Buffer, at: int, code: int, most_memo: int) -> int:
    if code not in _LINES:
        raise Unreadable(CUT)
    for _ in range(_LINES[code]):
        stop = data.find(b"\n", at, at + 4096)
        if stop < 0:
            raise Unreadable(CUT)
        place = data[at:stop].strip()
        if code == _PUT and not (place.isdigit() and int(place[:12]) <= most_memo):
            raise Unreadable(_MEMO)
        at = stop + 1
    return at


class ObjectRecord:
    """An object of a class that is not made: what its constructor and __setstate__ would have been given."""

    __slots__ = ("__weakref__", "args", "entries", "kwargs", "state")
    where: ClassVar[tuple[str, str]] = ("", "")
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    state: Any
    entries: list[tuple[Any, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> ObjectRecord:
        record = object.__new__(cls)
        record.args, record.kwargs, record.state, record.entries = args, kwargs, None, []
        return record

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, *args: Any) -> ObjectRecord:  # what getattr would have found, called
        return ObjectRecord(*args)

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:  # classes derived from dict
        self.entries.append((key, value))

    def append(self, value: Any) -> None:  # from list
        self.entries.append((None, value))

    def extend(self, values: Iterable[Any]) -> None:
        self.entries.extend((None, value) for value in values)

    def add(self, value: Any) -> None:  # from set
        self.entries.append((None, value))


class Ordered(dict):
    """An OrderedDict or defaultdict: a dict in the order of the file. Its attributes are dropped."""

    def __init__(self, *args: Any) -> None:
        pairs = args[-1] if args and isinstance(args[-1], list | tuple | dict) else ()
        super().__init__(pairs)

    def __setstate__(self, _state: object) -> None:
        pass


class Known:
    """A function of the allow-list, as a value that a pickle can call and cannot change."""

    __slots__ = ("_call", "name")

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        self.name, self._call = name, call

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)

    def __setstate__(self, _state: object) -> None:
        raise Unreadable("is damaged or made to do harm: its pickle changes a function")


class Constant(Known):
    """A name of torch that is a value: a dtype, a storage type, a layout."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        super().__init__(name, lambda *_: name)


class NumpyType:
    """A numpy dtype by its code, such as f4; `order` is < or >."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *_: Any) -> None:
        text = code if isinstance(code, str) else ""
        self.code, self.order = text.lstrip("<>=|"), ">" if text.startswith(">") else "<"

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", ">", "|", "="):
            self.order = state[1]

    @property
    def name(self) -> str:
        return _NUMPY.get(self.code, "")


_NUMPY = {
    "f8": "float64",
    "f4": "float32",
    "f2": "float16",
    "i8": "int64",
    "i4": "int32",
    "i2": "int16",
    "i1": "int8",
    "u8": "uint64",
    "u4": "uint32",
    "u2": "uint16",
    "u1": "uint8",
    "b1": "bool",
    "c8": "complex64",
    "c16": "complex128",
}


class NumpyArray:
    """A numpy array as its pickle declares it."""

    __slots__ = ("state",)

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def tensor(self) -> DeclaredTensor | None:
        """The array as a tensor; None when it does not hold plain numbers in this machine's order."""
        try:
            _version, shape, dtype, fortran, content = self.state
        except (TypeError, ValueError):
            return None
        content = content.encode("latin1") if isinstance(content, str) else content
        plain_numbers = isinstance(dtype, NumpyType) and dtype.name in DTYPES and dtype.order != ">"
        if not plain_numbers or not isinstance(content, bytes) or not isinstance(shape, tuple):
            return None
        if not all(type(size) is int for size in shape):
            return None
        whole = dense(Storage(dtype.name, len(content), lambda: content), shape[::-1] if fortran else shape)
        if not fortran:
            return whole
        return DeclaredTensor(whole.storage, whole.dtype, 0, whole.shape[::-1], whole.stride[::-1])


def _scalar(dtype: Any, content: Any = b"") -> Any:
    """A numpy scalar as a Python number; None when it is none."""
    content = content.encode("latin1") if isinstance(content, str) else content
    if not isinstance(dtype, NumpyType) or dtype.name not in DTYPES or not isinstance(content, bytes):
        return None
    tensor = dense(Storage(dtype.name, len(content), lambda: content), ())
    return None if tensor.problem() or dtype.order == ">" else tensor.value({}).item()


def _storage_name(kind: Any) -> str:
    name = STORAGES.get(kind.name.rpartition(".")[2]) if isinstance(kind, Constant) else None
    if name is None:
        raise Unreadable("holds a tensor of a type that is not known here")
    return name


def _dtype_name(dtype: Any) -> str:
    name = dtype.name.removeprefix("torch.") if isinstance(dtype, Constant) else ""
    return name if name in DTYPES else "?"


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> DeclaredTensor:
    if isinstance(storage, DeclaredTensor) and storage.reason:
        return storage
    if not isinstance(storage, Storage) or not isinstance(shape, tuple | list):
        raise Unreadable("is cut short or damaged: a tensor has no storage")
    return DeclaredTensor(storage, storage.dtype, offset, tuple(shape), tuple(stride))


def _typed_tensor(storage: Any, offset: Any, shape: Any, stride: Any, *rest: Any) -> DeclaredTensor:
    found = _tensor(storage, offset, shape, stride)
    dtype = _dtype_name(rest[2]) if len(rest) > 2 else found.dtype
    return DeclaredTensor(found.storage, dtype, found.offset, found.shape, found.stride, found.reason)


def _first(value: Any = None, *_: Any) -> Any:
    return value


def _subclass(call: Any, _kind: Any, args: Any, *_: Any) -> Any:
    """torch._tensor._rebuild_from_type_v2: a tensor of a subclass is the tensor that it was made from."""
    return call(*args) if isinstance(call, Known) and isinstance(args, tuple) else None


def _encoded(text: Any, encoding: Any = "latin1", *_: Any) -> Any:
    if isinstance(text, str) and encoding in ("latin1", "latin-1", "iso-8859-1", "utf-8", "ascii"):
        return text.encode(encoding)
    return None


def _values(*args: Any) -> Any:
    return tuple(args[0]) if args and isinstance(args[0], list | tuple) else ()


_SPARSE = "is a sparse tensor; save its dense values (.to_dense())"
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _first,
    "torch._tensor._rebuild_from_type_v2": _subclass,
    "torch._tensor._rebuild_from_type": _subclass,
    "torch._utils._rebuild_sparse_tensor": lambda *_: refused(_SPARSE),
    "torch._utils._rebuild_sparse_csr_tensor": lambda *_: refused(_SPARSE),
    "torch._utils._rebuild_nested_tensor": lambda *_: refused("is a nested tensor"),
    "torch._utils._rebuild_qtensor": lambda *_: refused(
        "is quantized; give the weights from before quantization (or .dequantize())"
    ),
    "torch._utils._rebuild_meta_tensor_no_storage": lambda *_: refused(
        "was saved from the meta device, without values"
    ),
    "torch._utils._rebuild_wrapper_subclass": lambda *_: refused("is a tensor of a special kind"),
    "torch.nn.parameter.Parameter": _first,
    "torch.nn.parameter.Buffer": _first,
    "torch.Size": _values,
    "torch.device": _first,
    "torch.serialization._get_layout": _first,
    "_codecs.encode": _encoded,
    **{
        f"{core}.{name}": call
        for core in ("numpy.core.multiarray", "numpy._core.multiarray")
        for name, call in (("_reconstruct", NumpyArray), ("scalar", _scalar))
    },
    "numpy.core.numeric._frombuffer": lambda *_: NumpyArray(),
    "numpy._core.numeric._frombuffer": lambda *_: NumpyArray(),
    "numpy.dtype": NumpyType,
    "builtins.set": _values,
    "builtins.frozenset": _values,
    "__builtin__.set": _values,
    "__builtin__.frozenset": _values,
}
_CLASSES = {f"collections.{name}": Ordered for name in ("OrderedDict", "defaultdict")}


class TensorUnpickler(pickle.Unpickler):
    """Builds dicts, lists, numbers, texts, declared tensors and records; imports and calls nothing else.

    Args:
        storage: the storage that a persistent id names.
        from_bytes: the storage in the bytes that `torch.storage._load_from_bytes` is given.
    """

    def __init__(
        self, file: Any, storage: Callable[[Any], Storage], from_bytes: Callable[[bytes], Any]
    ) -> None:
        super().__init__(file, encoding="latin1")
        self._storage, self._from_bytes = storage, from_bytes
        self._seen: dict[tuple[str, str], Any] = {}
        self._stored: dict[int, tuple[bytes, Any]] = {}

    def find_class(self, module: str, name: str, /) -> Any:
        key = (module, name)
        if key not in self._seen:
            if len(self._seen) >= MOST_CLASSES:
                raise Unreadable("names more classes than any model has; save the state_dict() alone")
            self._seen[key] = self._named(module, name)
        return self._seen[key]

    def persistent_load(self, pid: Any, /) -> Any:
        if isinstance(pid, tuple) and len(pid) == 4 and pid[0] == "module":
            return pid[1]  # before torch 1.6: a module's class, with its source
        return self._storage(pid)

    def _named(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full == "torch.storage._load_from_bytes":
            return Known(full, self._nested)
        if full in _FUNCTIONS:
            return Known(full, _FUNCTIONS[full])
        if full in _CLASSES:
            return _CLASSES[full]
        if module in ("torch", "torch.cuda", "torch.storage") and (name in STORAGES or name in DTYPES):
            return Constant(full)
        return type("ObjectRecord", (ObjectRecord,), {"__slots__": (), "where": (module[:200], name[:200])})

    def _nested(self, content: Any, *_: Any) -> Any:
        if not isinstance(content, bytes):
            raise Unreadable("is cut short or damaged")
        if id(content) not in self._stored:  # the bytes are kept, so that their id stays theirs
            self._stored[id(content)] = (content, self._from_bytes(content))
        return self._stored[id(content)][1]


def persistent_storage(pid: Any) -> tuple[str, str, int]:
    """(type, key, number of values) of a storage that a persistent id of torch.save names."""
    usable = isinstance(pid, tuple) and len(pid) >= 5 and pid[0] in ("storage", b"storage")
    if not usable or type(pid[4]) is not int or not isinstance(pid[2], str | int) or not 0 <= pid[4] < 2**48:
        raise Unreadable("is cut short or damaged: a tensor's storage cannot be read")
    return _storage_name(pid[1]), str(pid[2])[:200], pid[4]


def storage_bytes(dtype: str, count: int) -> int:
    """The bytes of so many values."""
    return math.prod((DTYPES[dtype].itemsize, count))
