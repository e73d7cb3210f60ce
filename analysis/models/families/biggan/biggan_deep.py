"""BigGAN-deep (Brock et al. 2019) in the layout of Hugging Face's pytorch-pretrained-BigGAN.

Sizes, widths, classes and attention are read from the weights. Which blocks double the grid is in the
config.json; without one it is every second block, as in all published models. Truncation also selects the
batch norms' statistics, which the checkpoint has for 51 values from 0 to 1. Layers are the blocks' sums,
layers.0, layers.1, ..., numbered as in GANSpace; layers.N.relu0 to relu3 are the ReLUs inside them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

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

WHAT = "a BigGAN-deep of Hugging Face's layout"
EPS = 1e-4
SIDE = 4
ATTENTION = ("snconv1x1_theta", "snconv1x1_phi", "snconv1x1_g", "snconv1x1_o_conv")


class Condition(nn.Module):
    """Batch norm with a gain and bias from the latent and class (N, C)."""

    def __init__(self, state: State, prefix: str, eps: float) -> None:
        super().__init__()
        units, before = shape(state, f"{prefix}.scale.weight", 2, WHAT)
        self.bn = nn.BatchNorm2d(units, eps, affine=False)
        self.scale, self.offset = (nn.Linear(before, units, bias=False) for _ in range(2))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        normal: Tensor = self.bn(x)
        gain, bias = 1 + self.scale(condition), self.offset(condition)
        return normal * gain[:, :, None, None] + bias[:, :, None, None]


class Block(nn.Module):
    """Four convolutions, narrow in the middle, and a straight way that drops units and repeats cells."""

    def __init__(self, state: State, prefix: str, up: bool, eps: float) -> None:
        super().__init__()
        for place in range(4):
            size = shape(state, f"{prefix}.conv_{place}.weight", 4, WHAT)
            self.add_module(f"conv_{place}", convolution(size))
            self.add_module(f"bn_{place}", Condition(state, f"{prefix}.bn_{place}", eps))
            self.add_module(f"relu{place}", nn.ReLU())
        self.grow: nn.Module = Grow() if up else nn.Identity()
        self.units = size[0]

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        made = x
        for place in range(4):
            made = self.get_submodule(f"bn_{place}")(made, condition)
            made = self.get_submodule(f"relu{place}")(made)
            if place == 1:
                made = self.grow(made)
            made = self.get_submodule(f"conv_{place}")(made)
        straight: Tensor = self.grow(x[:, : self.units])
        return straight + made


class Generator(nn.Module):
    """Latent and class (N, C) to images (N, 3, size, size)."""

    def __init__(self, state: State, plan: list[Step], eps: float) -> None:
        super().__init__()
        after, before = shape(state, "generator.gen_z.weight", 2, WHAT)
        self.gen_z = nn.Linear(before, after)
        self.layers = nn.ModuleList()
        for place, step in enumerate(plan):
            prefix = f"generator.layers.{place}"
            self.layers.append(
                Attention(state, prefix, ATTENTION, (1,))
                if step.attention
                else Block(state, prefix, step.up, eps)
            )
        last = shape(state, "generator.conv_to_rgb.weight", 4, WHAT)
        self.bn = nn.BatchNorm2d(last[1], eps)
        self.relu, self.tanh = nn.ReLU(), nn.Tanh()
        self.conv_to_rgb = convolution(last)

    def forward(self, condition: Tensor) -> Tensor:
        # The channels come last here, as in the TensorFlow original.
        x = self.gen_z(condition).view(len(condition), SIDE, SIDE, -1).permute(0, 3, 1, 2).contiguous()
        for part in self.layers:
            x = part(x) if isinstance(part, Attention) else part(x, condition)
        images: Tensor = self.tanh(self.conv_to_rgb(self.relu(self.bn(x)))[:, :3])
        return images


class Embeddings(nn.Module):
    """Class numbers (N,) to columns of the weight, (N, width)."""

    def __init__(self, size: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(size))

    def forward(self, y: Tensor) -> Tensor:
        return self.weight.t()[y]


class BigGANDeep(nn.Module):
    """Latents (N, Z) within +-2 and classes (N,) to images (N, 3, size, size)."""

    def __init__(self, state: State, plan: list[Step], truncation: float, eps: float) -> None:
        super().__init__()
        self.embeddings = Embeddings(shape(state, "embeddings.weight", 2, WHAT))
        self.generator = Generator(state, plan, eps)
        self.truncation = truncation

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        images: Tensor = self.generator(torch.cat([self.truncation * z, self.embeddings(y)], 1))
        return images


class Step(NamedTuple):
    """One of the layers: attention, or a block that may double the grid."""

    attention: bool
    up: bool
    units: int
    size: int  # cells a side of what it makes


def build(state: State, config: Mapping[str, Any], inputs: Inputs) -> Parts:
    """The generator of a pytorch_model.bin; `config` has its config.json under "config".

    Raises:
        GanatomyError: the weights are not those of a BigGAN-deep, or the truncation is not in (0, 1].
    """
    truncation = 1.0 if inputs.truncation is None else inputs.truncation
    if not 0 < truncation <= 1:
        raise GanatomyError(
            f"A truncation of {truncation:g} is not possible here; BigGAN-deep takes one above 0 and up to 1."
        )
    plain, notes = folded(_with_statistics(state, truncation), WHAT)
    plan = _plan(plain, settings(config))
    width, classes = shape(plain, "embeddings.weight", 2, WHAT)
    after, condition = shape(plain, "generator.gen_z.weight", 2, WHAT)
    if condition <= width or after % SIDE**2:
        raise GanatomyError(
            f"The weights do not fit {WHAT}: 'generator.gen_z' takes {condition} numbers, of which the class "
            f"has {width}; use the checkpoint of this architecture."
        )
    eps = number(settings(config), "eps", EPS)
    module = loaded(lambda: BigGANDeep(plain, plan, truncation, eps), plain, WHAT)
    names = {f"layers.{place}": step.size for place, step in enumerate(plan)}
    layers, extra = split_by_size({name: f"generator.{name}" for name in names}, names, plan[-1].size)
    for place, step in enumerate(plan):
        if not step.attention:
            extra |= {f"layers.{place}.relu{k}": f"generator.layers.{place}.relu{k}" for k in range(4)}
    return Parts(
        module,
        layers,
        (condition - width,),
        extra_layers=extra | {"relu": "generator.relu"},
        classes=classes,
        latent_law="truncated:2",
        images_per_pass=images_per_pass([(step.units, step.size) for step in plan for _ in range(3)]),
        notes=notes,
    )


def _plan(state: State, known: Mapping[str, Any]) -> list[Step]:
    """The layers in order.

    Raises:
        GanatomyError: their number is not that of a BigGAN-deep, or not that of the config.json.
    """
    count = counted(state, r"generator\.layers\.(\d+)\..*", WHAT)
    attention = [f"generator.layers.{place}.gamma" in state for place in range(count)]
    ups = _doubling(known, count - sum(attention))
    steps: list[Step] = []
    size, block = SIDE, 0
    for place, attends in enumerate(attention):
        name = f"generator.layers.{place}"
        if attends:
            for part in ATTENTION:
                shape(state, f"{name}.{part}.weight", 4, WHAT)
            steps.append(Step(True, False, state[f"{name}.{ATTENTION[0]}.weight"].shape[1], size))
            continue
        size, up = size * (2 if ups[block] else 1), ups[block]
        block += 1
        steps.append(Step(False, up, shape(state, f"{name}.conv_3.weight", 4, WHAT)[0], size))
    if size > 2048 or not block:
        raise GanatomyError(f"The weights do not fit {WHAT}: {block} blocks; use a complete checkpoint.")
    return steps


def _doubling(known: Mapping[str, Any], blocks: int) -> list[bool]:
    """Which blocks double the grid."""
    listed = known.get("layers")
    if listed is None:
        return [place % 2 == 1 for place in range(blocks)]
    if (
        not isinstance(listed, list)
        or len(listed) != blocks
        or not all(isinstance(x, list) and x for x in listed)
    ):
        raise GanatomyError(
            f"The config.json does not fit the weights, which have {blocks} blocks; use those of one model."
        )
    return [bool(layer[0]) for layer in listed]


def _with_statistics(state: State, truncation: float) -> State:
    """The weights with each batch norm's statistics at a truncation in place of those of all truncations."""
    plain: State = {}
    for key, value in state.items():
        name, _dot, last = key.rpartition(".")
        if last not in ("running_means", "running_vars") or value.ndim != 2 or len(value) < 2:
            plain[key] = value
            continue
        # Between two entries, the published code weighs them the other way round than one would; so do we.
        share, first = math.modf(truncation / (1.0 / (len(value) - 1)))
        place = min(int(first), len(value) - 1)
        chosen = value[place]
        if share and place + 1 < len(value):
            chosen = value[place] * share + value[place + 1] * (1 - share)
        name = name if name == "generator.bn" else f"{name}.bn"
        plain[f"{name}.running_{last.removeprefix('running_').removesuffix('s')}"] = chosen
        plain[f"{name}.num_batches_tracked"] = torch.tensor(0)
    return plain


def _recognises(state: State) -> bool:
    gen_z = state.get("generator.gen_z.weight_orig", state.get("generator.gen_z.weight"))
    wanted = {
        "embeddings.weight": 2,
        "generator.layers.0.bn_0.running_means": 2,
        "generator.bn.running_vars": 2,
    }
    return (
        gen_z is not None
        and gen_z.ndim == 2
        and all(key in state and state[key].ndim == dimensions for key, dimensions in wanted.items())
    )


FAMILY = Family(
    "BigGAN-deep (Hugging Face)", recognises=_recognises, build=build, inputs=("truncation", "class")
)
