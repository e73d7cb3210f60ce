"""The state dicts in a checkpoint, wherever they lie, and the plain values beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from analysis.models.files import tensors
from analysis.models.files.formats import Content
from analysis.models.files.pickles import NumpyArray, ObjectRecord
from analysis.models.files.tensors import DeclaredTensor
from analysis.models.files.words import Unreadable, plain

State = dict[str, Tensor]

DEEPEST = 8  # wrappers around a state dict
DEEPEST_MODULE = 64
MOST_KEYS = 100_000
MOST_STATES = 300
MOST_NODES = 1_000_000
WRAPPERS = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before every key
CONFIGS = (
    "args",
    "config",
    "hparams",
    "hyper_parameters",
    "cfg",
    "opt",
    "options",
    "kwargs",
    "init_kwargs",
    "model_args",
)
OPTIMIZERS = ("optim", "opt_", "g_optim", "d_optim", "scheduler", "scaler", "lr_sched")


@dataclass
class Found:
    """A state dict in a file: its path there ("" is the file itself), and its tensors by key.

    Attributes:
        skipped: how many values beside the tensors are none.
        config: plain values of the object that the state dict was taken from.
        prefix: what was taken off every key.
    """

    path: str
    tensors: dict[str, DeclaredTensor]
    skipped: int = 0
    config: dict[str, Any] = field(default_factory=dict)
    prefix: str = ""

    @property
    def name(self) -> str:
        """Its path, and a prefix of its keys that tells it from other networks in the same state dict."""
        inner = self.prefix.rstrip(".")
        return f"{self.path}/{inner}" if self.path and inner else self.path or inner

    def shadow(self) -> State:
        """The state dict without values; tensors that hold no plain weights are left out."""
        return {name: value.shadow() for name, value in self.tensors.items() if not value.problem()}


def states(content: Content) -> list[Found]:
    """Every state dict in a file, those nearest to the root first."""
    found = list(islice(_walk(content.tree, "", 0, _Nodes()), MOST_STATES))
    if not found and isinstance(content.tree, ObjectRecord):
        kind = plain(".".join(content.tree.where))
        raise Unreadable(
            f"holds an object of the class {kind} without weights; save the state_dict() instead"
        )
    if not found and _tensor(content.tree) is not None:
        raise Unreadable("holds one tensor, not a state dict; save the generator's state_dict()")
    return [each for each in sorted(found, key=lambda f: f.path.count("/")) if each.tensors]


def config_of(content: Content, chosen: Found) -> dict[str, Any]:
    """Plain values beside the weights: of the whole file, its args, and the chosen object."""
    config: dict[str, Any] = {}
    root = _entries(content.tree)
    config.update(_plain_entries(root))
    for name in CONFIGS:
        inner = dict(root).get(name)
        if inner is not None:
            config.update(_plain_entries(_entries(inner)))
    return {**config, **_plain_dict(content.config), **chosen.config}


class _Nodes:
    """How many values may still be visited: a pickle may hold one container many times, or in itself."""

    def __init__(self) -> None:
        self.left = MOST_NODES

    def afford(self, value: Any) -> bool:
        self.left -= 1 + (len(value) if isinstance(value, dict | list | tuple) else 0)
        return self.left >= 0


def _walk(value: Any, path: str, depth: int, nodes: _Nodes) -> Iterator[Found]:
    if (
        depth > DEEPEST
        or not isinstance(value, dict | list | tuple | ObjectRecord)
        or not nodes.afford(value)
    ):
        return
    if isinstance(value, ObjectRecord) and (module := _module(value, path)) is not None:
        yield module
        return
    entries = _entries(value)
    held = {key: tensor for key, item in entries if (tensor := _tensor(item)) is not None}
    if len(held) > MOST_KEYS:
        raise Unreadable(f"holds more than {MOST_KEYS:,} tensors in one state dict")
    if held:
        yield Found(path, held, skipped=len(value) - len(held) if isinstance(value, dict) else 0)
    for key, item in entries[:MOST_KEYS]:
        if not key.lower().startswith(OPTIMIZERS):
            yield from _walk(item, f"{path}/{key}" if path else key, depth + 1, nodes)


def _entries(value: Any) -> list[tuple[str, Any]]:
    """The named values of a container: text keys only; a list's by number."""
    if isinstance(value, ObjectRecord):
        inner = value.state[0] if isinstance(value.state, tuple) and value.state else value.state
        entries = [*(inner.items() if isinstance(inner, dict) else ()), *value.entries]
    elif isinstance(value, dict):
        entries = list(value.items())
    elif isinstance(value, list | tuple):
        entries = [(str(number), item) for number, item in enumerate(value[:64])]
    else:
        entries = []
    return [(key, item) for key, item in entries if isinstance(key, str) and len(key) <= 1000]


