"""Run only what comes after a layer, for any edit of latents whose passes were made once.

    cut = Cut(module, "main.2", z)                      # r = h(z), and x = f(r) without running h again
    same, edited = cut.tail(cut.r), cut.tail(0 * cut.r)

    reading = reading_of(module, "main.2", two, one)    # what the tail reads of a pass; once per layer
    kept = cut.kept(reading)                            # only that, image by image
    edited = kept.rows(index).tail(0 * cut.r[index])    # any images of the pass, in any number and order

One thread at a time may cut a module: while a tail runs, modules stand in for themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from analysis.models.dataflow import Escapes, Flow, leaves, mapped, tensors
from analysis.models.trace import Trace, map_of, submodule, with_first_map
from analysis.shared.errors import GanatomyError

PLAIN = (bool, int, float, str, type(None), torch.dtype, torch.device, torch.Size)
# Of an output's largest value: what another batch size may change by rounding. A GPU's convolutions may round
# their factors to 11 bits, and add in another order each time.
NEARLY, NEARLY_GPU = 1e-4, 1e-2


class Cut:
    """A generator cut at one layer: `r` = h(z) and `output` = f(r), both kept; `tail(r)` runs only f.

    A plain chain (nested nn.Sequential) runs its later modules. Any other module is replayed: what ran before
    the cut hands back what it returned, so that skip connections see the unedited past. The module must be
    deterministic. Gradients flow from the tail's result to the given r.

    With a `reading` of this layer only what the tail reads is kept.
    """

    def __init__(self, module: nn.Module, path: str, *inputs: Tensor, reading: Reading | None = None) -> None:
        target, chain = submodule(module, path), _chain(module)
        self._tail: Kept | _Replay
        if path in chain and len(inputs) == 1 and (made := _chained(chain, path, inputs[0])) is not None:
            self._tail, self.r, self.output = made
            return
        past = _Past(target, inputs)
        self.output = past.recorded(module, path)
        self.r = map_of(path, past.structure)
        kept = Replayed.of(reading, past) if reading is not None else None
        self._tail = kept if kept is not None else _Replay(module, target, past)

    @property
    def any_batch(self) -> bool:
        """Whether `tail` takes any number of maps, because it is known to read nothing else of the images."""
        return isinstance(self._tail, Kept) and self._tail.any_batch

    def kept(self, reading: Reading | None) -> Kept | None:
        """What the tail reads, image by image. None without a reading, or if this pass does not fit it."""
        if isinstance(self._tail, Kept):
            return self._tail
        return Replayed.of(reading, self._tail.past) if reading is not None else None

    def tail(self, r: Tensor) -> Any:
        """f(r): what the module returns when the layer returns r, of the shape of `self.r`.

        With `any_batch` r may be of any number of images.
        """
        if r.shape[self.any_batch :] != self.r.shape[self.any_batch :]:
            raise GanatomyError(
                f"The edited featuremap has shape {tuple(r.shape)}; it must stay {tuple(self.r.shape)}."
            )
        return self._tail.tail(r)


class Kept:
    """The tail of a layer with what it reads of the passes of some images. Here: of a chain, nothing."""

    bytes_per_image = 0  # what each image takes, beside its map
    any_batch = True  # whether `tail` takes any number of maps, of whatever images

    def __init__(self, later: Sequence[nn.Module] = ()) -> None:
        self._later = later

    def rows(self, index: Tensor) -> Kept:
        """The tail of some of the images, in any order, also several times."""
        return self

    def joined(self, others: Sequence[Any]) -> Kept:
        """The tail of these images and those of other passes."""
        return self

    def tail(self, r: Tensor) -> Any:
        """f(r): what the module returns when the layer returns r (images, units, h, w).

        Differentiable in r.
        """
        # Later modules may work in place on what they are given, and r is the caller's.
        value: Any = r.clone()
        for step in self._later:
            value = step(value)
        return value


def _chain(module: nn.Module, prefix: str = "") -> dict[str, nn.Module]:
    """The modules of nested plain Sequentials in their order; empty when the root is none."""
    if type(module) is not nn.Sequential:
        return {prefix: module} if prefix else {}
    steps: dict[str, nn.Module] = {}
    for name, child in module._modules.items():  # named_children() would leave out a module's second place
        if child is not None:
            steps.update(_chain(child, f"{prefix}.{name}" if prefix else name))
    return steps


def _chained(chain: dict[str, nn.Module], path: str, z: Tensor) -> tuple[Kept, Tensor, Any] | None:
    """The tail of a chain, its map and output; None where the layer returns more than a map."""
    steps = list(chain.values())
    place = list(chain).index(path) + 1
    with torch.no_grad():
        value: Any = z
        for step in steps[:place]:
            value = step(value)
        if not isinstance(value, Tensor):
            return None
        r, tail = map_of(path, value).clone(), Kept(steps[place:])
        return tail, r, tail.tail(r)


@dataclass
class _Past:
    """A pass up to a cut: what was given, what each outermost call and then the layer returned.

    Calls that had not finished when the layer did are none of its calls.
    """

    target: nn.Module
    inputs: tuple[Tensor, ...]
    calls: list[nn.Module] = field(default_factory=list)
    results: list[Any] = field(default_factory=list)
    structure: Any = None

    @property
    def values(self) -> tuple[Any, ...]:
        """Everything that a replay may read."""
        return self.inputs, self.results, self.structure

    def recorded(self, module: nn.Module, path: str) -> Any:
        """Runs the module, and returns its output."""
        begun: list[int] = []

        def before(_module: nn.Module, _inputs: Any) -> None:
            begun.append(len(self.calls))

        def after(part: nn.Module, _inputs: Any, output: Any) -> None:
            first = begun.pop()
            if self.structure is not None:
                return
            del self.calls[first:], self.results[first:]  # calls inside this one need no record of their own
            if part is self.target:
                self.structure = _copied(output)
            else:
                self.calls.append(part)
                self.results.append(_copied(output))

        hooks: list[Any] = []
        for part in module.modules():
            # First in line, to record what the module itself returned: other hooks run again in the replay.
            hooks += [
                part.register_forward_pre_hook(before, prepend=True),
                part.register_forward_hook(after, prepend=True),
            ]
        try:
            with torch.no_grad():
                output = module(*self.inputs)
        finally:
            for hook in hooks:
                hook.remove()
        if self.structure is None:
            raise GanatomyError(f"Module '{path}' did not run; choose a layer that makes the image.")
        return output


class _Replay:
    """The tail of a recorded pass, which hands everything back."""

    def __init__(self, module: nn.Module, target: nn.Module, past: _Past) -> None:
        self.module, self.target, self.past = module, target, past

    def tail(self, r: Tensor) -> Any:
        results, structure = _copied((self.past.results, self.past.structure))  # the tail may work in place
        structure = with_first_map(structure, r.clone())
        with _standing_in(self.past.calls, results, self.target, structure):
            return self.module(*self.past.inputs)


@contextmanager
def _standing_in(
    calls: Sequence[nn.Module], results: Sequence[Any], target: nn.Module, structure: Any
) -> Iterator[None]:
    """For one pass: results of the past in their order, then `structure` at the cut, then the real thing."""
    state = _Position(calls, results, target, structure)
    own = {part: part.__dict__.get("forward") for part in {*calls, target}}
    try:
        for part in own:
            part.__dict__["forward"] = state.standing_in_for(part)
        yield
    finally:
        for part, forward in own.items():
            if forward is None:
                del part.__dict__["forward"]
            else:
                part.__dict__["forward"] = forward


@dataclass
class _Position:
    """How far an edited pass has come."""

    calls: Sequence[nn.Module]
    results: Sequence[Any]
    target: nn.Module
    structure: Any
    next: int = 0
    cut_reached: bool = False

    def standing_in_for(self, part: nn.Module) -> Callable[..., Any]:
        forward = part.forward

        def replay(*args: Any, **kwargs: Any) -> Any:
            if self.cut_reached:
                return forward(*args, **kwargs)
            if self.next < len(self.calls) and self.calls[self.next] is part:
                self.next += 1
                return self.results[self.next - 1]
            if part is self.target:
                self.cut_reached = True
                return self.structure
            return forward(*args, **kwargs)

        return replay


def _copied(output: Any) -> Any:
    """A copy that later in-place work cannot reach."""
    return mapped(output, lambda leaf: leaf.clone() if isinstance(leaf, Tensor) else leaf)


@dataclass(frozen=True)
class _Number:
    """The place of a tensor in a template."""

    number: int


@dataclass(frozen=True)
class _Value:
    """A recorded tensor: whether it has a row for each image, and whether the tail reads or changes it."""

    per_image: bool
    shape: tuple[int, ...]
    blank: Tensor  # a zero of its type, without axes, which stands for what is not read
    read: bool = True
    changed: bool = True

    def blank_of(self, images: int) -> Tensor:
        """What stands for it, of the shape that it has for so many images."""
        shape = (images, *self.shape[1:]) if self.per_image else self.shape
        return self.blank.expand(shape).clone() if self.changed else self.blank.expand(shape)


@dataclass(frozen=True)
class Reading:
    """What the tail of a layer reads of a pass, beside the layer's map.

    `template` has the structure of `_Past.values`, with places of `values` for tensors.
    """

    module: nn.Module
    path: str
    calls: tuple[nn.Module, ...]
    template: Any
    values: tuple[_Value, ...]
    changes_map: bool = True

    def replayed(self, values: Sequence[Tensor], r: Tensor) -> Any:
        """What the module returns when its calls before the cut return these values, and the layer r."""
        inputs, results, structure = mapped(
            self.template, lambda leaf: values[leaf.number] if isinstance(leaf, _Number) else leaf
        )
        target = submodule(self.module, self.path)
        with _standing_in(self.calls, results, target, with_first_map(structure, r)):
            return self.module(*inputs)


class Replayed(Kept):
    """The tail of a replayed module, with the values that it reads; blanks stand for the others."""

    def __init__(self, reading: Reading, values: dict[int, Tensor], images: int) -> None:
        self._reading, self._values, self._images = reading, values, images
        each = [value for number, value in values.items() if reading.values[number].per_image]
        self.any_batch = not each
        self.bytes_per_image = sum(value.nbytes for value in each) // max(images, 1)

    @classmethod
    def of(cls, reading: Reading, past: _Past) -> Replayed | None:
        """What is read of a recorded pass; None if it went another way than the pass that was studied."""
        recorded = tensors(past.values)
        if tuple(past.calls) != reading.calls or len(recorded) != len(reading.values):
            return None
        read = {number: recorded[number] for number, value in enumerate(reading.values) if value.read}
        return cls(reading, read, len(past.inputs[0]))

    def rows(self, index: Tensor) -> Replayed:
        if self.any_batch:
            return self
        return Replayed(self._reading, self._each(lambda _, value: value[index.to(value.device)]), len(index))

    def joined(self, others: Sequence[Replayed]) -> Replayed:
        parts = [self, *others]
        values = self._each(lambda number, _: torch.cat([part._values[number] for part in parts]))
        return Replayed(self._reading, values, sum(part._images for part in parts))

    def _each(self, change: Callable[[int, Tensor], Tensor]) -> dict[int, Tensor]:
        """The values, changed where they have a row for each image."""
        described = self._reading.values
        return {
            number: change(number, value) if described[number].per_image else value
            for number, value in self._values.items()
        }

    def tail(self, r: Tensor) -> Any:
        if not self.any_batch and len(r) != self._images:
            raise GanatomyError(f"There are {len(r)} maps for {self._images} kept images; give one for each.")
        values = [self._given(number, value, len(r)) for number, value in enumerate(self._reading.values)]
        return self._reading.replayed(values, r.clone() if self._reading.changes_map else r)

    def _given(self, number: int, value: _Value, images: int) -> Tensor:
        if not value.read:
            return value.blank_of(images)
        return self._values[number].clone() if value.changed else self._values[number]


def reading_of(
    module: nn.Module, path: str, inputs: tuple[Tensor, ...], others: tuple[Tensor, ...]
) -> Reading | None:
    """What the tail of a layer reads of any pass; None where that cannot be told or does not hold.

    `inputs` are two images' inputs, `others` one other image's. Their passes show which values have a row for
    each image. The flow of the tail's operations shows which are read: what an operation returns depends on
    everything that it was given. The shortened tail is then compared with whole passes: after a pass of
    other images it must give an edit's output bit for bit (on a GPU: nearly), and each image's own in another
    order.
    """
    target = submodule(module, path)
    past, other = _Past(target, inputs), _Past(target, others)
    try:
        output, _ = past.recorded(module, path), other.recorded(module, path)
        described = _described(module, path, past, other)
        reading = _followed(described, other) if described is not None else None
        return reading if reading is not None and _holds(reading, past, output, others) else None
    except (RuntimeError, ValueError, IndexError, TypeError, GanatomyError):
        return None  # it takes one image at a time, or asks more of a value than blanks can give


def _described(module: nn.Module, path: str, past: _Past, other: _Past) -> Reading | None:
    """Every value of a pass of two images and one of another, all of them as read and changed."""
    template = _numbered(past)
    known = all(isinstance(leaf, (_Number, *PLAIN)) for leaf in leaves(template))
    if past.calls != other.calls or not known or template != _numbered(other):
        return None
    values = []
    for two, one in zip(tensors(past.values), tensors(other.values), strict=True):
        per_image = two.shape[:1] == (2,) and one.shape[:1] == (1,) and two.shape[1:] == one.shape[1:]
        if not per_image and not torch.equal(two, one):
            return None
        values.append(_Value(per_image, tuple(two.shape), two.new_zeros(())))
    return Reading(module, path, tuple(past.calls), template, tuple(values))


def _numbered(past: _Past) -> Any:
    """The structure of what was recorded, with places for tensors."""
    number = count()
    return mapped(past.values, lambda leaf: _Number(next(number)) if isinstance(leaf, Tensor) else leaf)


def _followed(reading: Reading, past: _Past) -> Reading | None:
    """The reading with only those values that the tail's output depends on; None if numbers leave torch."""
    values = [value.clone() for value in tensors(past.values)]
    r = map_of(reading.path, past.structure).clone()
    with torch.no_grad(), Escapes() as escapes, Flow([*values, r]) as flow:
        output = reading.replayed(values, r)
    if escapes.seen or flow.escaped:
        return None
    read = set[int]().union(*(flow.sources(part) for part in tensors(output)))
    described = [
        replace(value, read=number in read, changed=flow.was_changed(values[number]))
        for number, value in enumerate(reading.values)
    ]
    return replace(reading, values=tuple(described), changes_map=flow.was_changed(r))


