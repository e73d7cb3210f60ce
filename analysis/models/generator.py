"""Any module that maps latents to images, with its layers named.

generator = Generator(module, layers=["main.2", "main.5"], latent_shape=(100, 1, 1))
images, maps = generator.features(z, ["layer1", "layer2"])
cut = generator.cut(z, "layer2")
edited = cut.tail(0 * cut.r)
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from analysis.models.checkpoints import weights_sha256
from analysis.models.layer import Layer
from analysis.models.trace import Cut, Trace, first_map, submodule
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

__all__ = ["Generator", "ImageCut", "Layer"]

TRIED = 64  # latents that may give one image by chance: a concept may be in few of the images

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


class ImageCut:
    """A pass kept at one layer: its map `r` (N, units, h, w), its `images`, and the tail f."""

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self.r = cut.r
        self.any_batch = cut.any_batch  # whether `tail` takes any number of maps
        self.images = as_images(cut.output)

    def tail(self, r: Tensor) -> Tensor:
        """The images of a layer's maps: f(r), (N, 3, H, W).

        tail(self.r) equals `images` exactly. Differentiable in r.
        """
        return as_images(self._cut.tail(r))


class Generator:
    """A module that maps latents (N, *latent_shape) to images (N, 3, H, W) in [-1, 1].

    The module is not copied: it is moved to the device and put in evaluation mode. `layers` are module paths,
    in order; they are named layer1, layer2, ... None takes the output of each block's nonlinearity.
    """

    def __init__(
        self,
        module: nn.Module,
        layers: Sequence[str] | None = None,
        latent_shape: Sequence[int] = (100, 1, 1),
        *,
        name: str = "generator",
        family: str = "custom",
        device: str | torch.device | None = None,
    ) -> None:
        self.name, self.family = name, family
        self.device = torch.device(device) if device is not None else _device_of(module)
        self.module = module.to(self.device).eval()
        self.latent_shape = tuple(latent_shape)
        self.weights_sha256 = weights_sha256(module.state_dict())
        self.parameters = sum(weight.numel() for weight in module.parameters())
        images, self.layers = self._survey(layers)
        self.image_shape = tuple(images.shape[1:])

    def images(self, z: Tensor) -> Tensor:
        """Images (N, 3, H, W) of latents (N, *latent_shape), without gradients."""
        with torch.no_grad():
            return as_images(self.module(z.to(self.device)))

    def features(self, z: Tensor, layers: Iterable[str]) -> tuple[Tensor, dict[str, Tensor]]:
        """Images and the maps (N, units, h, w) of the named layers, from one pass, without gradients."""
        wanted = [self.layer(name) for name in layers]
        with Trace(self.module, [layer.path for layer in wanted]) as trace:
            images = self.images(z)
        return images, {layer.name: trace[layer.path] for layer in wanted}

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
        return ImageCut(Cut(self.module, self.layer(layer).path, z.to(self.device)))

    def tail(self, z: Tensor, layer: str, r: Tensor) -> Tensor:
        """The images of latents z when the layer returns r. For many edits of the same z, use `cut`."""
        return self.cut(z, layer).tail(r)

    def _others(self) -> Iterator[Tensor]:
        """Latents one by one: most generators show with the first that they depend on it."""
        return (latents(0, number, number + 1, self.latent_shape) for number in range(1, TRIED))

    def _survey(self, layers: Sequence[str] | None) -> tuple[Tensor, tuple[Layer, ...]]:
        """One pass of one latent: finds the layers' shapes, and refuses what cannot be dissected."""
        paths = list(layers) if layers is not None else _nonlinearities(self.module)
        z = latents(0, 0, 1, self.latent_shape)
        with _Calls(self.module, paths) as calls:
            try:
                images = self.images(z)
            except (RuntimeError, ValueError, TypeError, IndexError) as error:
                raise GanatomyError(
                    f"Generator '{self.name}' does not accept latents of shape {self.latent_shape} "
                    f"({str(error).splitlines()[0][:160]}); give the latent_shape that it was trained with."
                ) from error
        if not torch.allclose(images, self.images(z), rtol=1e-3, atol=1e-3, equal_nan=True):
            raise GanatomyError(
                f"Generator '{self.name}' gives another image each time for one latent; fix its noise inputs."
            )
        if layers is None:
            paths = [path for path in paths if calls.usable(path)]
        found = tuple(calls.layer(f"layer{i}", path) for i, path in enumerate(paths, start=1))
        if not found:
            raise GanatomyError(
                f"No layers were found in generator '{self.name}'; name them, as layers=['module.path', ...]."
            )
        if all(torch.equal(images, self.images(other)) for other in self._others()):
            raise GanatomyError(
                f"Generator '{self.name}' gives the same image for {TRIED} latents, so its units follow "
                "nothing; give a generator whose image depends on its latent."
            )
        return images, found


class _Calls:
    """What the modules at some paths return in one pass, and how often."""

    def __init__(self, module: nn.Module, paths: list[str]) -> None:
        self._paths = paths
        self._module = module
        self._outputs: dict[str, list[Tensor | None]] = {path: [] for path in paths}

    def __enter__(self) -> "_Calls":
        self._hooks = [
            submodule(self._module, path).register_forward_hook(
                lambda _module, _inputs, output, path=path: self._outputs[path].append(first_map(output))
            )
            for path in self._paths
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def usable(self, path: str) -> bool:
        return len(self._outputs[path]) == 1 and self._outputs[path][0] is not None

    def layer(self, name: str, path: str) -> Layer:
        outputs = self._outputs[path]
        if not self.usable(path):
            reason = (
                f"runs {len(outputs)} times in one pass"
                if len(outputs) != 1
                else "returns no featuremap of shape (images, units, height, width)"
            )
            raise GanatomyError(f"Module '{path}' {reason}; name a block around it or another layer.")
        assert outputs[0] is not None
        _, units, height, width = outputs[0].shape
        return Layer(name, path, units, height, width)


def as_images(output: object) -> Tensor:
    """What a generator returned as images (N, 3, H, W); grey becomes three equal channels.

    Raises:
        GanatomyError: it is no image.
    """
    images = first_map(output)
    if images is None or images.shape[1] not in (1, 3):
        shape = tuple(images.shape) if images is not None else type(output).__name__
        raise GanatomyError(f"The generator returned {shape}; it must return images of shape (N, 3, H, W).")
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images


def _device_of(module: nn.Module) -> torch.device:
    weight = next(module.parameters(), None)
    return weight.device if weight is not None else torch.device("cpu")


def _nonlinearities(module: nn.Module) -> list[str]:
    return [path for path, part in module.named_modules() if path and isinstance(part, NONLINEARITIES)]
