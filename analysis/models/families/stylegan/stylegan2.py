"""StyleGAN2 (Karras et al. 2020) in the layout of rosinality's stylegan2-pytorch: `g_ema`.

Sizes, widths, latent and mapping layers are read from the weights. Layers are named as in GANSpace: conv1 at
4x4, convs.0 and convs.1 at 8x8, and so on, after their leaky ReLU; "<layer>.style" are the style channels
that scale what goes into a layer (StyleSpace, Wu et al. 2021).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from analysis.models.checkpoints import State
from analysis.models.families.family import Family, Parts
from analysis.models.families.shapes import (
    counted,
    images_per_pass,
    loaded,
    number,
    settings,
    shape,
    split_by_size,
)
from analysis.models.families.stylegan.layers import (
    Dense,
    Normalised,
    Style,
    activated,
    doubled,
    mean_latents,
    modulated,
    noise_maps,
    smoothed,
)
from analysis.models.inputs import Inputs
from analysis.shared.errors import GanatomyError

WHAT = "a StyleGAN2 of rosinality's layout"
LARGEST = 2048
MAPPING_RATE = 0.01  # the mapping's learning rate multiplier, which the weights do not tell


class Filter(nn.Module):
    """Holds a low-pass filter (k, k)."""

    kernel: Tensor

    def __init__(self, taps: int) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.empty(taps, taps))


class ModulatedConv(nn.Module):
    """Maps (N, I, h, w) and w (N, W) to maps (N, O, h, w), or twice as large."""

    def __init__(self, state: State, prefix: str, up: bool, demodulate: bool) -> None:
        super().__init__()
        one, after, before, taps, _taps = shape(state, f"{prefix}.weight", 5, WHAT)
        _before, width = shape(state, f"{prefix}.modulation.weight", 2, WHAT)
        self.weight = nn.Parameter(torch.empty(one, after, before, taps, taps))
        self.modulation = Style(width, before)
        self.factor, self.demodulate = 1 / math.sqrt(before * taps**2), demodulate
        self.blur = Filter(shape(state, f"{prefix}.blur.kernel", 2, WHAT)[0]) if up else None

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        weight, up = self.weight[0] * self.factor, self.blur is not None
        style = self.modulation(w)
        padding = weight.shape[2] // 2
        x = modulated(x, weight, style, demodulate=self.demodulate, up=up, padding=padding)
        return smoothed(x, self.blur.kernel, gain=1.0) if self.blur is not None else x


class Noise(nn.Module):
    """Adds one map (1, 1, h, w) to all images and units, as strongly as `weight` says."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1))

    def forward(self, x: Tensor, noise: Tensor) -> Tensor:
        return x + self.weight * noise


class Activation(nn.Module):
    """Bias and leaky ReLU."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(units))

    def forward(self, x: Tensor) -> Tensor:
        return activated(x + self.bias[:, None, None])


class StyledConv(nn.Module):
    """Modulated convolution, noise, bias, leaky ReLU: a layer."""

    def __init__(self, state: State, prefix: str, up: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(state, f"{prefix}.conv", up, demodulate=True)
        self.noise = Noise()
        self.activate = Activation(self.conv.weight.shape[1])

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        made: Tensor = self.activate(self.noise(self.conv(x, w), noise))
        return made


class ToRGB(nn.Module):
    """Adds what a layer contributes to the image (N, 3, h, w), made larger from the coarser layers'."""

    def __init__(self, state: State, prefix: str, up: bool) -> None:
        super().__init__()
        self.conv = ModulatedConv(state, f"{prefix}.conv", up=False, demodulate=False)
        self.bias = nn.Parameter(torch.empty(1, self.conv.weight.shape[1], 1, 1))
        self.upsample = Filter(shape(state, f"{prefix}.upsample.kernel", 2, WHAT)[0]) if up else None

    def forward(self, x: Tensor, w: Tensor, image: Tensor | None = None) -> Tensor:
        added: Tensor = self.conv(x, w) + self.bias
        if image is None or self.upsample is None:
            return added
        return added + doubled(image, self.upsample.kernel, gain=1.0)


class Constant(nn.Module):
    """The learned map (1, C, 4, 4) from which every image begins."""

    def __init__(self, size: tuple[int, ...]) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.empty(size))

    def forward(self, w: Tensor) -> Tensor:
        return self.input.expand(len(w), -1, -1, -1)


