"""What one looks at before a generator is dissected: that it can be, its layers, and what seems odd."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from analysis.models.layer import Layer
from analysis.models.outputs import as_images
from analysis.models.trace import first_map, submodule
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

if TYPE_CHECKING:
    from analysis.models.generator import Generator

TRIED = 64  # latents that may give one image by chance: a concept may be in few of the images
LOOKED_AT = 8  # images whose values are looked at; two where one takes over SLOW seconds
SLOW = 1.0
BATCH_DIFFERENCE = 2e-3  # on average over pixels, of images of one latent in two batches
SAME = 1e-4  # two images of one latent differ by less

NONLINEARITIES = (
    nn.ReLU,
    nn.LeakyReLU,
    nn.PReLU,
    nn.RReLU,
    nn.ReLU6,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Softplus,
    nn.Hardswish,
)


class Survey(NamedTuple):
    """A generator's layers, the shape (3, H, W) of its images, and what its user should know."""

    layers: tuple[Layer, ...]
    image_shape: tuple[int, ...]
    notes: tuple[str, ...]


def survey(
    generator: Generator, layers: Sequence[str] | Mapping[str, str] | None, extra: Mapping[str, str]
) -> Survey:
    """Run a generator on a few latents: find its layers, and refuse what cannot be dissected.

    Raises:
        GanatomyError: it does not take the latents, or its images are no images, are not finite, are all the
            same, change from call to call or with the batch; or a layer cannot be used.
    """
    named = named_paths(layers, generator.module)
    z = latents(0, 0, 1, generator.latent_shape)
    every = [path for path, _part in generator.module.named_modules() if path]
    began = time.perf_counter()
    with _Calls(generator.module, every) as calls:
        first = _first_images(generator, z)
    seconds = time.perf_counter() - began
    if not torch.isfinite(first).all():
        raise GanatomyError(
            f"Generator '{generator.name}' makes images with NaN or infinite values; its weights are "
            "damaged, or need another architecture."
        )
    if not torch.allclose(first, generator.images(z), rtol=0, atol=SAME):
        raise GanatomyError(
            f"Generator '{generator.name}' gives another image each time for one latent; "
            "fix its noise inputs."
        )
    if layers is None:
        usable = [path for path in named.values() if calls.usable(path)]
        named = {f"layer{i}": path for i, path in enumerate(usable, start=1)}
    if not named:
        raise GanatomyError(_no_layers(generator, calls))
    found = [calls.layer(name, path) for name, path in named.items()]
    found += [calls.layer(name, path, extra=True) for name, path in extra.items()]
    notes = _oddities(
        generator, LOOKED_AT if seconds < SLOW else 2
    )  # before the next look, for which images are clamped
    _must_vary(generator, first)
    return Survey(tuple(found), tuple(first.shape[1:]), notes)


def named_paths(layers: Sequence[str] | Mapping[str, str] | None, module: nn.Module) -> dict[str, str]:
    """Module paths by layer name; every nonlinearity for None.

    Raises:
        GanatomyError: a path is named twice, there is none, or `layers` is a text.
    """
    if isinstance(layers, str):
        raise GanatomyError(f"layers is the text '{layers}'; give a list of module paths, as ['{layers}'].")
    if layers is None:
        paths = [path for path, part in module.named_modules() if path and isinstance(part, NONLINEARITIES)]
        return {f"layer{i}": path for i, path in enumerate(paths, start=1)}
    if isinstance(layers, Mapping):
        named = dict(layers)
    else:
        named = {f"layer{i}": path for i, path in enumerate(layers, start=1)}
    if not named:
        raise GanatomyError("No layer was named; leave layers out for every nonlinearity.")
    paths = list(named.values())
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise GanatomyError(f"The layer '{twice}' is named twice; name each once.")
    for path in paths:
        submodule(module, path)
    return named


def checked_module(module: object, name: str) -> nn.Module:
    """The module to watch: for one of torch.compile the one that was compiled, whose layers run one by one.

    Raises:
        GanatomyError: it is no nn.Module, is TorchScript, or has weights without values.
    """
    if not isinstance(module, nn.Module):
        raise GanatomyError(
            f"Generator '{name}' is of type {type(module).__name__}, not an nn.Module; wrap it in one, "
            "because layers are modules."
        )
    if isinstance(module, torch.jit.ScriptModule):
        raise GanatomyError(
            f"Generator '{name}' is TorchScript, whose layers cannot be watched; give the nn.Module that it "
            "was made from, or export it as ONNX."
        )
    for weight_name, weight in [*module.named_parameters(), *module.named_buffers()]:
        if weight.is_meta or nn.parameter.is_lazy(weight):
            raise GanatomyError(f"'{weight_name}' of generator '{name}' has no values yet; load its weights.")
        if weight.is_floating_point() and not torch.isfinite(weight).all():
            raise GanatomyError(
                f"'{weight_name}' of generator '{name}' has NaN or infinite values; take another checkpoint."
            )
    compiled: nn.Module = getattr(module, "_orig_mod", module)
    return compiled


def usable_device(device: str | torch.device) -> torch.device:
    """A device that exists here.

    Raises:
        GanatomyError: it does not, or is none.
    """
    try:
        wanted = torch.device(device)
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError) as error:
        raise GanatomyError(f"The device '{device}' cannot be used here; use cpu.") from error
    return wanted


def _first_images(generator: Generator, z: Tensor) -> Tensor:
    try:
        return generator.images(z)
    except GanatomyError:
        raise
    except Exception as error:  # the user's own forward can raise anything
        reason = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:160]}"
        raise GanatomyError(
            f"Generator '{generator.name}' {_failure(generator, error)} ({reason})."
        ) from error


