"""Plug-ins: generators and segmenters that an installed package brings, by entry point. No torch.

This is the one declared way to run one's own code. In the package's pyproject.toml:

    [project.entry-points."ganatomy.generators"]
    mine = "my_models:build"

where `build(device, inputs)` returns a `Generator`, or with "ganatomy.segmenters" and `build(device)` a
segmenter. Both parameters may be left out. `plugs`, `here` and `must_be_here` read what is installed and
import nothing of it; only `generator` and `segmenter` run the package's code. They are called wherever the
model is loaded: in the processes of jobs and renders, of `models add --plugin`, `models check` and
`export-images`, and of the Models page's samples and trials; and by Python's `load` and `publish`.
"""

from __future__ import annotations

import hashlib
import inspect
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

from analysis.models.inputs import NAMES, Inputs
from analysis.models.weights import Plugged
from analysis.shared.errors import GanatomyError

if TYPE_CHECKING:
    from analysis.models.generator import Generator
    from analysis.models.segmenter import Segmenter

GROUPS = {"generator": "ganatomy.generators", "segmenter": "ganatomy.segmenters"}
FAMILY = "plugin"  # what such a model's family is called
# Other values of what a run may choose; what changes a picture is taken by a plug-in.
TRIED = (Inputs(truncation=0.5), Inputs(timestep=1), Inputs(noise=1))


@dataclass(frozen=True)
class Plugin:
    """A function of an installed package that returns a generator or a segmenter."""

    role: str  # generator or segmenter
    entry: str
    function: str  # module:function
    distribution: str
    version: str
    licence: str

    def __str__(self) -> str:
        return f"The plug-in '{self.entry}' of {self.distribution} {self.version}"


def plugins(role: str | None = None) -> list[Plugin]:
    """What the installed packages bring, of one role or of both."""
    found = []
    for each, group in GROUPS.items():
        for point in metadata.entry_points(group=group) if role in (None, each) else ():
            if point.dist is not None:
                about = point.dist.metadata
                licence = about["License-Expression"] or about["License"] or "not stated"
                found.append(
                    Plugin(each, point.name, point.value, point.dist.name, point.dist.version, licence[:80])
                )
    return sorted(set(found), key=lambda plugin: (plugin.role, plugin.entry, plugin.distribution))


def plugin(role: str, entry: str) -> Plugin:
    """The installed plug-in of that name.

    Raises:
        GanatomyError: there is none, or two packages have one.
    """
    found = [each for each in plugins(role) if each.entry == entry]
    if len(found) > 1:
        packages = " and ".join(each.distribution for each in found)
        raise GanatomyError(f"{packages} both have a plug-in '{entry}'; uninstall one of them.")
    if not found:
        known = ", ".join(each.entry for each in plugins(role)) or "none"
        raise GanatomyError(
            f"No installed package has a {role} '{entry[:80]}' under the entry points {GROUPS[role]}; "
            f"installed are {known}."
        )
    return found[0]


def here(role: str, weights: Plugged) -> bool:
    """Whether the package is installed in the version that was added."""
    try:
        must_be_here(role, "", weights)
    except GanatomyError:
        return False
    return True


def must_be_here(role: str, name: str, weights: Plugged) -> None:
    """Refuse a model whose package is not installed here in the version that was added.

    Raises:
        GanatomyError: with the remedy.
    """
    found = [
        each
        for each in plugins(role)
        if (each.entry, each.distribution) == (weights.entry, weights.distribution)
    ]
    wanted = f"{weights.distribution}=={weights.version}"
    if not found:
        raise GanatomyError(
            f"The {role} '{name}' is the plug-in '{weights.entry}' of the package {weights.distribution}, "
            f"which is not installed here; run pip install {wanted}."
        )
    if found[0].version != weights.version:
        raise GanatomyError(
            f"The {role} '{name}' was added from {weights.distribution} {weights.version}, and "
            f"{found[0].version} is installed; install {wanted}, or add the new one under another name."
        )


def code_hash(weights: Plugged) -> str:
    """A hash of the weights and of the code that uses them, by its version."""
    text = f"{weights.entry} {weights.distribution} {weights.version} {weights.sha256}"
    return hashlib.sha256(text.encode()).hexdigest()


def taken_inputs(plugin: Plugin, usual: Generator) -> tuple[str, ...]:
    """The inputs that a run may choose: the class where there are classes, and what changes a picture."""
    if "inputs" not in _parameters(plugin, _function(plugin)):
        return ()
    found = ["class"] if usual.classes is not None else []
    for tried in TRIED:
        try:
            other = generator(plugin, usual.name, "cpu", tried)
        except GanatomyError:  # it does not take that one
            continue
        if not same_images(usual, other):
            found += tried.named()
    return tuple(name for name in NAMES if name in found)


def same_images(a: Generator, b: Generator) -> bool:
    """Whether two generators have the same weights and layers, and make the same pictures."""
    if (a.weights_sha256, a.layers) != (b.weights_sha256, b.layers):
        return False
    z = import_module("analysis.shared.latents").latents(0, 0, 2, a.latent_shape)
    return bool(import_module("torch").equal(a.images(z), b.images(z)))


