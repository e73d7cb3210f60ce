"""StyleGAN2 in NVIDIA's layout: `G_ema` of stylegan2-ada-pytorch, and of stylegan3's `--cfg=stylegan2`.

Sizes, widths, classes and the architecture (skip, orig or resnet) are read from the weights; the clamp and
the mapping's learning rate multiplier from the network's arguments, or else they are what its training sets.
Layers are named as the weights are: b4.conv1, b8.conv0, b8.conv1, ..., after their leaky ReLU;
"<layer>.style" are the style channels that scale what goes into a layer (StyleSpace, Wu et al. 2021).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.checkpoints import State
from analysis.models.families.family import Family, Parts
from analysis.models.families.shapes import (
    images_per_pass,
    loaded,
    number,
    numbers,
    settings,
    shape,
    split_by_size,
)
from analysis.models.families.stylegan.layers import (
    MappingNetwork,
    MappingSizes,
    Style,
    activated,
    doubled,
    mapping_sizes,
    modulated,
    noise_maps,
    smoothed,
)
from analysis.models.inputs import Inputs
from analysis.shared.errors import GanatomyError

WHAT = "a StyleGAN2 of NVIDIA's PyTorch layout"
LARGEST = 2048
CLAMP = 256.0  # what training sets for float16, in both repositories
MAPPING_RATE = 0.01
HALF = math.sqrt(0.5)  # of each of two summands, which keeps the variance


class Layer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU, clamp."""

    resample_filter: Tensor
    noise_const: Tensor
    other_noise: Tensor | None

    def __init__(self, state: State, prefix: str, up: bool, gain: float, clamp: float | None) -> None:
        super().__init__()
        after, before, taps, _taps = shape(state, f"{prefix}.weight", 4, WHAT)
        _before, width = shape(state, f"{prefix}.affine.weight", 2, WHAT)
        self.affine = Style(width, before)
        self.weight = nn.Parameter(torch.empty(after, before, taps, taps))
        self.bias = nn.Parameter(torch.empty(after))
        self.register_buffer("resample_filter", _filter(state, f"{prefix}.resample_filter"))
        self.noisy = f"{prefix}.noise_strength" in state
        if self.noisy:
            self.noise_strength = nn.Parameter(torch.empty(()))
            size = _size(prefix)
            self.register_buffer("noise_const", torch.empty(size, size))
        self.register_buffer("other_noise", None, persistent=False)  # of a run's noise seed
        self.up, self.gain, self.clamp = up, gain, clamp

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = modulated(x, self.weight, self.affine(w), up=self.up, padding=self.weight.shape[2] // 2)
        if self.up:
            x = smoothed(x, self.resample_filter)
        if self.noisy:
            noise = self.noise_const if self.other_noise is None else self.other_noise
            x = x + noise * self.noise_strength
        return activated(x + self.bias[:, None, None], self.clamp, self.gain)


class ToRGB(nn.Module):
    """What a block contributes to the image, (N, 1 or 3, h, w)."""

    def __init__(self, state: State, prefix: str, clamp: float | None) -> None:
        super().__init__()
        after, before, taps, _taps = shape(state, f"{prefix}.weight", 4, WHAT)
        _before, width = shape(state, f"{prefix}.affine.weight", 2, WHAT)
        self.affine = Style(width, before)
        self.weight = nn.Parameter(torch.empty(after, before, taps, taps))
        self.bias = nn.Parameter(torch.empty(after))
        self.clamp, self.factor = clamp, 1 / math.sqrt(before * taps**2)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style = self.affine(w) * self.factor
        x = modulated(x, self.weight, style, demodulate=False) + self.bias[:, None, None]
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


class Skip(nn.Module):
    """The straight way around a block of the resnet architecture: a 1x1 convolution, twice as large."""

    resample_filter: Tensor

    def __init__(self, state: State, prefix: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape(state, f"{prefix}.weight", 4, WHAT)))
        self.register_buffer("resample_filter", _filter(state, f"{prefix}.resample_filter"))

    def forward(self, x: Tensor) -> Tensor:
        factor = HALF / math.sqrt(self.weight.shape[1])
        # Its kernel is applied the other way round where the grid is doubled, which 1x1 does not show.
        return doubled(functional.conv2d(x, self.weight * factor), self.resample_filter)


