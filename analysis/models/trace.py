"""Look into a module while it runs, or change what a layer returns.

    with Trace(module, ["main.2"]) as trace:            # keep
        images = module(z)
    r = trace["main.2"]

    with Trace(module, {"main.2": edit}):               # change: edit(r) -> r
        edited = module(z)

One thread at a time may trace a module: hooks are the module's, not the thread's.
"""

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any

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