def _holds(reading: Reading, past: _Past, output: Any, others: tuple[Tensor, ...]) -> bool:
    """Whether the shortened tail gives what whole passes give."""

    def edit(r: Tensor) -> Tensor:
        return 0.5 * r.flip(1)

    kept, r = Replayed.of(reading, past), map_of(reading.path, past.structure)
    if kept is None:
        return False
    turned = torch.tensor([1, 0], device=r.device)
    with torch.no_grad():
        with Trace(reading.module, {reading.path: edit}):
            whole = tensors(reading.module(*past.inputs))
        reading.module(*others)  # what a module keeps for itself is now another image's
        edited, same = tensors(kept.tail(edit(r))), tensors(kept.tail(r))
        swapped, second = (tensors(kept.rows(i).tail(edit(r)[i])) for i in (turned, turned[:1]))
    equal = torch.equal if r.device.type == "cpu" else _near
    return (
        all(map(equal, edited, whole))
        and all(map(equal, same, tensors(output)))
        and all(map(_near, swapped, [part[turned] for part in whole]))
        and all(map(_near, second, [part[1:] for part in whole]))
    )


def _near(found: Tensor, wanted: Tensor) -> bool:
    """Whether they differ by no more than rounding: another batch size may add in another order."""
    if found.shape != wanted.shape:
        return False
    nearly = NEARLY if wanted.device.type == "cpu" else NEARLY_GPU
    return bool((found - wanted).abs().max() <= nearly * wanted.abs().max().clamp(min=1e-6))
