"""StyleGAN3-T and StyleGAN3-R (Karras et al. 2021) in NVIDIA's layout: `G_ema` of the stylegan3 repository.

Sizes, widths, classes, kernels and filters are read from the weights. Layers have the weights' names, such as
L3_52_512 (52 cells a side, 512 units), and are what follows the filtered leaky ReLU. Each map reaches 10
cells beyond the picture on every side. A layer here is the part within the picture, so that its cells lie
where the picture shows them; where an edit changes a cell at the edge, it goes on into the margin.
"L3_52_512.style" are the style channels that scale what goes into the layer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.checkpoints import State
from analysis.models.families.family import Family, Parts
from analysis.models.families.shapes import images_per_pass, loaded, number, settings, shape, split_by_size
from analysis.models.families.stylegan.layers import (
    GAIN,
    SLOPE,
    Dense,
    MappingNetwork,
    Style,
    filtered,
    mapping_sizes,
    modulated,
)
from analysis.models.inputs import Inputs
from analysis.shared.errors import GanatomyError

WHAT = "a StyleGAN3"
ROUNDING = 1e-5  # of a map's largest value: a change up to it does not go on into the margin
NAME = re.compile(r"synthesis\.(L(\d{1,3})_(\d{1,4})_(\d{1,5}))\.weight")
LARGEST = 2048
MAPPING_RATE = 0.01
FINE_BYTES = 8_000_000  # of maps on the finer grid: what fits a cache is three times as fast


class Sizes(NamedTuple):
    """What a layer's filters and padding follow from."""

    name: str
    before: int  # cells a side of the map that it takes, with the margin
    after: int
    up: int  # how many times finer the grid of its nonlinearity is than that of the map it takes
    down: int
    margin: int  # cells beyond the picture on each side of what it makes
    clamp: float | None
    last: bool  # makes the image


class Waves(nn.Module):
    """w (N, W) to the first maps (N, C, size, size): waves that w turns and moves, then mixed."""

    transform: Tensor
    freqs: Tensor
    phases: Tensor

    def __init__(self, state: State, size: int, rate: int, bandwidth: float) -> None:
        super().__init__()
        units = shape(state, "synthesis.input.phases", 1, WHAT)[0]
        four, width = shape(state, "synthesis.input.affine.weight", 2, WHAT)
        self.weight = nn.Parameter(torch.empty(units, units))
        self.affine = Dense(width, four)
        self.register_buffer("transform", torch.empty(3, 3))
        self.register_buffer("freqs", torch.empty(units, 2))
        self.register_buffer("phases", torch.empty(units))
        self.size, self.rate, self.bandwidth = size, rate, bandwidth

    def forward(self, w: Tensor) -> Tensor:
        turn = self._turned(self.affine(w)) @ self.transform
        phases = self.phases + (self.freqs @ turn[:, :2, 2:]).squeeze(2)
        freqs = self.freqs @ turn[:, :2, :2]  # (N, C, 2)
        # Waves too fine for the grid fade out.
        loud = 1 - (freqs.norm(dim=2) - self.bandwidth) / (self.rate / 2 - self.bandwidth)
        # The middles of the cells, from the picture's middle, in units of the picture's side.
        cells = (torch.arange(self.size, device=w.device, dtype=w.dtype) + 0.5 - self.size / 2) / self.rate
        places = torch.stack(torch.meshgrid(cells, cells, indexing="xy"), 2)
        waves = torch.einsum("hwk,nck->nhwc", places, freqs) + phases[:, None, None]
        waves = torch.sin(2 * math.pi * waves) * loud.clamp(0, 1)[:, None, None]
        return (waves @ (self.weight / math.sqrt(len(self.weight))).t()).permute(0, 3, 1, 2)

    @staticmethod
    def _turned(t: Tensor) -> Tensor:
        """Matrices (N, 3, 3): first move by the last two of four numbers, then turn by the first two."""
        t = t / t[:, :2].norm(dim=1, keepdim=True)
        cosine, sine, right, down = t.unbind(1)
        none, one = torch.zeros_like(sine), torch.ones_like(sine)
        turn = torch.stack([cosine, -sine, none, sine, cosine, none, none, none, one], 1).view(-1, 3, 3)
        move = torch.stack([one, none, -right, none, one, -down, none, none, one], 1).view(-1, 3, 3)
        return turn @ move


class Picture(nn.Module):
    """The part of maps that lies within the picture."""

    def __init__(self, margin: int) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, x: Tensor) -> Tensor:
        m = self.margin
        return x[:, :, m : x.shape[2] - m, m : x.shape[3] - m]


