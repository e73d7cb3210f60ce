"""Which tensors the results of a program of torch depend on, followed operation by operation.

    with Flow([a, b]) as flow:
        result = program(a, b)
    flow.sources(result)                # {0, 1}: the numbers of those that it depends on

What an operation returns depends on everything that it was given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

# What these return depends on the sizes of what they are given, not on its numbers.
SIZES_ONLY = {
    f"aten.{name}"
    for name in ("empty_like", "zeros_like", "ones_like", "new_empty", "new_zeros", "new_ones", "new_full")
}


def mapped(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same structure with every leaf changed."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(part, change) for part in value))
    if isinstance(value, tuple | list):
        return type(value)(mapped(part, change) for part in value)
    if isinstance(value, dict):
        return {name: mapped(part, change) for name, part in value.items()}
    return change(value)


def leaves(values: Any) -> list[Any]:
    """The leaves of a structure in their order."""
    found: list[Any] = []
    mapped(values, found.append)
    return found


def tensors(values: Any) -> list[Tensor]:
    """The tensors of a structure in their order."""
    return [leaf for leaf in leaves(values) if isinstance(leaf, Tensor)]


class Flow(TorchDispatchMode):
    """Follows which of some tensors each result depends on. Views share what their memory depends on."""

    def __init__(self, sources: Sequence[Tensor]) -> None:
        super().__init__()
        self._of = {_memory(tensor): {number} for number, tensor in enumerate(sources)}
        self._changed: set[int] = set()
        self._sources = sources  # so that nothing else gets their memory
        self.escaped = False  # whether a number, or a size that depends on numbers, went to Python

    def sources(self, tensor: Tensor) -> set[int]:
        """The numbers of the tensors that this one depends on."""
        return self._of.get(_memory(tensor), set())

    def was_changed(self, source: Tensor) -> bool:
        """Whether an operation worked in place on one of the tensors."""
        return _memory(source) in self._changed

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = tensors((args, kwargs))
        depends = set[int]().union(*(self.sources(tensor) for tensor in given))
        if str(func.overloadpacket) in SIZES_ONLY:
            depends = set()
        self.escaped |= bool(depends) and _leaves_torch(func, given)
        before = {_memory(tensor) for tensor in given}
        output = func(*args, **kwargs)
        written = _written(func, args, kwargs)
        self._changed |= {_memory(tensor) for tensor in written}
        for place in {_memory(tensor) for tensor in [*tensors([output]), *written]}:
            # What is new may lie where something else was.
            self._of[place] = depends | self._of.get(place, set()) if place in before else depends
        return output


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _written(func: Any, args: Any, kwargs: Any) -> list[Tensor]:
    """The tensors that an operation changes."""
    arguments = func._schema.arguments
    values = dict(zip([argument.name for argument in arguments], args, strict=False)) | kwargs
    write = [a.name for a in arguments if a.alias_info is not None and a.alias_info.is_write]
    return tensors([values.get(name) for name in write])


def _leaves_torch(func: Any, given: Sequence[Tensor]) -> bool:
    """Whether a number, or a size that depends on numbers, goes to Python, which may go another way by it."""
    if torch.Tag.data_dependent_output in func.tags:
        return True
    if torch.Tag.dynamic_output_shape not in func.tags:
        return False
    masks = any(tensor.dtype in (torch.bool, torch.uint8) for tensor in given)
    return masks or "index" not in str(func.overloadpacket)


class Escapes(TorchFunctionMode):
    """Notes whether numbers leave torch by a way that its operations do not show."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen |= func in (Tensor.numpy, Tensor.tolist, Tensor.__array__, Tensor.__dlpack__)
        return func(*args, **(kwargs or {}))
