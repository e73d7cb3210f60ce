"""The generators of PyTorch-StudioGAN with its backbones resnet, big_resnet and deep_conv.

The layout says which backbone it is: blocks of residual convolutions or of transposed ones (deep_conv), and
batch norms that follow nothing, a class (cBN), or, in big_resnet, a class and a part of the latent.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.checkpoints import State, load_state
from analysis.models.families.family import Choice, Config, Family, Parts
from analysis.models.families.resnet.blocks import (
    Attention,
    Block,
    Conditional,
    LinearNorm,
    Norm,
    Project,
    chained_widths,
    first_side,
)
from analysis.models.families.shapes import images_per_pass, shape, split_by_size
from analysis.models.reparametrizations import plain_names, plain_weights
from analysis.shared.errors import GanatomyError

WHAT = "a generator of StudioGAN"
EPS = 1e-4  # of all its batch norms
KEY = re.compile(
    r"(linear0|conv2d5|conv4)\.(weight|bias)|shared\.weight|bn4\.[a-z_]+"
    r"|blocks\.[0-9]{1,2}\.0\.((conv2d[012]|deconv0|bn[012])\.[a-z_.]+|conv1x1_(theta|phi|g|attn)\.weight|sigma)"
)
NAMES = {
    "bn1": "b1",
    "bn2": "b2",
    "conv2d0": "c_sc",
    "conv2d1": "c1",
    "conv2d2": "c2",
    "conv1x1_theta": "theta",
    "conv1x1_phi": "phi",
    "conv1x1_g": "g",
    "conv1x1_attn": "o",
    "sigma": "gamma",
}
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu_0.1": lambda: nn.LeakyReLU(0.1),
    "elu": nn.ELU,
    "gelu": nn.GELU,
}
ACTIVATION = Choice("activation", "g_act_fn of its configuration", tuple(ACTIVATIONS), "relu")
LATENTS = Choice("latents", "z_prior of its configuration", ("normal", "uniform"), "normal")


class Whole(nn.Module):
    """The whole latent to be projected; the class as a one-hot vector, or nothing, for each step."""

    def __init__(self, classes: int | None, steps: int) -> None:
        super().__init__()
        self.classes, self.steps = classes, steps

    def forward(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, list[Tensor | None]]:
        if self.classes is None or y is None:
            return z, [None] * self.steps
        return z, [functional.one_hot(y, self.classes).to(z.dtype)] * self.steps


class Parted(nn.Module):
    """The latent in equal parts: the first to be projected, one for each block, behind the class's vector.

    `blocks` says of each step whether it is a block, which takes a part, or attention.
    """

    def __init__(self, shared: nn.Embedding | None, size: int, blocks: list[bool]) -> None:
        super().__init__()
        self.shared, self.size, self.blocks = shared, size, blocks

    def forward(self, z: Tensor, y: Tensor | None) -> tuple[Tensor, list[Tensor | None]]:
        first, *parts = z.split(self.size, 1)
        if self.shared is not None:
            label = self.shared(y)
            parts = [torch.cat([label, part], 1) for part in parts]
        left = iter(parts)
        return first, [next(left) if block else None for block in self.blocks]


class Deconvolution(nn.Module):
    """A transposed convolution that doubles the grid, a norm, a nonlinearity."""

    def __init__(
        self, before: int, after: int, norm: Callable[[int], nn.Module], act: Callable[[], nn.Module]
    ) -> None:
        super().__init__()
        self.deconv0 = nn.ConvTranspose2d(before, after, 4, 2, 1)
        self.bn0, self.act = norm(after), act()

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        made: Tensor = self.act(self.bn0(self.deconv0(x), condition))
        return made


def build(state: State, config: Config | None = None) -> Parts:
    """The generator whose weights these are; its layers are linear0 and the blocks, numbered as in the file.

    Raises:
        GanatomyError: they are not those of such a generator.
    """
    act = ACTIVATIONS[ACTIVATION.answer(config or {})]
    law = LATENTS.answer(config or {})
    state, notes = plain_weights(state, transposed=lambda path: path.endswith("deconv0"))
    read = _Read(state)
    steps = OrderedDict[str, nn.Module]()
    maps = {"linear0": (read.widths[0][0], read.side)}
    left = iter(read.widths)
    for number, is_block in enumerate(read.blocks):
        units, size = list(maps.values())[-1]
        if is_block:
            before, after = next(left)
            if read.deep:
                steps[f"block{number}"] = Deconvolution(before, after, read.norm, act)
            else:
                steps[f"block{number}"] = Block(before, after, read.norm, act, "nearest")
            maps[f"block{number}"] = (after, 2 * size)
        else:
            steps[f"attention{number}"] = _attention(state, number, units)
            maps[f"attention{number}"] = (units, size)
    first = Project(nn.Linear(read.projected, read.numbers), read.widths[0][0], read.side)
    end = _end(state, read, act)
    chained = isinstance(read.conditions, Whole) and read.classes is None
    if chained:  # a plain chain, so that a tail is its later modules
        module: nn.Module = nn.Sequential(OrderedDict(first=first, **steps, end=end))
    else:
        module = Conditional(read.conditions, first, steps, end)
    within = "" if chained else "steps."
    load_state(module, _renamed(state, list(steps), within), WHAT)
    paths = {name: "first" if name == "linear0" else within + name for name in maps}
    sides = {name: size for name, (_units, size) in maps.items()}
    layers, extra = split_by_size(paths, sides, max(sides.values()))
    return Parts(
        module.eval(),
        layers,
        (read.latent,),
        extra,
        classes=read.classes,
        latent_law=law,
        images_per_pass=images_per_pass(maps.values()),
        notes=(*read.notes, *notes),
    )


class _Read:
    """What the shapes of a checkpoint say of its architecture.

    Attributes:
        blocks: of each entry of `blocks`, whether it is a block or attention.
        widths: the units that each block takes and makes.
        projected: how many numbers of the latent are projected, to `numbers`, a map of this side.
        conditions: what the blocks' norms follow.
    """

    def __init__(self, state: State) -> None:
        self.deep = "blocks.0.0.deconv0.weight" in state
        main = "deconv0" if self.deep else "conv2d1"
        count = 1 + max((int(key.split(".")[1]) for key in state if _in_blocks(key)), default=-1)
        self.blocks = [f"blocks.{k}.0.conv1x1_theta.weight" not in state for k in range(count)]
        places = [k for k, is_block in enumerate(self.blocks) if is_block]
        shapes = [shape(state, f"blocks.{k}.0.{main}.weight", 4, WHAT) for k in places]
        self.widths = [(s[0], s[1]) if self.deep else (s[1], s[0]) for s in shapes]
        chained_widths(self.widths)
        self.numbers, self.projected = shape(state, "linear0.weight", 2, WHAT)
        self.side = first_side(self.numbers, self.widths[0][0], "linear0.weight")
        self.notes: tuple[str, ...] = ()
        self.classes: int | None = None
        self.latent = self.projected
        self.size = 0  # of the vector that the norms follow
        bn = "bn0" if self.deep else "bn1"
        if f"blocks.0.0.{bn}.gain.weight" in state:
            self.size = shape(state, f"blocks.0.0.{bn}.gain.weight", 2, WHAT)[1]
        self.conditions = self._conditions(state, len(places))

    def norm(self, units: int) -> nn.Module:
        return LinearNorm(units, self.size, EPS) if self.size else Norm(units, eps=EPS)

    def _conditions(self, state: State, blocks: int) -> nn.Module:
        """big_resnet has a shared vector for each class, or norms that follow a part of the latent alone."""
        if "shared.weight" in state:
            self.classes, size = shape(state, "shared.weight", 2, WHAT)
            if self.size != size + self.projected:
                raise GanatomyError(
                    f"The batch norms follow {self.size} numbers, not {size} of a class and {self.projected} "
                    "of the latent; InfoGAN's codes, which may be among them, are not supported."
                )
            self.latent = self.projected * (blocks + 1)
            return Parted(nn.Embedding(self.classes, size), self.projected, self.blocks)
        if self.size == self.projected and not self.deep:
            self.latent = self.projected * (blocks + 1)
            self.notes = ("Its batch norms are taken to follow parts of the latent, as in big_resnet.",)
            return Parted(None, self.projected, self.blocks)
        self.classes = self.size or None
        return Whole(self.classes, len(self.blocks))


def _in_blocks(key: str) -> bool:
    return re.match(r"blocks\.[0-9]{1,2}\.0\.", key) is not None


def _attention(state: State, number: int, units: int) -> Attention:
    sigma = shape(state, f"blocks.{number}.0.sigma", 1, WHAT)
    return Attention(units, torch.zeros(sigma))


def _end(state: State, read: _Read, act: Callable[[], nn.Module]) -> nn.Sequential:
    units = read.widths[-1][1]
    channels = shape(state, "conv4.weight" if read.deep else "conv2d5.weight", 4, WHAT)[0]
    colours = nn.Conv2d(units, channels, 3, padding=1)
    if read.deep:
        return nn.Sequential(OrderedDict(colours=colours, tanh=nn.Tanh()))
    norm = nn.BatchNorm2d(units, eps=EPS)
    return nn.Sequential(OrderedDict(norm=norm, act=act(), colours=colours, tanh=nn.Tanh()))


def _renamed(state: State, steps: list[str], within: str) -> State:
    """The state dict with the names of this module's parts."""
    places = {
        "linear0": "first.linear",
        "bn4": "end.norm",
        "conv2d5": "end.colours",
        "conv4": "end.colours",
        "shared": "conditions.shared",
    }
    renamed = {}
    for key, value in state.items():
        head, _dot, rest = key.partition(".")
        if _in_blocks(key):
            _blocks, number, _zero, part, *leaf = key.split(".")
            renamed[".".join([within + steps[int(number)], NAMES.get(part, part), *leaf])] = value
        else:
            renamed[f"{places.get(head, head)}.{rest}"] = value
    return renamed


def _recognises(state: State) -> bool:
    plain = plain_names(state)
    first = {"blocks.0.0.conv2d1.weight", "blocks.0.0.deconv0.weight"} & plain
    return "linear0.weight" in plain and bool(first) and all(KEY.fullmatch(key) for key in plain)


FAMILY = Family(
    "StudioGAN (resnet, big_resnet, deep_conv)",
    recognises=_recognises,
    build=lambda state, config, _inputs: build(state, config),
    choices=(ACTIVATION, LATENTS),
    inputs=("class",),
)
