"""Look into a module while it runs, change what a layer returns, or run only what comes after it.

    with Trace(module, ["main.2"]) as trace:            # keep
        images = module(z)
    r = trace["main.2"]

    with Trace(module, {"main.2": edit}):               # change: edit(r) -> r
        edited = module(z)

    cut = Cut(module, "main.2", z)                      # r = h(z), and x = f(r) without running h again
    same, edited = cut.tail(cut.r), cut.tail(0 * cut.r)

One thread at a time may trace a module: hooks are the module's, not the thread's.
"""

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from analysis.shared.errors import GanatomyError

Change = Callable[[Tensor], Tensor]


def submodule(module: nn.Module, path: str) -> nn.Module:
    """The module at a dotted path.

    Raises:
        GanatomyError: there is none; the sentence names some that exist.
    """
    known = dict(module.named_modules(remove_duplicate=False))
    if path not in known or not path:
        some = ", ".join([name for name in known if name][:12]) or "none: it has no submodules"
        raise GanatomyError(f"There is no module '{path}' in this generator; its modules are {some}.")
    return known[path]


def first_map(output: Any) -> Tensor | None:
    """The first tensor of shape (N, units, height, width) in what a module returned, or None."""
    if isinstance(output, Tensor):
        return output if output.ndim == 4 else None
    if isinstance(output, tuple | list):
        return next((found for part in output if (found := first_map(part)) is not None), None)
    return None


def with_first_map(output: Any, r: Tensor) -> Any:
    """The same structure as `output`, with `r` in the place of its first map."""
    if isinstance(output, Tensor):
        return r
    parts = list(output)
    place = next(i for i, part in enumerate(parts) if first_map(part) is not None)
    parts[place] = with_first_map(parts[place], r)
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return type(output)(*parts)
    return type(output)(parts)