def _tensor(value: Any) -> DeclaredTensor | None:
    if isinstance(value, DeclaredTensor):
        return value
    return value.tensor() if isinstance(value, NumpyArray) else None


def _module(record: ObjectRecord, path: str) -> Found | None:
    """The state dict of a pickled nn.Module (or TorchScript object), from what its __setstate__ would get."""
    parts = _attributes(record)
    if not _has_weights(parts) and not record.where[0].startswith("__torch__"):
        return None
    found: dict[str, DeclaredTensor] = {}
    _collect(record, "", found, 0, set())
    if not found:
        return None
    kwargs = {}
    for name in ("_init_kwargs", "init_kwargs"):
        kwargs.update(_plain_entries(_entries(parts.get(name))))
    about = {"class_name": plain(parts.get("__class_name__") or record.where[1])}
    own = [(key, item) for key, item in parts.items() if not key.startswith("_") and key != "training"]
    return Found(path, found, config={**_plain_entries(own), **kwargs, **about})


def _attributes(record: ObjectRecord) -> dict[str, Any]:
    """An object's attributes; those of NVlabs' persistent classes lie in the argument of their rebuilding."""
    if record.where[1] == "_reconstruct_persistent_obj" and record.args:
        meta = dict(_entries(record.args[0]))
        state = dict(_entries(meta.get("state")))
        return {**state, "__class_name__": meta.get("class_name")}
    return dict(_entries(record))


def _has_weights(parts: Mapping[str, Any]) -> bool:
    return any(isinstance(parts.get(name), dict) for name in ("_parameters", "_buffers", "_modules"))


def _collect(
    record: ObjectRecord, prefix: str, found: dict[str, DeclaredTensor], depth: int, above: set[int]
) -> None:
    if depth > DEEPEST_MODULE or id(record) in above:
        raise Unreadable("holds a module that contains itself")
    parts = _attributes(record)
    scripted = record.where[0].startswith("__torch__")
    transient = {key for key, _ in _entries(parts.get("_non_persistent_buffers_set"))}
    own = (
        parts.items()
        if scripted
        else (
            (key, item)
            for kind in ("_parameters", "_buffers")
            for key, item in _entries(parts.get(kind))
            if key not in transient
        )
    )
    for key, item in own:
        if (tensor := _tensor(item)) is not None:
            found[prefix + key] = tensor
    if len(found) > MOST_KEYS:
        raise Unreadable(f"holds more than {MOST_KEYS:,} tensors in one module")
    inner = parts.items() if scripted else _entries(parts.get("_modules"))
    for key, item in inner:
        if isinstance(item, ObjectRecord):
            _collect(item, f"{prefix}{key}.", found, depth + 1, above | {id(record)})


def _plain_entries(entries: list[tuple[str, Any]]) -> dict[str, Any]:
    budget = [20_000]
    return {
        key: value
        for key, item in entries[:1000]
        if len(key) <= 100 and (value := plain_value(item, budget)) is not None
    }


def _plain_dict(values: Mapping[str, Any]) -> dict[str, Any]:
    return _plain_entries([(key, value) for key, value in values.items() if isinstance(key, str)])


