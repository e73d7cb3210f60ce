"""The ResNet generators of mimicry: SNGAN, cGAN-PD, SAGAN, SSGAN, InfoMax-GAN, WGAN-GP and DCGAN.

They share one layout at 32, 48, 64 and 128 pixels: a linear layer l1, blocks block2, block3, ... that double
the grid bilinearly, a batch norm and a convolution to colours. Conditional ones have a gain and a shift per
class, SAGAN also an attention block and spectral norm, which is folded into the weights.
"""

from __future__ import annotations

import re
from collections import OrderedDict

from torch import Tensor, nn

from analysis.models.checkpoints import State, load_state
from analysis.models.families.family import Family, Parts
from analysis.models.families.resnet.blocks import (
    Attention,
    Block,
    Conditional,
    EmbeddedNorm,
    Norm,
    Project,
    chained_widths,
    first_side,
)
from analysis.models.families.shapes import images_per_pass, shape, split_by_size
from analysis.models.reparametrizations import plain_names, plain_weights
from analysis.shared.errors import GanatomyError

WHAT = "a ResNet generator of mimicry"
KEY = re.compile(
    r"l1\.(weight|bias)|block[0-9]{1,2}\.(c1|c2|c_sc|b1|b2)\.[a-z_.]+|[bc][0-9]{1,2}\.[a-z_]+"
    r"|attn_block\.((theta|phi|g|o)\.weight|gamma)"
)


class Labels(nn.Module):
    """The class number itself as the condition of each of some steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, z: Tensor, y: Tensor) -> tuple[Tensor, list[Tensor]]:
        return z, [y] * self.steps


def build(state: State) -> Parts:
    """The generator whose weights these are; its layers are l1 and the blocks.

    Raises:
        GanatomyError: they are not those of such a generator.
    """
    state, notes = plain_weights(state)
    count = sum(re.fullmatch(r"block[0-9]+\.c1\.weight", key) is not None for key in state)
    names = [f"block{k}" for k in range(2, count + 2)]
    widths = [shape(state, f"{name}.c1.weight", 4, WHAT)[1::-1] for name in names]
    chained_widths([(before, after) for before, after in widths])
    numbers, latent = shape(state, "l1.weight", 2, WHAT)
    side = first_side(numbers, widths[0][0], "l1.weight")
    classes = None
    if "block2.b1.embed.weight" in state:
        classes = shape(state, "block2.b1.embed.weight", 2, WHAT)[0]

    def norm(units: int) -> nn.Module:
        return Norm(units) if classes is None else EmbeddedNorm(units, classes)

    steps = OrderedDict[str, nn.Module]()
    maps = {"l1": (widths[0][0], side)}
    at_attention, attention = _attention(state, names, [after for _before, after in widths])
    for k, (name, (before, after)) in enumerate(zip(names, widths, strict=True), start=1):
        steps[name] = Block(before, after, norm, nn.ReLU, "bilinear")
        maps[name] = (after, side * 2**k)
        if attention is not None and name == at_attention:
            steps["attn_block"], maps["attn_block"] = attention, maps[name]
    channels = shape(state, f"c{count + 2}.weight", 4, WHAT)[0]
    end = nn.Sequential(
        OrderedDict(
            norm=nn.BatchNorm2d(widths[-1][1]),
            act=nn.ReLU(),
            colours=nn.Conv2d(widths[-1][1], channels, 3, padding=1),
            tanh=nn.Tanh(),
        )
    )
    first = Project(nn.Linear(latent, numbers), widths[0][0], side)
    if classes is None:
        module: nn.Module = nn.Sequential(OrderedDict(first=first, **steps, end=end))
    else:
        module = Conditional(Labels(len(steps)), first, steps, end)
    within = "" if classes is None else "steps."
    load_state(module, _renamed(state, count + 2, within), WHAT)
    paths = {name: "first" if name == "l1" else within + name for name in maps}
    sides = {name: size for name, (_units, size) in maps.items()}
    layers, extra = split_by_size(paths, sides, side * 2**count)
    most = images_per_pass(maps.values())
    return Parts(module.eval(), layers, (latent,), extra, classes, images_per_pass=most, notes=notes)


def _attention(state: State, names: list[str], widths: list[int]) -> tuple[str, Attention | None]:
    """The attention block and the block that it follows: the second of three at 32 pixels, else the third."""
    if "attn_block.theta.weight" not in state:
        return "", None
    units = shape(state, "attn_block.theta.weight", 4, WHAT)[1]
    at = 1 if len(names) < 4 else 2
    if at >= len(widths) or widths[at] != units or "attn_block.gamma" not in state:
        raise GanatomyError(
            f"The attention block is of {units} units, which do not fit behind block{at + 2}."
        )
    return names[at], Attention(units, state["attn_block.gamma"])


def _renamed(state: State, last: int, steps: str) -> State:
    places = {"l1": "first.linear", f"b{last}": "end.norm", f"c{last}": "end.colours"}
    renamed = {}
    for key, value in state.items():
        head, _dot, rest = key.partition(".")
        renamed[f"{places.get(head, steps + head)}.{rest}"] = value
    return renamed


def _recognises(state: State) -> bool:
    plain = plain_names(state)
    return {"l1.weight", "block2.c1.weight", "block2.c_sc.weight"} <= plain and all(
        KEY.fullmatch(key) for key in plain
    )


FAMILY = Family(
    "ResNet generators of mimicry (SNGAN, SAGAN, ...)",
    recognises=_recognises,
    build=lambda state, _config, _inputs: build(state),
    inputs=("class",),
)
