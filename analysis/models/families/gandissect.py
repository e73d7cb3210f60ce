"""The progressive GANs (Karras et al. 2018) as the authors of GAN Dissection published them.

layer1, layer2, ... are the paper's layers: layer1 makes 4x4 maps, layers 3, 5, 7, ... double the grid. Each
normalises pixels, convolves, scales (the equalised learning rate) and goes through a leaky ReLU of 0.2. Files
of the older layout (features.0, features.1, ..., output) hold the same and get these names.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict

import torch
from torch import Tensor, nn

from analysis.models.checkpoints import State, load_state
from analysis.models.families.family import Family, Parts
from analysis.models.families.progan import PixelNorm
from analysis.models.families.shapes import images_per_pass, split_by_size
from analysis.shared.errors import GanatomyError

MOST_LAYERS = 20  # for 2048x2048 pixels; the published ones end at 1024x1024
KEY = re.compile(r"(layer[0-9]{1,3}|output_[0-9]{1,5}x[0-9]{1,5})\.(conv\.weight|wscale\.b|wscale\.scale)")
OLD_LAYER = re.compile(r"features\.([0-9]{1,3})\.(.*)")


class Scale(nn.Module):
    """x * scale + b by channel; the scale is a constant of the layer's shape, or was saved as a weight."""

    def __init__(self, units: int, scale: float, saved: bool) -> None:
        super().__init__()
        self.b = nn.Parameter(torch.zeros(units))
        self.scale: nn.Parameter | float = nn.Parameter(torch.ones(1)) if saved else scale

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.b.view(1, -1, 1, 1)


def layer(weight: Tensor, padding: int, gain: float, saved: bool, grow: bool, last: bool) -> nn.Sequential:
    """One layer of the chain, named as in the checkpoints; `saved` says whether its scale is a weight."""
    after, before, size, _width = weight.shape
    steps = OrderedDict[str, nn.Module](norm=PixelNorm())
    if grow:
        steps["up"] = nn.Upsample(scale_factor=2)
    steps["conv"] = nn.Conv2d(before, after, size, 1, padding, bias=False)
    steps["wscale"] = Scale(after, gain / math.sqrt(before), saved)
    if not last:
        steps["relu"] = nn.LeakyReLU(0.2)
    return nn.Sequential(steps)


def build(state: State) -> Parts:
    """The generator whose weights these are.

    Raises:
        GanatomyError: they are not those of such a progressive GAN.
    """
    state = _renamed(state)
    count = sum(key.startswith("layer") and key.endswith(".conv.weight") for key in state)
    if count % 2 or not 2 <= count <= MOST_LAYERS:
        raise GanatomyError(
            f"The weights have {count} layers; a progressive GAN of GAN Dissection has an even number of "
            f"them, up to {MOST_LAYERS}."
        )
    side = 4 * 2 ** (count // 2 - 1)
    names = [f"layer{k}" for k in range(1, count + 1)] + [f"output_{side}x{side}"]
    _check(state, names)
    steps = OrderedDict[str, nn.Module]()
    for number, name in enumerate(names, start=1):
        weight, last = state[f"{name}.conv.weight"], number == len(names)
        size = weight.shape[2]
        steps[name] = layer(
            weight,
            padding=size - 1 if number == 1 else size // 2,
            gain=1.0 if last else math.sqrt(2) / size,
            saved=f"{name}.wscale.scale" in state,
            grow=number > 1 and number % 2 == 1 and not last,
            last=last,
        )
    module = nn.Sequential(steps)  # a plain chain, so that a tail is its later modules
    load_state(module, state, "a progressive GAN of GAN Dissection")
    sides = {name: 4 * 2 ** (k // 2) for k, name in enumerate(names[:-1])}
    layers, extra = split_by_size({name: name for name in sides}, sides, side)
    maps = [(state[f"{name}.conv.weight"].shape[0], size) for name, size in sides.items()]
    latent_shape = (state["layer1.conv.weight"].shape[1], 1, 1)
    return Parts(module.eval(), layers, latent_shape, extra, images_per_pass=images_per_pass(maps))


def _renamed(state: State) -> State:
    """The state dict with the newer layout's names."""
    if "features.0.conv.weight" not in state:
        return state
    count = sum(key.startswith("features.") and key.endswith(".conv.weight") for key in state)
    side = 4 * 2 ** (min(count, MOST_LAYERS) // 2 - 1)
    renamed = {}
    for key, value in state.items():
        name = key.replace("output.", f"output_{side}x{side}.", 1) if key.startswith("output.") else key
        if found := OLD_LAYER.fullmatch(key):
            name = f"layer{int(found[1]) + 1}.{found[2]}"
        renamed[name] = value
    return renamed


def _check(state: State, names: list[str]) -> None:
    """Refuse shapes from which no such chain can be made."""
    units = None
    for number, name in enumerate(names, start=1):
        weight = state.get(f"{name}.conv.weight")
        if weight is None:
            raise GanatomyError(f"'{name}.conv.weight' is missing; use the generator's whole checkpoint.")
        wanted = 4 if number == 1 else 1 if number == len(names) else 3
        if weight.ndim != 4 or 0 in weight.shape or weight.shape[2:] != (wanted, wanted):
            raise GanatomyError(
                f"'{name}.conv.weight' has the shape {tuple(weight.shape)}; its kernel must be "
                f"{wanted}x{wanted}."
            )
        if units is not None and weight.shape[1] != units:
            raise GanatomyError(
                f"'{name}.conv.weight' takes {weight.shape[1]} units and the layer before it makes {units}."
            )
        units = weight.shape[0]


def _recognises(state: State) -> bool:
    renamed = _renamed(state)
    first = renamed.get("layer1.conv.weight")
    return first is not None and first.ndim == 4 and all(KEY.fullmatch(key) for key in renamed)


FAMILY = Family(
    "progressive GAN of GAN Dissection",
    recognises=_recognises,
    build=lambda state, _config, _inputs: build(state),
)