class StyleGAN2(nn.Module):
    """Latents (N, Z) to images (N, 3, size, size)."""

    mean: Tensor | None

    def __init__(self, state: State, psi: float | None, rate: float) -> None:
        super().__init__()
        count = counted(state, r"convs\.(\d+)\.conv\.weight", WHAT)
        self.latent = shape(state, "style.1.weight", 2, WHAT)[1]
        mapping: list[nn.Module] = [Normalised()]
        for place in range(1, 1 + _mapping_layers(state)):
            after, before = shape(state, f"style.{place}.weight", 2, WHAT)
            mapping.append(Dense(before, after, rate, active=True))
        self.style = nn.Sequential(*mapping)
        self.input = Constant(shape(state, "input.input", 4, WHAT))
        self.conv1 = StyledConv(state, "conv1")
        self.to_rgb1 = ToRGB(state, "to_rgb1", up=False)
        self.convs = nn.ModuleList(
            StyledConv(state, f"convs.{place}", up=place % 2 == 0) for place in range(count)
        )
        self.to_rgbs = nn.ModuleList(ToRGB(state, f"to_rgbs.{place}", up=True) for place in range(count // 2))
        self.noises = nn.Module()
        for place, size in enumerate(_sizes(count)):
            self.noises.register_buffer(f"noise_{place}", torch.empty(1, 1, size, size))
        self.psi = psi
        self.register_buffer("mean", None, persistent=False)
        for place in range(count + 1):  # of a run's noise seed, in place of the checkpoint's own
            self.register_buffer(f"other_noise_{place}", None, persistent=False)

    def measure_mean(self) -> None:
        """Set the mean of w anew, where w is truncated."""
        if self.psi is not None:
            z = mean_latents(self.latent).to(next(self.parameters()).device)
            with torch.no_grad():
                self.mean = self.style(z).mean(0, keepdim=True).float()

    def forward(self, z: Tensor) -> Tensor:
        w = self.style(z)
        if self.mean is not None and self.psi is not None:
            w = self.mean + self.psi * (w - self.mean)
        x = self.conv1(self.input(w), w, self._noise(0))
        image = self.to_rgb1(x, w)
        for place, to_rgb in enumerate(self.to_rgbs):
            x = self.convs[2 * place](x, w, self._noise(2 * place + 1))
            x = self.convs[2 * place + 1](x, w, self._noise(2 * place + 2))
            image = to_rgb(x, w, image)
        return image

    def _noise(self, place: int) -> Tensor:
        other: Tensor | None = getattr(self, f"other_noise_{place}")
        return self.noises.get_buffer(f"noise_{place}") if other is None else other


def _sizes(convs: int) -> list[int]:
    """The grid of conv1 and of each of the further convolutions."""
    return [4, *(8 * 2 ** (place // 2) for place in range(convs))]


def _mapping_layers(state: State) -> int:
    return sum(key.startswith("style.") and key.endswith(".weight") for key in state)


def build(state: State, config: Mapping[str, Any], inputs: Inputs) -> Parts:
    """The generator of a `g_ema`.

    Raises:
        GanatomyError: the weights are not those of such a StyleGAN2.
    """
    count = counted(state, r"convs\.(\d+)\.conv\.weight", WHAT)
    size = 4 * 2 ** (count // 2)
    if count % 2 or count > 20 or size > LARGEST:
        raise GanatomyError(
            f"The weights do not fit {WHAT}: {count} convolutions make no image of 8 to {LARGEST} pixels; "
            "use a complete checkpoint."
        )
    complete, notes = _completed(state, count)
    mean = complete.pop("latent_avg", None)
    rate = number(settings(config), "lr_mlp", MAPPING_RATE)
    module = loaded(lambda: StyleGAN2(complete, inputs.truncation, rate), complete, WHAT)
    if inputs.truncation is not None:
        if mean is not None:
            module.mean = mean.float().reshape(1, -1)
        else:
            module.measure_mean()
    if inputs.noise is not None:
        for place, noise in enumerate(noise_maps(inputs.noise, _sizes(count))):
            setattr(module, f"other_noise_{place}", noise[None, None])
    return _parts(module, complete, size, notes)


def _completed(state: State, count: int) -> tuple[State, tuple[str, ...]]:
    """The weights with the filters and noise maps that early checkpoints leave out, and a note on it."""
    complete, notes = dict(state), []
    kernel = torch.tensor([1.0, 3.0, 3.0, 1.0]).outer(torch.tensor([1.0, 3.0, 3.0, 1.0])) / 16
    for place in range(0, count, 2):
        complete.setdefault(f"convs.{place}.conv.blur.kernel", kernel)
        complete.setdefault(f"to_rgbs.{place // 2}.upsample.kernel", kernel)
    if not any(key.startswith("noises.") for key in state):
        notes.append("The checkpoint has no noise maps; they were made from seed 0.")
        for place, noise in enumerate(noise_maps(0, _sizes(count))):
            complete[f"noises.noise_{place}"] = noise[None, None]
    return complete, tuple(notes)


def _parts(module: StyleGAN2, state: State, size: int, notes: tuple[str, ...]) -> Parts:
    names = ["conv1", *(f"convs.{place}" for place in range(len(module.convs)))]
    units = [state[f"{name}.conv.weight"].shape[1] for name in names]
    sizes = dict(zip(names, _sizes(len(module.convs)), strict=True))
    layers, extra = split_by_size({name: name for name in names}, sizes, size)
    rgbs = ["to_rgb1", *(f"to_rgbs.{place}" for place in range(len(module.to_rgbs)))]
    extra |= {f"{name}.style": f"{name}.conv.modulation" for name in [*names, *rgbs]}
    return Parts(
        module,
        layers,
        (module.latent,),
        extra_layers=extra,
        images_per_pass=images_per_pass(zip(units, sizes.values(), strict=True)),
        notes=notes,
    )


def _recognises(state: State) -> bool:
    wanted = {"style.1.weight": 2, "input.input": 4, "conv1.conv.weight": 5, "to_rgb1.conv.weight": 5}
    rgb = state.get("to_rgb1.conv.weight")
    return (
        all(key in state and state[key].ndim == dimensions for key, dimensions in wanted.items())
        and rgb is not None
        and rgb.shape[1] == 3  # SWAGAN's has 12, of wavelets
        and "convs.0.conv.modulation.weight" in state
    )


FAMILY = Family("StyleGAN2 (rosinality)", recognises=_recognises, build=build, inputs=("truncation", "noise"))
