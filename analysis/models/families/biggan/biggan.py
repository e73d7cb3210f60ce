"""BigGAN (Brock et al. 2019) in the layout of ajbrock's BigGAN-PyTorch: `G_ema`.

Sizes, widths, classes, attention, shared embeddings and hierarchical latents are read from the weights.
Layers are the blocks' sums, which all later blocks see: blocks.0 at 8x8, blocks.1 at 16x16, and so on;
blocks.N.attention where the block is followed by one. The two ReLUs inside each block, blocks.N.relu1 and
blocks.N.relu2, are further layers: an edit there leaves the block's straight way as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from analysis.models.checkpoints import State
from analysis.models.families.biggan.layers import Attention, Grow, convolution, folded
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
from analysis.models.inputs import Inputs
from analysis.shared.errors import GanatomyError

WHAT = "a BigGAN of ajbrock's layout"
EPS = 1e-5
SYNCHRONISED = (
    "The batch norms were trained with --cross_replica; they add their gain, as the published code does in "
    "sampling."
)
STATISTICS = {"stored_mean": "running_mean", "stored_var": "running_var"}


class ClassNorm(nn.Module):
    """Batch norm with a gain and bias from a condition (N, width), or from class numbers (N,)."""

    def __init__(self, state: State, prefix: str, eps: float, added: bool) -> None:
        super().__init__()
        after, before = shape(state, f"{prefix}.gain.weight", 2, WHAT)
        units = shape(state, f"{prefix}.bn.running_mean", 1, WHAT)[0]
        self.bn, self.added = nn.BatchNorm2d(units, eps, affine=False), added
        # Without shared embeddings, the rows are the classes and not the units.
        by_class = "shared.weight" not in state
        self.gain: nn.Module = (
            nn.Embedding(after, before) if by_class else nn.Linear(before, after, bias=False)
        )
        self.bias: nn.Module = (
            nn.Embedding(after, before) if by_class else nn.Linear(before, after, bias=False)
        )

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        gain, bias = (1 + self.gain(condition))[:, :, None, None], self.bias(condition)[:, :, None, None]
        normal: Tensor = self.bn(x)
        return (normal + gain if self.added else normal * gain) + bias


class Norm(nn.Module):
    """Batch norm with a gain and bias of its own."""

    def __init__(self, units: int, eps: float, added: bool) -> None:
        super().__init__()
        self.bn, self.added = nn.BatchNorm2d(units, eps, affine=False), added
        self.gain, self.bias = nn.Parameter(torch.empty(units)), nn.Parameter(torch.empty(units))

    def forward(self, x: Tensor) -> Tensor:
        normal: Tensor = self.bn(x)
        gain, bias = self.gain[:, None, None], self.bias[:, None, None]
        return (normal + gain if self.added else normal * gain) + bias


class Block(nn.Module):
    """Maps (N, I, h, w) to (N, O, 2h, 2w): two convolutions, and a straight way around them."""

    def __init__(self, state: State, prefix: str, eps: float, added: bool) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv_sc = (
            convolution(shape(state, f"{prefix}.{name}.weight", 4, WHAT))
            for name in ("conv1", "conv2", "conv_sc")
        )
        self.bn1, self.bn2 = (ClassNorm(state, f"{prefix}.{name}", eps, added) for name in ("bn1", "bn2"))
        self.relu1, self.relu2, self.grow = nn.ReLU(), nn.ReLU(), Grow()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        made = self.conv1(self.grow(self.relu1(self.bn1(x, condition))))
        made = self.conv2(self.relu2(self.bn2(made, condition)))
        total: Tensor = made + self.conv_sc(self.grow(x))
        return total


class BigGAN(nn.Module):
    """Latents (N, Z) and classes (N,) to images (N, 3, size, size)."""

    def __init__(self, state: State, count: int, chunk: int, eps: float, added: bool) -> None:
        super().__init__()
        self.shared: nn.Module = nn.Identity()
        if "shared.weight" in state:
            classes, width = shape(state, "shared.weight", 2, WHAT)
            self.shared = nn.Embedding(classes, width)
        after, before = shape(state, "linear.weight", 2, WHAT)
        self.linear = nn.Linear(before, after)
        self.blocks = nn.ModuleList()
        for place in range(count):
            parts: list[nn.Module] = [Block(state, f"blocks.{place}.0", eps, added)]
            if f"blocks.{place}.1.gamma" in state:
                parts.append(Attention(state, f"blocks.{place}.1", ("theta", "phi", "g", "o"), ()))
            self.blocks.append(nn.ModuleList(parts))
        last = shape(state, "output_layer.2.weight", 4, WHAT)
        self.output_layer = nn.Sequential(Norm(last[1], eps, added), nn.ReLU(), convolution(last))
        self.tanh = nn.Tanh()
        self.chunk = chunk  # numbers of the latent for each block, 0 if all are for the first map
        self.units = shape(state, "blocks.0.0.conv1.weight", 4, WHAT)[1]

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        condition = self.shared(y)
        chunks = z.split(self.chunk, 1) if self.chunk else (z,)
        x = self.linear(chunks[0])
        side = math.isqrt(x.shape[1] // self.units)
        x = x.view(len(x), self.units, side, side)
        for place in range(len(self.blocks)):
            own = torch.cat([condition, chunks[place + 1]], 1) if self.chunk else condition
            for part in self.blocks.get_submodule(str(place)).children():
                x = part(x) if isinstance(part, Attention) else part(x, own)
        images: Tensor = self.tanh(self.output_layer(x))
        return images


def build(state: State, config: Mapping[str, Any], inputs: Inputs) -> Parts:
    """The generator of a `G_ema`.

    Raises:
        GanatomyError: the weights are not those of such a BigGAN.
    """
    count = counted(state, r"blocks\.(\d+)\.0\.conv1\.weight", WHAT)
    if count > 8:
        raise GanatomyError(
            f"The weights do not fit {WHAT}: it has {count} blocks; use a complete checkpoint."
        )
    for place in range(count):
        if f"blocks.{place}.1.gamma" in state:
            for name in ("theta", "phi", "g", "o"):
                shape(state, f"blocks.{place}.1.{name}.weight", 4, WHAT)
    plain, notes = folded(_with_statistics(state), WHAT)
    after, latent = shape(state, "linear.weight", 2, WHAT)
    units = shape(state, "blocks.0.0.conv1.weight", 4, WHAT)[1]
    side = math.isqrt(after // units)
    if side * side * units != after or side < 1:
        raise GanatomyError(
            f"The weights do not fit {WHAT}: 'linear.weight' makes {after} numbers, which are no square map "
            f"of {units} units; use the checkpoint of this architecture."
        )
    gain = shape(state, "blocks.0.0.bn1.gain.weight", 2, WHAT)
    if "shared.weight" in state:
        classes, shared = shape(state, "shared.weight", 2, WHAT)
        chunk = gain[1] - shared
    else:
        classes, chunk = gain[0], 0
    if chunk not in (0, latent):
        raise GanatomyError(
            f"The weights do not fit {WHAT}: each block takes {chunk} numbers of the latent and the first "
            f"map {latent}; use the checkpoint of this architecture."
        )
    eps = number(settings(config), "BN_eps", EPS)
    # In training on several GPUs the published code multiplies by the gain; everywhere else it adds it.
    added = "blocks.0.0.bn1.bn.running_mean" in state
    notes = (*notes, SYNCHRONISED) if added else notes
    module = loaded(lambda: BigGAN(plain, count, chunk, eps, added), plain, WHAT)
    sizes = {f"blocks.{place}": side * 2 ** (place + 1) for place in range(count)}
    layers, extra = split_by_size(_paths(module, count), _sized(module, sizes), side * 2**count)
    extra |= {
        f"blocks.{place}.{relu}": f"blocks.{place}.0.{relu}"
        for place in range(count)
        for relu in ("relu1", "relu2")
    } | {"output.relu": "output_layer.1"}
    maps = [(state[f"{name}.0.conv2.weight"].shape[0], size) for name, size in sizes.items()]
    return Parts(
        module,
        layers,
        (latent * (count + 1) if chunk else latent,),
        extra_layers=extra,
        classes=classes,
        latent_law=_law(inputs.truncation),
        images_per_pass=images_per_pass([*maps, *maps, *maps]),
        notes=notes,
    )


def _law(truncation: float | None) -> str:
    """Truncated latents are normal ones within +-truncation (Brock et al. 2019, section 3.1)."""
    if truncation is None:
        return "normal"
    if truncation <= 0:
        raise GanatomyError(
            f"A truncation of {truncation:g} leaves no latents; BigGAN takes one above 0, such as 0.5."
        )
    return f"truncated:{truncation:g}"


def _paths(module: BigGAN, count: int) -> dict[str, str]:
    paths = {}
    for place in range(count):
        paths[f"blocks.{place}"] = f"blocks.{place}.0"
        if len(list(module.blocks.get_submodule(str(place)).children())) > 1:
            paths[f"blocks.{place}.attention"] = f"blocks.{place}.1"
    return paths


def _sized(module: BigGAN, sizes: Mapping[str, int]) -> dict[str, int]:
    """The grid of every layer: that of its block."""
    return {name: sizes[name.removesuffix(".attention")] for name in _paths(module, len(sizes))}


def _with_statistics(state: State) -> State:
    """The batch norms' statistics under PyTorch's names, whichever of the three kinds of norm was trained."""
    plain: State = {}
    for key, value in state.items():
        name, _dot, last = key.rpartition(".")
        if last == "accumulation_counter":
            continue
        if last in STATISTICS or last in STATISTICS.values():
            counter = state.get(f"{name}.accumulation_counter")
            # Standing statistics are sums over so many batches; without any, they are running means.
            if counter is not None and counter.numel() == 1 and not counter.is_meta and float(counter) > 0:
                value = value / float(counter)
            name = name.removesuffix(".bn")
            plain[f"{name}.bn.{STATISTICS.get(last, last)}"] = value
            plain[f"{name}.bn.num_batches_tracked"] = torch.tensor(0)
        elif last != "num_batches_tracked":
            plain[key] = value
    return plain


def _recognises(state: State) -> bool:
    wanted = {
        "linear.weight": 2,
        "blocks.0.0.conv1.weight": 4,
        "blocks.0.0.conv_sc.weight": 4,
        "blocks.0.0.bn1.gain.weight": 2,
        "output_layer.2.weight": 4,
    }
    return all(key in state and state[key].ndim == dimensions for key, dimensions in wanted.items())


FAMILY = Family("BigGAN (ajbrock)", recognises=_recognises, build=build, inputs=("truncation", "class"))
