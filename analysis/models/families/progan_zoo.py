"""The progressive GANs (Karras et al. 2018) in the layout of pytorch_GAN_zoo: its models celebA, DTD, ...

Layers have GAN Dissection's names: layer1 and layer2 at 4x4, then two for each doubling of the grid. A layer
is the output of its leaky ReLU, before pixels are normalised. With an equalised learning rate, each linear
layer or convolution, its bias included, is multiplied by sqrt(2 / fan-in).
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn

from analysis.models.checkpoints import State, load_state
from analysis.models.families.family import Choice, Config, Family, Parts
from analysis.models.families.progan import PixelNorm
from analysis.models.families.shapes import images_per_pass, split_by_size
from analysis.shared.errors import GanatomyError

MOST_SCALES = 10  # 4x4 to 2048x2048
KEY = re.compile(
    r"(formatLayer|groupScale0\.[0-9]|scaleLayers\.[0-9]{1,3}\.[0-9]|toRGBLayers\.[0-9]{1,3})"
    r"\.module\.(weight|bias)"
)
WITH_TANH = ("DCGAN", "MSE")  # losses whose generators end in tanh; those of WGANGP and Logistic in nothing
EQUALISED = Choice(
    "equalised",
    "whether the learning rate was equalised in training (equalizedlR), as by default",
    ("yes", "no"),
    "yes",
)
OUTPUT = Choice(
    "output", "what the last layer goes through: nothing (WGANGP, Logistic) or tanh", ("none", "tanh"), "none"
)


class About(NamedTuple):
    """What a training's configuration says of its generator."""

    equalised: bool
    tanh: bool
    leak: float
    alpha: float  # the share of the image of the size before, while a scale is blended in
    notes: tuple[str, ...]


class Equalised(nn.Module):
    """A linear layer or convolution whose result is multiplied by a constant."""

    def __init__(self, module: nn.Linear | nn.Conv2d, equalised: bool) -> None:
        super().__init__()
        self.module = module
        self.factor = math.sqrt(2 / module.weight[0].numel()) if equalised else 1.0

    def forward(self, x: Tensor) -> Tensor:
        return self.module(x) * self.factor


class Blended(nn.Module):
    """The last scale while it is blended in: (1 - alpha) of its colours and alpha of those before it."""

    def __init__(self, scale: OrderedDict[str, nn.Module], before: nn.Module, alpha: float) -> None:
        super().__init__()
        self.scale, self.alpha = nn.Sequential(scale), alpha
        self.before = nn.Sequential(before, nn.Upsample(scale_factor=2))

    def forward(self, x: Tensor) -> Tensor:
        return self.alpha * self.before(x) + (1 - self.alpha) * self.scale(x)