class Layer(nn.Module):
    """Modulated convolution, bias, filtered leaky ReLU, clamp."""

    magnitude_ema: Tensor
    up_filter: Tensor
    down_filter: Tensor

    def __init__(self, state: State, sizes: Sizes) -> None:
        super().__init__()
        prefix = f"synthesis.{sizes.name}"
        after, before, taps, _taps = shape(state, f"{prefix}.weight", 4, WHAT)
        _before, width = shape(state, f"{prefix}.affine.weight", 2, WHAT)
        self.affine = Style(width, before)
        self.weight = nn.Parameter(torch.empty(after, before, taps, taps))
        self.bias = nn.Parameter(torch.empty(after))
        self.register_buffer("magnitude_ema", torch.empty(()))
        for name in ("up_filter", "down_filter"):
            kernel = state.get(f"{prefix}.{name}")
            self.register_buffer(name, None if kernel is None else torch.empty(kernel.shape))
        # Both grids have the picture's middle in common; an odd cell too many goes to the end.
        reach = sum(
            state[f"{prefix}.{name}"].shape[-1] - 1
            for name in ("up_filter", "down_filter")
            if f"{prefix}.{name}" in state
        )
        total = (sizes.after - 1) * sizes.down + 1 - (sizes.before + taps - 1) * sizes.up + reach
        first = (total + sizes.up) // 2
        self.pads, self.sizes = (first, total - first), sizes
        self.picture = Picture(sizes.margin)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        taps, units = self.weight.shape[2], self.weight.shape[1]
        style = self.affine(w)
        weight: Tensor = self.weight
        if self.sizes.last:
            style = style / math.sqrt(units * taps**2)
        else:
            weight = self.weight * torch.rsqrt(self.weight.square().mean((1, 2, 3), keepdim=True))
            style = style * torch.rsqrt(style.square().mean(1, keepdim=True))
        x = modulated(x, weight, style, demodulate=not self.sizes.last, padding=taps - 1)
        x = self._filtered(x * torch.rsqrt(self.magnitude_ema) + self.bias[:, None, None])
        return x if self.sizes.last else self._continued(x, self.picture(x))

    def _filtered(self, x: Tensor) -> Tensor:
        """The leaky ReLU on a finer grid, between two low-pass filters; a few units at a time."""
        fine = 4 * len(x) * (x.shape[2] * self.sizes.up) ** 2  # bytes of a unit's maps on the finer grid
        parts = x.split(max(1, FINE_BYTES // fine), 1)
        return torch.cat([self._part_filtered(part) for part in parts], 1)

    def _part_filtered(self, x: Tensor) -> Tensor:
        sizes, one = self.sizes, x.new_ones(1)
        up = one if self.up_filter is None else self.up_filter
        x = filtered(x, up, self.pads, up=sizes.up, gain=float(sizes.up**2))
        if not sizes.last:
            x = functional.leaky_relu(x, SLOPE) * GAIN
        if sizes.clamp is not None:
            x = x.clamp(-sizes.clamp, sizes.clamp)
        return filtered(x, one if self.down_filter is None else self.down_filter, (0, 0), down=sizes.down)

    def _continued(self, x: Tensor, inner: Tensor) -> Tensor:
        """The maps with `inner` in the picture, and its changes at the edge carried on into the margin."""
        m = self.sizes.margin
        if not m:
            return inner
        before = x[:, :, m : x.shape[2] - m, m : x.shape[3] - m]
        pads = (m, m, m, m)
        edge = functional.pad(inner, pads, mode="replicate")
        # A batch of another size may round otherwise; that is no edit.
        rounding = ROUNDING * before.abs().amax((1, 2, 3), keepdim=True)
        edited = ~((inner - before).abs() <= rounding)
        changed = functional.pad(edited.to(x.dtype), pads, mode="replicate") > 0
        changed[:, :, m : x.shape[2] - m, m : x.shape[3] - m] = True  # so that gradients reach `inner`
        return torch.where(changed, edge, x)


class Synthesis(nn.Module):
    """w (N, W) to images (N, 1 or 3, size, size)."""

    def __init__(self, state: State, layers: list[Sizes], rate: int, bandwidth: float, scale: float) -> None:
        super().__init__()
        self.input = Waves(state, layers[0].before, rate, bandwidth)
        self.names, self.scale = [layer.name for layer in layers], scale
        for layer in layers:
            self.add_module(layer.name, Layer(state, layer))

    def forward(self, w: Tensor) -> Tensor:
        x = self.input(w)
        for name in self.names:
            x = self.get_submodule(name)(x, w)
        return x * self.scale


class StyleGAN3(nn.Module):
    """Latents (N, Z), and classes (N,) of conditional models, to images (N, 1 or 3, size, size)."""

    def __init__(self, state: State, synthesis: Synthesis, psi: float | None, rate: float) -> None:
        super().__init__()
        self.mapping, self.synthesis = MappingNetwork(state, psi, rate), synthesis

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        images: Tensor = self.synthesis(self.mapping(z, y))
        return images


def build(state: State, config: Mapping[str, Any], inputs: Inputs) -> Parts:
    """The generator of a `G_ema`; `config` has the network's arguments under "config".

    Raises:
        GanatomyError: the weights are not those of a StyleGAN3.
    """
    mapped, layers = mapping_sizes(state, WHAT), _layers(state, settings(config))
    known = settings(config)
    margin = layers[0].margin
    rate = layers[0].before - 2 * margin
    bandwidth = number(known, "first_cutoff", 2)
    scale = number(known, "output_scale", 0.25)
    mapping_rate = number(settings(config, "mapping_kwargs"), "lr_multiplier", MAPPING_RATE)
    complete = {"mapping.w_avg": torch.zeros(mapped.width), **state}
    module = loaded(
        lambda: StyleGAN3(
            complete, Synthesis(complete, layers, rate, bandwidth, scale), inputs.truncation, mapping_rate
        ),
        complete,
        WHAT,
    )
    if "mapping.w_avg" not in state:
        module.mapping.measure_mean()
    names = {layer.name: layer.after - 2 * layer.margin for layer in layers[:-1]}
    paths = {name: f"synthesis.{name}.picture" for name in names}
    usual, extra = split_by_size(paths, names, layers[-1].after)
    extra |= {f"{layer.name}.style": f"synthesis.{layer.name}.affine" for layer in layers}
    maps = [(state[f"synthesis.{layer.name}.weight"].shape[0], layer.after) for layer in layers]
    return Parts(
        module,
        usual,
        (mapped.latent,),
        extra_layers=extra,
        classes=mapped.classes,
        images_per_pass=images_per_pass(maps),
        notes=(
            f"Layers are the part of the maps within the picture, without the {margin} cells on each side "
            "that StyleGAN3 keeps beyond it.",
        ),
    )


def _layers(state: State, known: Mapping[str, Any]) -> list[Sizes]:
    """The layers in order.

    Raises:
        GanatomyError: their numbers, sizes or filters make no StyleGAN3.
    """
    matches = [match for key in state if (match := NAME.fullmatch(key))]
    matches.sort(key=lambda match: int(match[2]))
    found = [(match[1], int(match[3])) for match in matches]
    image = found[-1][1] if found else 0
    if [int(match[2]) for match in matches] != list(range(len(found))) or len(found) < 3 or image > LARGEST:
        raise GanatomyError(
            f"The weights do not fit {WHAT}: it has {len(found)} layers for {image} pixels, or some are "
            "missing; use a complete checkpoint."
        )
    margin = int(number(known, "margin_size", 10)) if known.get("margin_size") != 0 else 0
    relative = int(number(known, "filter_size", 6))
    clamp = None if known.get("conv_clamp", 256) is None else number(known, "conv_clamp", 256)
    layers = []
    for place, (name, after) in enumerate(found):
        factors = []
        for kind in ("up_filter", "down_filter"):
            kernel = state.get(f"synthesis.{name}.{kind}")
            factors.append(1 if kernel is None else kernel.shape[-1] // relative if kernel.ndim else 0)
        last = place == len(found) - 1
        before = found[max(place - 1, 0)][1]
        # The last two maps are the picture's own grid.
        beyond = 0 if place >= len(found) - 2 else margin
        if (
            not all(factor in (1, 2, 4, 8) for factor in factors)
            or not 2 * beyond < after <= LARGEST + 2 * margin
        ):
            raise GanatomyError(
                f"The weights do not fit {WHAT}: the filters or the size of layer {name} are of another "
                "design; use a checkpoint of the published configurations."
            )
        layers.append(Sizes(name, before, after, factors[0], factors[1], beyond, clamp, last))
    return layers


def _recognises(state: State) -> bool:
    wanted = {
        "mapping.fc0.weight": 2,
        "synthesis.input.freqs": 2,
        "synthesis.input.phases": 1,
        "synthesis.input.transform": 2,
        "synthesis.input.affine.weight": 2,
    }
    return all(key in state and state[key].ndim == dimensions for key, dimensions in wanted.items()) and any(
        NAME.fullmatch(key) for key in state
    )


FAMILY = Family("StyleGAN3 (NVIDIA)", recognises=_recognises, build=build, inputs=("truncation", "class"))