def _failure(generator: Generator, error: Exception) -> str:
    text = str(error)
    if isinstance(error, TypeError) and "missing" in text and "argument" in text:
        return (
            "wants more than a latent; for a class give classes=, their number; for other inputs wrap it in "
            "a module that passes them"
        )
    if "not implemented for" in text or "should be the same" in text or "same dtype" in text:
        return "mixes number formats; convert it with .float() first"
    if _takes_a_list(generator):
        return "takes a list of latents; wrap it in a module that calls it with [z]"
    if isinstance(error, RuntimeError | ValueError | IndexError | TypeError):
        return (
            f"does not accept latents of shape {generator.latent_shape}; give the latent_shape that it was "
            "trained with"
        )
    return "fails in its own forward; try it on one latent first"


def _takes_a_list(generator: Generator) -> bool:
    """Whether the module works with a list of one latent, as StyleGAN2's do."""
    z = latents(0, 0, 1, generator.latent_shape).to(generator.device)
    try:
        with torch.no_grad():
            as_images(generator.module([z]))
    except Exception:  # the user's own forward can raise anything
        return False
    return generator.classes is None


def _must_vary(generator: Generator, first: Tensor) -> None:
    """Refuse a generator whose image does not depend on its latent alone."""
    for number in range(1, TRIED):
        z = latents(0, number, number + 1, generator.latent_shape)
        other = generator.images(z)
        if not torch.equal(first, other):
            break
    else:
        raise GanatomyError(
            f"Generator '{generator.name}' gives the same image for {TRIED} latents, so its units follow "
            "nothing; give a generator whose image depends on its latent."
        )
    both = torch.cat([latents(0, 0, 1, generator.latent_shape), z])
    try:
        together = generator.images(both)
    except RuntimeError as error:
        raise GanatomyError(
            f"Generator '{generator.name}' makes only one image at a time "
            f"({str(error).splitlines()[0][:120]}); give images_per_pass=1."
        ) from error
    # On average, since a hard edge in a picture may move with the last bit of a sum.
    if float((together - torch.cat([first, other])).abs().mean()) > BATCH_DIFFERENCE:
        raise GanatomyError(
            f"Generator '{generator.name}' gives another image for one latent in another batch; use batch "
            "norms that have running statistics."
        )


def _oddities(generator: Generator, count: int) -> tuple[str, ...]:
    """What a user should look at, from the values of a few images before they are clamped."""
    low, high = generator.output_range
    z = latents(0, 0, count, generator.latent_shape)
    values = torch.cat([generator.raw_images(one) for one in z.split(1)]).float()
    least, most = float(values.min()), float(values.max())
    span = high - low
    notes = []
    beyond = (values < low - 0.02 * span) | (values > high + 0.02 * span)
    if least < low - 5 * span or most > high + 5 * span:
        raise GanatomyError(
            f"Generator '{generator.name}' makes values from {least:.3g} to {most:.3g}; say what is "
            "black and white, as output_range=(0, 255)."
        )
    if (share := float(beyond.float().mean())) > 0.01:
        notes.append(
            f"{share:.0%} of the values lie outside {low:g} to {high:g} (from {least:.3g} to {most:.3g}) and "
            "are clamped."
        )
    if (low, high) == (-1.0, 1.0) and least >= -0.02 and most > 0.1:
        notes.append(
            f"All values lie between {least:.2f} and {most:.2f}; if 0 stands for black, the output range is "
            "0,1."
        )
    if float(values.std(0).mean()) < 0.01 * span:
        notes.append(f"{count} images hardly differ; the generator may have collapsed.")
    return tuple(notes)


def _no_layers(generator: Generator, calls: _Calls) -> str:
    candidates = [path for path in calls.paths if calls.units(path) > 3]  # fewer are an image's channels
    often = next((path for path in calls.paths if calls.count(path) > 1), None)
    sentence = f"No nonlinearity of generator '{generator.name}' can be a layer"
    if often is not None:
        sentence += f" ('{often}' runs {calls.count(often)} times in one pass)"
    some = ", ".join(candidates[:12]) or "none"
    return f"{sentence}; name layers. Modules that return maps once are {some}."


class _Calls:
    """What the modules at some paths return in one pass, and how often."""

    def __init__(self, module: nn.Module, paths: list[str]) -> None:
        self.paths = paths
        self._module = module
        self._shapes: dict[str, list[torch.Size | None]] = {path: [] for path in paths}

    def __enter__(self) -> _Calls:
        def kept(path: str, output: object) -> None:
            found = first_map(output)
            self._shapes[path].append(found.shape if found is not None else None)

        self._hooks = [
            submodule(self._module, path).register_forward_hook(
                lambda _module, _inputs, output, path=path: kept(path, output)
            )
            for path in self.paths
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def count(self, path: str) -> int:
        return len(self._shapes[path])

    def usable(self, path: str) -> bool:
        return self.units(path) > 0

    def units(self, path: str) -> int:
        """How many units the map has that the module returned; 0 where it cannot be a layer."""
        shape = self._shapes[path][0] if self.count(path) == 1 else None
        return shape[1] if shape is not None else 0

    def layer(self, name: str, path: str, extra: bool = False) -> Layer:
        shapes = self._shapes.get(path, [])
        if not self.usable(path):
            reason = (
                f"runs {len(shapes)} times in one pass"
                if len(shapes) != 1
                else "returns no featuremap of shape (images, units, height, width)"
            )
            some = ", ".join([other for other in self.paths if self.usable(other)][:12])
            raise GanatomyError(
                f"Module '{path}' {reason}; name a block around it or another layer"
                + (f", such as {some}." if some else ".")
            )
        shape = shapes[0]
        assert shape is not None
        return Layer(name, path, shape[1], shape[2], shape[3], extra)