class Trace:
    """Keeps what layers return, and changes it where a change is given, for as long as the block lasts."""

    def __init__(self, module: nn.Module, layers: Iterable[str] | Mapping[str, Change | None]) -> None:
        changes = layers if isinstance(layers, Mapping) else dict.fromkeys(layers)
        self._places = [(path, submodule(module, path), change) for path, change in changes.items()]
        self._kept: dict[str, Tensor] = {}
        self._hooks: list[Any] = []

    def __enter__(self) -> "Trace":
        for path, module, change in self._places:
            self._hooks.append(module.register_forward_hook(self._hook(path, change)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._hooks:
            self._hooks.pop().remove()

    def __getitem__(self, path: str) -> Tensor:
        """What the layer returned in the last pass, after its change, (N, units, height, width)."""
        if path not in self._kept:
            raise GanatomyError(
                f"Module '{path}' did not run in this pass; choose a layer that makes the image."
            )
        return self._kept[path]

    def _hook(self, path: str, change: Change | None) -> Callable[[nn.Module, Any, Any], Any]:
        def keep(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            r = map_of(path, output)
            if change is None:
                # A copy, because later modules may work in place.
                self._kept[path] = r.clone()
                return None
            r = change(r)
            self._kept[path] = r.clone()
            return with_first_map(output, r)

        return keep


def map_of(path: str, output: Any) -> Tensor:
    """The featuremap in a module's output.

    Raises:
        GanatomyError: there is none.
    """
    r = first_map(output)
    if r is None:
        raise GanatomyError(
            f"Module '{path}' returns no featuremap (images, units, height, width); choose another layer."
        )
    return r


class Cut:
    """A generator cut at one layer: `r` = h(z) and `output` = f(r), both kept; `tail(r)` runs only f.

    A plain chain (nested nn.Sequential) runs its later modules. Any other module is replayed: what ran before
    the cut hands back what it returned, so that skip connections see the unedited past. The module must be
    deterministic. Gradients flow from the tail's result to the given r.
    """

    def __init__(self, module: nn.Module, path: str, z: Tensor) -> None:
        submodule(module, path)
        chain = _chain(module)
        self._tail: _ChainTail | _ReplayTail
        if path in chain:
            self._tail = _ChainTail(chain, path, z)
        else:
            self._tail = _ReplayTail(module, path, z)
        self.r: Tensor = self._tail.r
        self.output: Any = self._tail.output
        self.any_batch = isinstance(self._tail, _ChainTail) and self._tail.any_batch

    def tail(self, r: Tensor) -> Any:
        """f(r): what the module returns when the layer returns r, of the shape of `self.r`.

        With `any_batch` (a chain whose cut returned the map alone) r may be of any number of images.
        """
        if r.shape[self.any_batch :] != self.r.shape[self.any_batch :]:
            raise GanatomyError(
                f"The edited featuremap has shape {tuple(r.shape)}; it must stay {tuple(self.r.shape)}."
            )
        return self._tail(r)


def _chain(module: nn.Module, prefix: str = "") -> dict[str, nn.Module]:
    """The modules of nested plain Sequentials in their order; empty when the root is none."""
    if type(module) is not nn.Sequential:
        return {prefix: module} if prefix else {}
    steps: dict[str, nn.Module] = {}
    for name, child in module._modules.items():  # named_children() would leave out a module's second place
        if child is not None:
            steps.update(_chain(child, f"{prefix}.{name}" if prefix else name))
    return steps


class _ChainTail:
    def __init__(self, chain: dict[str, nn.Module], path: str, z: Tensor) -> None:
        steps = list(chain.values())
        place = list(chain).index(path) + 1
        self._later = steps[place:]
        with torch.no_grad():
            value: Any = z
            for step in steps[:place]:
                value = step(value)
            self._structure = value
            self.any_batch = isinstance(value, Tensor)
            self.r = map_of(path, value).clone()
            self.output = self(self.r)

    def __call__(self, r: Tensor) -> Any:
        # Later modules may work in place on what they are given, and r is the caller's.
        value = with_first_map(self._structure, r.clone())
        for step in self._later:
            value = step(value)
        return value


class _ReplayTail:
    """Records every outermost call that finished before the cut, and hands the results back in that order."""

    def __init__(self, module: nn.Module, path: str, z: Tensor) -> None:
        self._module, self._path, self._z = module, path, z
        self._target = submodule(module, path)
        self._past: list[tuple[nn.Module, Any]] = []
        self._structure: Any = None
        with torch.no_grad():
            self.output = self._record()
        self.r = map_of(path, self._structure)

    def _record(self) -> Any:
        depth: list[int] = []

        def before(_module: nn.Module, _inputs: Any) -> None:
            depth.append(len(self._past))

        def after(module: nn.Module, _inputs: Any, output: Any) -> None:
            begun = depth.pop()
            if self._structure is not None:
                return
            del self._past[begun:]  # calls inside this one need no record of their own
            if module is self._target:
                self._structure = _copied(output)
            else:
                self._past.append((module, _copied(output)))

        hooks: list[Any] = []
        for part in self._module.modules():
            # First in line, to record what the module itself returned: other hooks run again in the replay.
            hooks += [
                part.register_forward_pre_hook(before, prepend=True),
                part.register_forward_hook(after, prepend=True),
            ]
        try:
            output = self._module(self._z)
        finally:
            for hook in hooks:
                hook.remove()
        if self._structure is None:
            raise GanatomyError(f"Module '{self._path}' did not run; choose a layer that makes the image.")
        return output

    def __call__(self, r: Tensor) -> Any:
        modules = [part for part in self._module.modules() if part is not self._module]
        state = _Replay(self._past, self._target, with_first_map(self._structure, r.clone()))
        own = {part: part.__dict__.get("forward") for part in modules}
        try:
            for part in modules:
                part.__dict__["forward"] = state.standing_in_for(part)
            return self._module(self._z)
        finally:
            for part, forward in own.items():
                if forward is None:
                    del part.__dict__["forward"]
                else:
                    part.__dict__["forward"] = forward


class _Replay:
    """One edited pass: results of the past in their order, then r at the cut, then the real thing."""

    def __init__(self, past: list[tuple[nn.Module, Any]], target: nn.Module, r: Any) -> None:
        self._past, self._target, self._r = past, target, r
        self._next, self._cut_reached = 0, False

    def standing_in_for(self, module: nn.Module) -> Callable[..., Any]:
        forward = module.forward

        def replay(*args: Any, **kwargs: Any) -> Any:
            if self._cut_reached:
                return forward(*args, **kwargs)
            if self._next < len(self._past) and self._past[self._next][0] is module:
                self._next += 1
                return _copied(self._past[self._next - 1][1])
            if module is self._target:
                self._cut_reached = True
                return self._r
            return forward(*args, **kwargs)

        return replay


def _copied(output: Any) -> Any:
    """A copy that later in-place work cannot reach."""
    if isinstance(output, Tensor):
        return output.clone()
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return type(output)(*(_copied(part) for part in output))
    if isinstance(output, tuple | list):
        return type(output)(_copied(part) for part in output)
    if isinstance(output, dict):
        return {name: _copied(part) for name, part in output.items()}
    return output