def build(state: State, config: Config | None = None) -> Parts:
    """The generator whose weights these are.

    Raises:
        GanatomyError: they are not those of such a progressive GAN, or it is conditional on attributes.
    """
    about = _about(config or {})
    widths, latent = _shapes(state)
    made = _Assembly(state, about, widths)
    made.first(latent)
    for scale in range(1, len(widths)):
        made.scale(scale)
    made.end()
    module = nn.Sequential(made.steps)  # a plain chain unless blended, so that a tail is its later modules
    load_state(module, made.state, "a progressive GAN of pytorch_GAN_zoo")
    sides = {name: 4 * 2 ** (k // 2) for k, name in enumerate(made.paths)}
    layers, extra = split_by_size(made.paths, sides, max(sides.values()))
    most = images_per_pass((widths[k // 2], side) for k, side in enumerate(sides.values()))
    return Parts(module.eval(), layers, (latent,), extra, images_per_pass=most, notes=about.notes)


class _Assembly:
    """The module in the making: its steps, its state dict, and the paths of its layers by name."""

    def __init__(self, state: State, about: About, widths: list[int]) -> None:
        self.steps = OrderedDict[str, nn.Module]()
        self.state: State = {}
        self.paths: dict[str, str] = {}
        self._given, self._about, self._widths = state, about, widths
        self._channels = int(state["toRGBLayers.0.module.weight"].shape[0])
        self._blended = about.alpha > 0 and len(widths) > 1
        self._last = OrderedDict[str, nn.Module]()  # the last scale's steps, if it is blended

    def first(self, latent: int) -> None:
        """Appends layer1 and layer2, which make 4x4 maps."""
        width = self._widths[0]
        project = self._step(nn.Linear(latent, 16 * width), "formatLayer", "layer1.1")
        relu = nn.LeakyReLU(self._about.leak)
        self.steps["layer1"] = nn.Sequential(PixelNorm(), project, nn.Unflatten(1, (width, 4, 4)), relu)
        self.paths["layer1"] = "layer1"
        self._layer(2, width, width, "groupScale0.0")

    def scale(self, number: int) -> None:
        """Appends the two layers of a doubled grid."""
        before, after = self._widths[number - 1 : number + 1]
        self._layer(2 * number + 1, before, after, f"scaleLayers.{number - 1}.0")
        self._layer(2 * number + 2, after, after, f"scaleLayers.{number - 1}.1")

    def end(self) -> None:
        """Appends the colours."""
        last = len(self._widths) - 1
        steps, at = self._place(2 * last + 2)
        steps["colours"] = self._colours(last, f"{at}colours.1")
        if self._blended:
            before = self._colours(last - 1, "last.before.0.1")
            self.steps["last"] = Blended(self._last, before, self._about.alpha)
        if self._about.tanh:
            self.steps["tanh"] = nn.Tanh()

    def _layer(self, number: int, before: int, after: int, path: str) -> None:
        steps, at = self._place(number)
        name = f"layer{number}"
        grow = [nn.Upsample(scale_factor=2)] if number > 2 and number % 2 else []
        convolution = nn.Conv2d(before, after, 3, padding=1)
        scaled = self._step(convolution, path, f"{at}{name}.{1 + len(grow)}")
        steps[name] = nn.Sequential(PixelNorm(), *grow, scaled, nn.LeakyReLU(self._about.leak))
        self.paths[name] = f"{at}{name}"

    def _colours(self, scale: int, at: str) -> nn.Sequential:
        convolution = nn.Conv2d(self._widths[scale], self._channels, 1)
        return nn.Sequential(PixelNorm(), self._step(convolution, f"toRGBLayers.{scale}", at))

    def _place(self, number: int) -> tuple[OrderedDict[str, nn.Module], str]:
        """Where a layer's steps go, and the prefix of their paths."""
        if self._blended and number > 2 * len(self._widths) - 2:
            return self._last, "last.scale."
        return self.steps, ""

    def _step(self, module: nn.Linear | nn.Conv2d, path: str, at: str) -> Equalised:
        for leaf in ("weight", "bias"):
            if f"{path}.module.{leaf}" in self._given:
                self.state[f"{at}.module.{leaf}"] = self._given[f"{path}.module.{leaf}"]
        return Equalised(module, self._about.equalised)


def _about(config: Config) -> About:
    beside = config.get("config")
    said = dict(beside) if isinstance(beside, Mapping) else {}
    if isinstance(said.get("config"), Mapping):  # the training's file holds it under this name
        said = dict(said["config"])
    if said.get("categoryVectorDim"):
        raise GanatomyError(
            "This progressive GAN is conditional on attributes beside its latent, which this family does not "
            "pass; register its module as a plug-in."
        )
    tanh = OUTPUT.answer(config) == "tanh"
    if "output" not in config and "lossCriterion" in said:
        tanh = said["lossCriterion"] in WITH_TANH
    equalised = EQUALISED.answer(config) == "yes"
    if "equalised" not in config and "equalizedlR" in said:
        equalised = bool(said["equalizedlR"])
    alpha, leak = (_number(said.get(name), other) for name, other in (("alpha", 0.0), ("leakyReluLeak", 0.2)))
    notes = []
    if not said:
        notes.append(
            "Taken for granted, since no configuration lies beside the weights: an equalised learning rate, "
            f"leaky ReLUs of 0.2, and {'tanh' if tanh else 'nothing'} at the end."
        )
    if alpha > 0:
        notes.append(f"Its last scale was being blended in: {alpha:.0%} of an image are of the scale before.")
    return About(equalised, tanh, leak, min(max(alpha, 0.0), 1.0), tuple(notes))


def _number(value: object, otherwise: float) -> float:
    usable = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if usable and isinstance(value, int | float) else otherwise


def _shapes(state: State) -> tuple[list[int], int]:
    """The widths from 4x4 on, and the latent's size, from weights that fit each other."""
    first = state.get("formatLayer.module.weight")
    if first is None or first.ndim != 2 or 0 in first.shape or first.shape[0] % 16:
        raise GanatomyError("'formatLayer.module.weight' must map the latent to 4x4 maps; it does not.")
    scales = 1 + max(
        (int(key.split(".")[1]) + 1 for key in state if KEY.fullmatch(key) and key.startswith("scaleLayers")),
        default=0,
    )
    if scales > MOST_SCALES:
        raise GanatomyError(f"The weights have {scales} scales; images of at most {MOST_SCALES} can be made.")
    wanted = ["formatLayer", *(f"toRGBLayers.{k}" for k in range(scales))]
    widths, before = [], int(first.shape[0]) // 16
    for k in range(scales):
        halves = ["groupScale0.0"] if k == 0 else [f"scaleLayers.{k - 1}.{half}" for half in (0, 1)]
        for path in halves:
            before = _fitting(state, path, before, 3)
        widths.append(before)
        _fitting(state, f"toRGBLayers.{k}", before, 1)
        wanted += halves
    known = {f"{path}.module.{leaf}" for path in wanted for leaf in ("weight", "bias")}
    odd = next((key for key in state if key not in known), None)
    if odd is not None:
        raise GanatomyError(
            f"'{odd[:80]}' belongs to no layer of a progressive GAN of pytorch_GAN_zoo; give its netG or "
            "avgG."
        )
    return widths, int(first.shape[1])


def _fitting(state: State, path: str, before: int, size: int) -> int:
    """The units that a convolution makes, if it takes these and has a kernel of this size."""
    weight = state.get(f"{path}.module.weight")
    if weight is None:
        raise GanatomyError(f"'{path}.module.weight' is missing; use the generator's whole state dict.")
    if weight.ndim != 4 or 0 in weight.shape or tuple(weight.shape[1:]) != (before, size, size):
        raise GanatomyError(
            f"'{path}.module.weight' has the shape {tuple(weight.shape)}; it must take {before} units with a "
            f"{size}x{size} kernel."
        )
    return int(weight.shape[0])


def _recognises(state: State) -> bool:
    return "formatLayer.module.weight" in state and all(KEY.fullmatch(key) for key in state)


FAMILY = Family(
    "progressive GAN of pytorch_GAN_zoo",
    recognises=_recognises,
    build=lambda state, config, _inputs: build(state, config),
    choices=(EQUALISED, OUTPUT),
)
