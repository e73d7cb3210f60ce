"""Tensors as a file declares them: held against the size of the file, and made only when they are wanted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from analysis.models.files.words import Unreadable

Source = Callable[[], bytes | bytearray | memoryview]

DTYPES: dict[str, torch.dtype] = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float64,
        torch.float32,
        torch.float16,
        torch.bfloat16,
        torch.complex128,
        torch.complex64,
        torch.complex32,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.uint16,
        torch.uint32,
        torch.uint64,
        torch.bool,
        torch.float8_e4m3fn,
        torch.float8_e5m2,
        torch.float8_e4m3fnuz,
        torch.float8_e5m2fnuz,
    )
} | {"double": torch.float64, "float": torch.float32, "half": torch.float16, "long": torch.int64}
STORAGES: dict[str, str] = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
    "UntypedStorage": "uint8",
    "QInt8Storage": "int8",
    "QUInt8Storage": "uint8",
    "QInt32Storage": "int32",
}


class Storage:
    """A run of bytes in a file; `source` returns them once its place is known."""

    __slots__ = ("dtype", "nbytes", "source")

    def __init__(self, dtype: str, nbytes: int, source: Source | None = None) -> None:
        self.dtype, self.nbytes, self.source = dtype, nbytes, source

    def __setstate__(self, _state: object) -> None:
        raise Unreadable("changes a storage after it was declared")


@dataclass(frozen=True, slots=True)
class DeclaredTensor:
    """A view of a storage. `reason` says why it can be no weight (sparse, quantized, without values)."""

    storage: Storage | None
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    reason: str = ""

    def __setstate__(self, _state: object) -> None:
        raise Unreadable("changes a tensor after it was declared")

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.numel * DTYPES[self.dtype].itemsize

    def problem(self) -> str:
        """Why it cannot be made; empty when it can."""
        if self.reason:
            return self.reason
        if self.storage is None or self.dtype not in DTYPES:
            return "has no values"
        if len(self.shape) != len(self.stride) or len(self.shape) > 16:
            return "has as many strides as it has no dimensions"
        if not all(_natural(number) for number in (*self.shape, *self.stride, self.offset)):
            return "has a negative size"
        if self.numel == 0:
            return ""
        last = self.offset + sum(
            (size - 1) * step for size, step in zip(self.shape, self.stride, strict=True)
        )
        itemsize = DTYPES[self.dtype].itemsize
        if (last + 1) * itemsize > self.storage.nbytes or self.nbytes > self.storage.nbytes:
            return "claims more values than the file holds"
        return ""

    def shadow(self) -> Tensor:
        """A tensor of the same shape and type without values."""
        return torch.empty(self.shape, dtype=DTYPES[self.dtype], device="meta")

    def value(self, read: dict[int, Tensor]) -> Tensor:
        """The tensor, contiguous and its own. `read` holds the storages that were read before."""
        if (problem := self.problem()) or self.storage is None:
            raise Unreadable(problem)
        if self.numel == 0:
            return torch.empty(self.shape, dtype=DTYPES[self.dtype])
        raw = read.get(id(self.storage))
        if raw is None:
            if self.storage.source is None:
                raise Unreadable("has no values")
            content = self.storage.source()
            if len(content) < self.storage.nbytes:
                raise Unreadable("is cut short")
            writable = content if isinstance(content, bytearray) else bytearray(content)
            raw = read[id(self.storage)] = torch.frombuffer(writable, dtype=torch.uint8)
        dtype = DTYPES[self.dtype]
        whole = raw[: self.storage.nbytes - self.storage.nbytes % dtype.itemsize].view(dtype)
        return whole.as_strided(self.shape, self.stride, self.offset).clone(
            memory_format=torch.contiguous_format
        )


def dense(storage: Storage, shape: tuple[int, ...]) -> DeclaredTensor:
    """A whole storage as one tensor, the last dimension running fastest."""
    steps: list[int] = []
    above = 1
    for size in reversed(shape):
        steps.append(steps[-1] * above if steps else 1)
        above = max(size, 1)
    return DeclaredTensor(storage, storage.dtype, 0, shape, tuple(reversed(steps)))


def refused(reason: str) -> DeclaredTensor:
    """What stands for a tensor of a kind that holds no plain weights."""
    return DeclaredTensor(None, "float32", 0, (), (), reason)


def _natural(number: Any) -> bool:
    return type(number) is int and 0 <= number < 2**48


def values(declared: Mapping[str, DeclaredTensor]) -> dict[str, Tensor]:
    """The tensors of a state dict; tensors that share memory in the file get memory of their own.

    Raises:
        Unreadable: one of them cannot be made; the sentence names its key.
    """
    read: dict[int, Tensor] = {}
    found = {}
    for name, tensor in declared.items():
        try:
            found[name] = tensor.value(read)
        except Unreadable as error:
            raise Unreadable(f"holds '{name[:80]}', which {error}") from error
    return found
