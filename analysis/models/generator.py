"""Any module that maps latents to images, with its layers named.

generator = Generator(module, layers=["main.2", "main.5"], latent_shape=(100, 1, 1))
images, maps = generator.features(z, ["layer1", "layer2"])
cut = generator.cut(z, "layer2")
edited = cut.tail(0 * cut.r)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from analysis.models.checkpoints import weights_sha256
from analysis.models.cut import Cut, Kept, Reading, reading_of
from analysis.models.inputs import Inputs
from analysis.models.latent_laws import LatentLaw
from analysis.models.layer import Layer
from analysis.models.outputs import as_images
from analysis.models.survey import Survey, checked_module, survey, usable_device
from analysis.models.trace import Trace
from analysis.shared.errors import GanatomyError

if TYPE_CHECKING:
    from analysis.models.families.family import Parts

__all__ = ["Generator", "ImageCut", "ImageTail", "Layer", "quick_layout"]

NO_INPUTS = Inputs()


class ImageTail:
    """The tail f of a layer for latents whose passes were made, with what f reads of each latent's pass."""

    def __init__(self, kept: Kept, as_images: Callable[[object], Tensor], most: int | None) -> None:
        self._kept, self._as_images, self._most = kept, as_images, most

    @property
    def any_batch(self) -> bool:
        """Whether nothing of the latents is read but the map, so that `tail` takes any number of maps."""
        return self._kept.any_batch

    @property
    def bytes_per_image(self) -> int:
        """The memory of what is read of one latent's pass, beside the map."""
        return self._kept.bytes_per_image

    @classmethod
    def joined(cls, parts: Sequence[ImageTail]) -> ImageTail:
        """The tail of the latents of several cuts at the same layer."""
        first, *others = parts
        kept = first._kept.joined([part._kept for part in others]) if others else first._kept
        return cls(kept, first._as_images, first._most)

    def rows(self, index: Tensor) -> ImageTail:
        """The tail of some of the latents, in any order, also several times."""
        return ImageTail(self._kept.rows(index), self._as_images, self._most)

    def tail(self, r: Tensor) -> Tensor:
        """The images of the layer's maps, one for each latent: f(r), (N, 3, H, W). Differentiable in r."""
        if self._most is None or len(r) <= self._most:
            return self._as_images(self._kept.tail(r))
        parts = torch.arange(len(r), device=r.device).split(self._most)
        return _joined([self._as_images(self._kept.rows(part).tail(r[part])) for part in parts])


class ImageCut:
    """A pass kept at one layer: its map `r` (N, units, h, w), its `images`, and the tail f.

    It consists of one or more cuts of some images each, so that no pass is larger than the generator allows.
    """

    def __init__(self, cuts: Sequence[Cut], generator: Generator, path: str) -> None:
        self._cuts, self._generator, self._path = cuts, generator, path
        self.r = _joined([cut.r for cut in cuts])
        self.images = _joined([generator._as_images(cut.output) for cut in cuts])

    @cached_property
    def kept(self) -> ImageTail | None:
        """The tail with only what it reads of each latent, so that latents can be chosen, repeated, joined.

        None where that is unknown: the module is no chain, and what its tail reads cannot be told.
        """
        # A chain needs no study of the module.
        reading = None if all(cut.any_batch for cut in self._cuts) else self._generator.reading(self._path)
        parts = [kept for cut in self._cuts if (kept := cut.kept(reading)) is not None]
        if len(parts) < len(self._cuts):
            return None
        as_images, most = self._generator._as_images, self._generator.images_per_pass
        return ImageTail.joined([ImageTail(part, as_images, most) for part in parts])

    @property
    def any_batch(self) -> bool:
        """Whether `tail` takes any number of maps, of whatever latents."""
        return self.kept is not None and self.kept.any_batch

    def tail(self, r: Tensor) -> Tensor:
        """The images of a layer's maps: f(r), (N, 3, H, W).

        tail(self.r) equals `images` exactly. Differentiable in r.
        """
        if r.shape[1:] == self.r.shape[1:] and len(r) == len(self.r):
            parts = zip(self._cuts, r.split([len(cut.r) for cut in self._cuts]), strict=True)
            return _joined([self._generator._as_images(cut.tail(part)) for cut, part in parts])
        if r.shape[1:] == self.r.shape[1:] and self.any_batch and self.kept is not None:
            return self.kept.tail(r)
        raise GanatomyError(
            f"The edited featuremap has shape {tuple(r.shape)}; it must stay {tuple(self.r.shape)}."
        )