class Sum(nn.Module):
    """What the layers and the straight way of a block give together, which the next block gets."""

    def forward(self, x: Tensor, straight: Tensor) -> Tensor:
        return straight + x


class Block(nn.Module):
    """The layers of one grid: maps and image so far to maps and image of this grid."""

    resample_filter: Tensor

    def __init__(self, state: State, prefix: str, clamp: float | None) -> None:
        super().__init__()
        first = f"{prefix}.const" in state
        self.residual = f"{prefix}.skip.weight" in state
        if first:
            self.const = nn.Parameter(torch.empty(shape(state, f"{prefix}.const", 3, WHAT)))
        else:
            self.conv0 = Layer(state, f"{prefix}.conv0", True, 1.0, clamp)
        self.conv1 = Layer(state, f"{prefix}.conv1", False, HALF if self.residual else 1.0, clamp)
        self.torgb = ToRGB(state, f"{prefix}.torgb", clamp) if f"{prefix}.torgb.weight" in state else None
        if self.residual:
            self.skip, self.sum = Skip(state, f"{prefix}.skip"), Sum()
        self.register_buffer("resample_filter", _filter(state, f"{prefix}.resample_filter"))

    def forward(self, x: Tensor | None, image: Tensor | None, w: Tensor) -> tuple[Tensor, Tensor | None]:
        if x is None:
            made = self.conv1(self.const.expand(len(w), -1, -1, -1), w)
        else:
            made = self.conv1(self.conv0(x, w), w)
            if self.residual:
                made = self.sum(made, self.skip(x))
        if image is not None:
            image = doubled(image, self.resample_filter)
        if self.torgb is not None:
            added = self.torgb(made, w)
            image = added if image is None else image + added
        return made, image


class Synthesis(nn.Module):
    """w (N, W) to images (N, 1 or 3, size, size)."""

    def __init__(self, state: State, sizes: list[int], clamp: float | None) -> None:
        super().__init__()
        self.sizes = sizes
        for size in sizes:
            self.add_module(f"b{size}", Block(state, f"synthesis.b{size}", clamp))

    def forward(self, w: Tensor) -> Tensor:
        x: Tensor | None = None
        image: Tensor | None = None
        for size in self.sizes:
            x, image = self.get_submodule(f"b{size}")(x, image, w)
        assert image is not None
        return image


class StyleGAN2ADA(nn.Module):
    """Latents (N, Z), and classes (N,) of conditional models, to images (N, 1 or 3, size, size)."""

    def __init__(
        self, state: State, sizes: list[int], psi: float | None, clamp: float | None, rate: float
    ) -> None:
        super().__init__()
        self.mapping = MappingNetwork(state, psi, rate)
        self.synthesis = Synthesis(state, sizes, clamp)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        images: Tensor = self.synthesis(self.mapping(z, y))
        return images


def build(state: State, config: Mapping[str, Any], inputs: Inputs) -> Parts:
    """The generator of a `G_ema`; `config` has the network's arguments under "config".

    Raises:
        GanatomyError: the weights are not those of such a StyleGAN2, or its arguments are not supported.
    """
    sizes = numbers(state, r"synthesis\.b(\d+)\.conv1\.weight")
    size = sizes[-1] if sizes else 0
    if len(sizes) < 2 or sizes != [4 * 2**k for k in range(len(sizes))] or size > LARGEST:
        raise GanatomyError(
            f"The weights do not fit {WHAT}: it has blocks of {sizes or 'no'} pixels; "
            "use a complete checkpoint."
        )
    if f"synthesis.b{size}.torgb.weight" not in state:
        raise GanatomyError(
            f"The weights do not fit {WHAT}: the last block makes no image; use a complete checkpoint."
        )
    clamp, rate = _arguments(config)
    mapped = mapping_sizes(state, WHAT)
    complete = {"mapping.w_avg": torch.zeros(mapped.width), **state}
    module = loaded(lambda: StyleGAN2ADA(complete, sizes, inputs.truncation, clamp, rate), complete, WHAT)
    if "mapping.w_avg" not in state:
        module.mapping.measure_mean()
    _set_noise([part for part in module.modules() if isinstance(part, Layer)], inputs.noise)
    return _parts(module, state, sizes, mapped)