def tried(segmenter: PluggedSegmenter) -> tuple[object, ...]:
    """What a segmenter says of two pictures, to be compared.

    Raises:
        GanatomyError: its concepts, labels or probabilities break the contract, or it fails.
    """
    try:
        found: tuple[object, ...] = import_module("analysis.models.segmentation.trial").tried(segmenter)
    except GanatomyError:
        raise
    except Exception as error:  # the code is the user's and can raise anything
        raise GanatomyError(f"The segmenter '{segmenter.name}' failed ({_first(error)}).") from error
    return found


def generator(plugin: Plugin, name: str, device: str, inputs: Inputs) -> Generator:
    """The generator that a plug-in builds. This runs its code.

    Raises:
        GanatomyError: it fails, or does not return a generator with these inputs on this device.
    """
    made = _made(plugin, {"device": device, "inputs": inputs})
    kind = import_module("analysis.models.generator").Generator
    if not isinstance(made, kind):
        raise GanatomyError(
            f"{plugin} returned {type(made).__name__}; return a Generator (from analysis import Generator)."
        )
    if made.device.type != import_module("torch").device(device).type:
        raise GanatomyError(f"{plugin} put its generator on {made.device}; give Generator device=device.")
    if made.inputs != inputs:
        raise GanatomyError(f"{plugin} leaves out the inputs of the run; give Generator inputs=inputs.")
    made.name, made.family = name, FAMILY
    made.code = f"{plugin.distribution} {plugin.version}"
    made.module.requires_grad_(False)
    found: Generator = made
    return found


def segmenter(plugin: Plugin, name: str, device: str) -> PluggedSegmenter:
    """The segmenter that a plug-in builds. This runs its code.

    Raises:
        GanatomyError: it fails, or what it returns is no segmenter.
    """
    made = _made(plugin, {"device": device})
    kind = import_module("analysis.models.segmenter").Segmenter
    if not isinstance(made, kind):
        raise GanatomyError(
            f"{plugin} returned {type(made).__name__}; return an object with concepts, labels and "
            "probability, as a Segmenter has them."
        )
    return PluggedSegmenter(made, name, plugin)


class PluggedSegmenter:
    """A plug-in's segmenter under the name that it has in the store."""

    family = FAMILY

    def __init__(self, inner: Segmenter, name: str, plugin: Plugin) -> None:
        self._inner, self.name = inner, name
        self.sha256 = _weights_of(inner)
        # Label maps are kept by this hash, and another version may label the same picture otherwise.
        self.weights_sha256 = code_hash(
            Plugged(plugin.entry, plugin.distribution, plugin.version, self.sha256)
        )

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":  # while it is copied
            raise AttributeError(name)
        return getattr(self._inner, name)

    @property
    def concepts(self) -> Any:
        """The vocabulary."""
        return self._inner.concepts

    def labels(self, images: Any) -> Any:
        """Whole-number labels (N, maps, h, w)."""
        return self._inner.labels(images)

    def probability(self, images: Any, concept: Any) -> Any:
        """How probable the concept is at each pixel, (N, h, w)."""
        return self._inner.probability(images, concept)


def _weights_of(segmenter: object) -> str:
    """The hash of a segmenter's weights: its own word, else of the modules that it holds."""
    if stated := getattr(segmenter, "weights_sha256", ""):
        return str(stated)
    module = import_module("torch").nn.Module
    held = {"": segmenter} | dict(sorted(getattr(segmenter, "__dict__", {}).items()))
    found = [part for part in held.values() if isinstance(part, module)]
    hashed = import_module("analysis.models.checkpoints").weights_sha256
    return hashlib.sha256(" ".join(hashed(part.state_dict()) for part in found).encode()).hexdigest()


def _function(plugin: Plugin) -> Callable[..., object]:
    point = metadata.EntryPoint(plugin.entry, plugin.function, GROUPS[plugin.role])
    try:
        found = point.load()
    except Exception as error:  # the code is the user's and can raise anything
        raise GanatomyError(f"{plugin} cannot be imported ({_first(error)}).") from error
    if not callable(found):
        raise GanatomyError(f"{plugin} names {plugin.function}, which is no function; name one.")
    function: Callable[..., object] = found
    return function


def _parameters(plugin: Plugin, function: Callable[..., object]) -> tuple[str, ...]:
    offered = ("device", "inputs") if plugin.role == "generator" else ("device",)
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise GanatomyError(f"{plugin} names {plugin.function}, whose parameters are unknown.") from error
    named = [each for each in parameters if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    for each in named:
        if each.name not in offered and each.default is each.empty:
            raise GanatomyError(
                f"{plugin} wants '{each.name}'; its function is given {' and '.join(offered)}, by name."
            )
    return tuple(each.name for each in named if each.name in offered)


def _made(plugin: Plugin, given: dict[str, object]) -> object:
    """What the function returns for those of its parameters that it has."""
    function = _function(plugin)
    parameters = _parameters(plugin, function)
    try:
        return function(**{name: value for name, value in given.items() if name in parameters})
    except GanatomyError as error:
        raise GanatomyError(f"{plugin} failed: {error}") from error
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{frame.filename.rsplit('/', 1)[-1]}, line {frame.lineno}"
        raise GanatomyError(f"{plugin} failed at {where} ({_first(error)}).") from error


def _first(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:160]}"