def quick_layout(r: Tensor) -> Tensor:
    """On a CPU with channels last: small convolutions, and what comes after them, take half as long."""
    return r.contiguous(memory_format=torch.channels_last) if r.device.type == "cpu" else r


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts))


class Generator:
    """A module that maps latents (N, *latent_shape) to images (N, 3, H, W) in [-1, 1].

    The module is not copied: it is moved to the device and put in evaluation mode.

    Args:
        layers: module paths in order, named layer1, layer2, ...; or paths by the names that they shall have.
            None takes the output of each block's nonlinearity.
        extra_layers: further layers by name, used only where they are named.
        classes: how many classes the module is conditional on. It is then called with latents and class
            numbers (N,), int64; `inputs.classes` says which, all equally often by default.
        output_range: the values that the module returns for black and white.
        latent_law: the law of one latent: "normal", "uniform" (-1 to 1), "sphere" or "truncated:2".
        images_per_pass: the most images of one pass through the module; None is no limit.
        surveyed: what an earlier survey of the same weights found, where it is known: no image is drawn.
        inputs: what the module was built with beside the latent; results and caches are kept apart by it.
    """

    def __init__(
        self,
        module: nn.Module,
        layers: Sequence[str] | Mapping[str, str] | None = None,
        latent_shape: Sequence[int] | int = (100, 1, 1),
        *,
        extra_layers: Mapping[str, str] | None = None,
        classes: int | None = None,
        output_range: tuple[float, float] = (-1.0, 1.0),
        latent_law: str = "normal",
        images_per_pass: int | None = None,
        inputs: Inputs = NO_INPUTS,
        surveyed: Survey | None = None,
        name: str = "generator",
        family: str = "custom",
        device: str | torch.device | None = None,
    ) -> None:
        self.name, self.family = name, family
        self._readings: dict[str, Reading | None] = {}
        self.code = ""  # the package and version of a plug-in that built it
        module = checked_module(module, name)
        self.device = usable_device(device) if device is not None else _device_of(module)
        self.module = module.to(self.device).eval()
        own_shape = (latent_shape,) if isinstance(latent_shape, int) else tuple(latent_shape)
        self._own_shape, self.classes = own_shape, classes
        # A conditional generator's latent has one number more, which chooses the class.
        self.latent_shape = own_shape if classes is None else (math.prod(own_shape) + 1,)
        self.latent_law, self.output_range = LatentLaw.parse(latent_law), output_range
        self.images_per_pass, self.inputs = images_per_pass, inputs
        if classes is not None:
            self._class_numbers, self._class_shares = _mixture(inputs, classes, self.device)
        self.weights_sha256 = weights_sha256(module.state_dict())
        self.parameters = sum(weight.numel() for weight in module.parameters())
        found = surveyed or survey(self, layers, extra_layers or {})
        self.layers, self.notes = found.layers, found.notes
        self.image_shape = found.image_shape

    @classmethod
    def of(cls, parts: Parts, **others: Any) -> Generator:
        """The generator of a family's parts; `others` are further arguments, or other values of the same."""
        names = ("extra_layers", "classes", "output_range", "latent_law", "images_per_pass")
        known = {name: getattr(parts, name) for name in names}
        return cls(parts.module, parts.layers, parts.latent_shape, **known | others)

    def with_module(self, module: nn.Module, name: str) -> Generator:
        """Another module of the same architecture, with this generator's layers and settings."""
        other = Generator(
            module,
            {layer.name: layer.path for layer in self.layers if not layer.extra},
            self._own_shape,
            extra_layers={layer.name: layer.path for layer in self.layers if layer.extra},
            classes=self.classes,
            output_range=self.output_range,
            latent_law=str(self.latent_law),
            images_per_pass=self.images_per_pass,
            inputs=self.inputs,
            name=name,
            family=self.family,
            device=self.device,
        )
        other.code = self.code
        return other

    @property
    def identity(self) -> str:
        """What its images depend on beside latents: its weights, and what it was built with, as a hash."""
        about = (self.inputs, self.latent_law, self.output_range)
        if about == (NO_INPUTS, LatentLaw(), (-1.0, 1.0)) and not self.code:
            return self.weights_sha256
        return hashlib.sha256(f"{self.weights_sha256} {about} {self.code}".strip().encode()).hexdigest()

    def images(self, z: Tensor) -> Tensor:
        """Images (N, 3, H, W) of latents (N, *latent_shape), without gradients."""
        with torch.no_grad():
            return _joined([self._as_images(self.module(*self._given(part))) for part in self._passes(z)])

    def raw_images(self, z: Tensor) -> Tensor:
        """What the module returns as images (N, 3, H, W), before its range is mapped to [-1, 1]."""
        with torch.no_grad():
            return _joined([as_images(self.module(*self._given(part))) for part in self._passes(z)])

    def features(self, z: Tensor, layers: Iterable[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """Images and the maps (N, units, h, w) of the named layers, from one pass, without gradients."""
        wanted = [self.layer(name) for name in layers]
        images: list[Tensor] = []
        maps: dict[str, list[Tensor]] = {layer.name: [] for layer in wanted}
        for part in self._passes(z):
            with Trace(self.module, [layer.path for layer in wanted]) as trace:
                images.append(self.images(part))
            for layer in wanted:
                maps[layer.name].append(trace[layer.path])
        return _joined(images), {name: _joined(parts) for name, parts in maps.items()}

    def _passes(self, z: Tensor) -> Sequence[Tensor]:
        """The latents of each pass."""
        return z.split(self.images_per_pass) if self.images_per_pass and len(z) else [z]

    def _given(self, z: Tensor) -> tuple[Tensor, ...]:
        """What the module is called with, from standard normal latents (N, *latent_shape)."""
        z = z.to(self.device)
        if self.classes is None:
            return (self.latent_law(z).to(self._dtype),)
        # The last number of a latent chooses the class, so latent i of a seed has the same class anywhere.
        share = 0.5 * (1 + torch.erf(z[:, -1] / math.sqrt(2)))
        y = self._class_numbers[torch.bucketize(share, self._class_shares)]
        return self.latent_law(z[:, :-1].reshape(-1, *self._own_shape)).to(self._dtype), y

    @property
    def _dtype(self) -> torch.dtype:
        weight = next((w for w in self.module.parameters() if w.is_floating_point()), None)
        return weight.dtype if weight is not None else torch.float32

    def _as_images(self, output: object) -> Tensor:
        """What the module returned as images (N, 3, H, W) in [-1, 1]."""
        images = as_images(output).float()
        low, high = self.output_range
        if (low, high) != (-1.0, 1.0):
            images = (images - low) * (2 / (high - low)) - 1
        return images.clamp(-1, 1)

    def layer(self, name: str) -> Layer:
        """The layer of that name, or with that module path.

        Raises:
            GanatomyError: there is none; the sentence names those that exist.
        """
        for layer in self.layers:
            if name in (layer.name, layer.path):
                return layer
        known = ", ".join(layer.name for layer in self.layers)
        raise GanatomyError(f"Generator '{self.name}' has no layer '{name}'; choose one of {known}.")

    def cut(self, z: Tensor, layer: str) -> ImageCut:
        """One pass, kept at a layer, so that any number of edits run only the tail."""
        path = self.layer(layer).path
        reading = None if self._is_hooked() else self._readings.get(path)
        cuts = [Cut(self.module, path, *self._given(part), reading=reading) for part in self._passes(z)]
        return ImageCut(cuts, self, path)

    def _is_hooked(self) -> bool:
        """Whether the module is edited just now: what its layers return is not its own."""
        return any(part._forward_hooks for part in self.module.modules())

    def reading(self, path: str) -> Reading | None:
        """What the tail of the layer at a module path reads of a pass; None where that cannot be told.

        It is found once, with a few small passes, and only where somebody wants to keep tails.
        """
        if self._is_hooked():
            return None
        if path not in self._readings:
            z = torch.randn((3, *self.latent_shape), generator=torch.Generator().manual_seed(0))
            two, one = self._given(z[:2]), self._given(z[2:])
            self._readings[path] = reading_of(self.module, path, two, one)
        return self._readings[path]

    def tail(self, z: Tensor, layer: str, r: Tensor) -> Tensor:
        """The images of latents z when the layer returns r. For many edits of the same z, use `cut`."""
        return self.cut(z, layer).tail(r)


def _mixture(inputs: Inputs, classes: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The classes' numbers (k,), and the shares of images below each but the last (k - 1,)."""
    chosen = inputs.classes or tuple((number, 1.0) for number in range(classes))
    beyond = [number for number, _weight in chosen if number >= classes]
    if beyond:
        raise GanatomyError(f"There is no class {beyond[0]}; the classes are numbered 0 to {classes - 1}.")
    numbers, weights = zip(*chosen, strict=True)
    shares = torch.tensor(weights, dtype=torch.float64).cumsum(0)
    return torch.tensor(numbers, device=device), (shares / shares[-1])[:-1].float().to(device)


def _device_of(module: nn.Module) -> torch.device:
    weight = next(module.parameters(), None)
    return weight.device if weight is not None else torch.device("cpu")