def _arguments(config: Mapping[str, Any]) -> tuple[float | None, float]:
    """The clamp and the mapping's learning rate multiplier from the network's arguments."""
    known, inside = settings(config), settings(config, "synthesis_kwargs")
    mapping = settings(config, "mapping_kwargs")
    for part in (known, inside, mapping, settings(config, "synthesis_kwargs", "layer_kwargs")):
        if part.get("activation", "lrelu") != "lrelu":
            raise GanatomyError(
                f"The network has the activation {part['activation']!r}; only lrelu is supported."
            )
    if "synthesis_kwargs" in known:  # stylegan2-ada-pytorch, which does not clamp unless told to
        clamp = number(inside, "conv_clamp", CLAMP) if inside.get("conv_clamp") is not None else None
    elif known.get("conv_clamp", CLAMP) is None:
        clamp = None
    else:
        clamp = number(known, "conv_clamp", CLAMP)
    return clamp, number(mapping, "lr_multiplier", MAPPING_RATE)


def _set_noise(layers: list[Layer], seed: int | None) -> None:
    """Gives the layers the noise maps of a seed in place of the checkpoint's own."""
    noisy = [layer for layer in layers if layer.noisy]
    if seed is not None:
        maps = noise_maps(seed, [layer.noise_const.shape[0] for layer in noisy])
        for layer, noise in zip(noisy, maps, strict=True):
            layer.other_noise = noise


def _parts(module: StyleGAN2ADA, state: State, sizes: list[int], mapped: MappingSizes) -> Parts:
    names = [
        f"b{size}.{conv}" for size in sizes for conv in ("conv0", "conv1") if (size, conv) != (4, "conv0")
    ]
    grids = {name: _size(name) for name in names}
    units = [state[f"synthesis.{name}.weight"].shape[0] for name in names]
    layers, extra = split_by_size({name: f"synthesis.{name}" for name in names}, grids, sizes[-1])
    rgbs = [f"b{size}.torgb" for size in sizes if f"synthesis.b{size}.torgb.weight" in state]
    extra |= {f"{name}.style": f"synthesis.{name}.affine" for name in [*names, *rgbs]}
    extra |= {
        f"b{size}": f"synthesis.b{size}.sum" for size in sizes if f"synthesis.b{size}.skip.weight" in state
    }
    return Parts(
        module,
        layers,
        (mapped.latent,),
        extra_layers=extra,
        classes=mapped.classes,
        images_per_pass=images_per_pass(zip(units, grids.values(), strict=True)),
    )


def _size(name: str) -> int:
    """The grid in a name such as synthesis.b8.conv0."""
    return int(name.removeprefix("synthesis.").split(".")[0].removeprefix("b"))


def _filter(state: State, key: str) -> Tensor:
    """An empty low-pass filter (k,) or (k, k) as large as the checkpoint's."""
    dimensions = 1 if key in state and state[key].ndim == 1 else 2
    return torch.empty(shape(state, key, dimensions, WHAT))


def _recognises(state: State) -> bool:
    wanted = {
        "mapping.fc0.weight": 2,
        "synthesis.b4.const": 3,
        "synthesis.b4.conv1.affine.weight": 2,
        "synthesis.b4.resample_filter": 2,
        "synthesis.b8.conv0.weight": 4,
    }
    return all(key in state and state[key].ndim == dimensions for key, dimensions in wanted.items())


FAMILY = Family(
    "StyleGAN2 (NVIDIA, PyTorch)",
    recognises=_recognises,
    build=build,
    inputs=("truncation", "class", "noise"),
)