def plain_value(value: Any, budget: list[int], depth: int = 0) -> Any:
    """A value as JSON holds it; None for what is none, or once the budget of values is spent."""
    budget[0] -= 1
    if isinstance(value, bool | int):
        return value if abs(value) < 2**53 else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value if len(value) <= 2000 else None
    if depth > 4 or budget[0] < 0:
        return None
    if isinstance(value, list | tuple):
        return [plain_value(item, budget, depth + 1) for item in value] if len(value) <= 256 else None
    if isinstance(value, dict | ObjectRecord):
        inner = ((key, plain_value(item, budget, depth + 1)) for key, item in _entries(value)[:256])
        return {key: got for key, got in inner if got is not None} or None
    return None


def unwrapped(found: Found) -> Found:
    """A state dict without the prefixes that DataParallel and torch.compile put before every key."""
    inner = found.tensors
    while inner and (prefix := next((w for w in WRAPPERS if all(k.startswith(w) for k in inner)), None)):
        inner = {key.removeprefix(prefix): value for key, value in inner.items()}
    return Found(found.path, inner, found.skipped, found.config, found.prefix)


def parts(found: Found, depth: int = 3) -> Iterator[Found]:
    """The state dicts of a state dict's sub-modules: its keys by common prefix, down to a depth."""
    yielded = 0
    level = [found]
    for _ in range(depth):
        below = []
        for whole in level:
            groups: dict[str, dict[str, DeclaredTensor]] = {}
            for key, value in whole.tensors.items():
                head, dot, rest = key.partition(".")
                if dot and rest:
                    groups.setdefault(f"{head}.", {})[rest] = value
            for prefix, inner in groups.items():
                if len(inner) < 2:
                    continue
                part = unwrapped(Found(found.path, inner, 0, found.config, whole.prefix + prefix))
                below.append(part)
                yield part
                yielded += 1
                if yielded >= MOST_STATES:
                    return
        level = below


BATCH_COUNTERS = ("num_batches_tracked",)
TRAINED = ("weight", "bias", "weight_orig", "running_mean", "running_var", "gain", "const")


def values(found: Found, file_bytes: int) -> tuple[State, tuple[str, ...]]:
    """(tensors in float32, notes) of a state dict, its values checked.

    Raises:
        Unreadable: a weight is complex, a whole number, true or false, sparse, NaN or infinite; a variance is
            negative; or the tensors claim more than the file holds.
    """
    if wrong := problem(found):
        raise Unreadable(wrong)
    claimed = sum(tensor.nbytes for tensor in found.tensors.values())
    if claimed > 4 * file_bytes + (1 << 20):
        raise Unreadable("is damaged or made to do harm: its tensors claim many times the bytes of the file")
    made = tensors.values(found.tensors)
    formats = {value.dtype for value in made.values() if value.is_floating_point()} - {torch.float32}
    state = {name: _checked(name, value) for name, value in made.items()}
    notes = []
    if formats:
        names = ", ".join(sorted(str(dtype).removeprefix("torch.") for dtype in formats))
        notes.append(f"The weights are kept as {names} in the file; they were made float32.")
    return state, tuple(notes)


def problem(found: Found) -> str:
    """Why the tensors of a state dict can be no weights, as their file declares them; empty when they can."""
    for name, tensor in found.tensors.items():
        shown, last = plain(name), name.rpartition(".")[2]
        if reason := tensor.problem():
            return f"holds '{shown}', which {reason}"
        dtype = tensors.DTYPES[tensor.dtype]
        if dtype.is_complex:
            return f"holds complex numbers in '{shown}', which no image generator here has"
        if not dtype.is_floating_point and last in TRAINED and tensor.shape:
            return f"holds whole numbers ({tensor.dtype}) in '{shown}', a weight; give the weights as float32"
    return ""


def _checked(name: str, value: Tensor) -> Tensor:
    if not value.is_floating_point():
        return value
    value, shown = value.float(), plain(name)
    if not torch.isfinite(value).all():
        raise Unreadable(f"holds NaN or infinite values in '{shown}'; take another checkpoint")
    if name.rpartition(".")[2] == "running_var" and bool((value < 0).any()):
        raise Unreadable(f"holds negative variances in '{shown}'; take another checkpoint")
    return value
