"""MobileStyleGAN (Belousov 2021): a StyleGAN2 distilled into depthwise separable convolutions and wavelets.

A mapping network makes a style w of each latent. Every convolution scales its input channels by an affine map
of w; there is no demodulation. Grids double by an inverse Haar transform: four channels become one channel
of twice the height and width. Noise is constant, so an image follows from its latent alone.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.checkpoints import State, load_state
from analysis.models.families.family import Config, Family, Parts
from analysis.models.inputs import Inputs
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

SLOPE = 0.2
GAIN = 2**0.5  # after each nonlinearity of the mapping
MEAN_SEED, MEAN_LATENTS = 0, 4096  # the latents whose mean style is the centre of truncation
LARGEST_USUAL = 64  # layers of larger grids are extra: their maps are large, their units few and of texture
WHAT = "a MobileStyleGAN"
SYNTHESIS, MAPPING = "SynthesisNetwork.", "MappingNetwork."  # before the published graphs' constants


class Normalised(nn.Module):
    """Scale each latent to a mean square of one."""

    def forward(self, z: Tensor) -> Tensor:
        return z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)


class Truncated(nn.Module):
    """Draw styles towards their mean: w' = mean + psi (w - mean)."""

    mean: Tensor

    def __init__(self, size: int, psi: float) -> None:
        super().__init__()
        self.psi = psi
        # Not persistent: it follows from the mapping's weights, and is no weight itself.
        self.register_buffer("mean", torch.zeros(size), persistent=False)

    def forward(self, w: Tensor) -> Tensor:
        return w if self.psi == 1 else torch.lerp(self.mean, w, self.psi)


class Style(nn.Linear):
    """Styles w (N, size) to one factor per channel, (N, channels, 1, 1)."""

    def forward(self, w: Tensor) -> Tensor:
        return super().forward(w)[:, :, None, None]


class Conv(nn.Module):
    """Modulate, convolve, add noise and bias: (N, before, h, w) to (N, after, h, w)."""

    noise: Tensor

    def __init__(self, style: int, before: int, after: int, grid: int, separable: bool = True) -> None:
        super().__init__()
        self.style = Style(style, before)
        if separable:
            self.depthwise: nn.Conv2d | None = nn.Conv2d(before, before, 3, 1, 1, groups=before, bias=False)
            self.pointwise = nn.Conv2d(before, after, 1)
        else:
            self.depthwise = None
            self.pointwise = nn.Conv2d(before, after, 3, 1, 1)
        self.register_buffer("noise", torch.zeros(1, 1, grid, grid))
        self.activation = nn.LeakyReLU(SLOPE, inplace=True)  # on the sum, which is nobody else's

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        factors = self.style(w)
        if self.depthwise is None:
            x = x * factors
        else:
            x, kernel = _modulated(x, factors, self.depthwise.weight)
            x = functional.conv2d(x, kernel, padding=1, groups=len(kernel))
        return self.activation(self.pointwise(x).add_(self.noise))


class Up(nn.Module):
    """Modulate, and make of every four channels one of twice the size: (N, 4 c, h, w) to (N, c, 2h, 2w)."""

    def __init__(self, style: int, channels: int) -> None:
        super().__init__()
        self.style = Style(style, channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x, kernel = _modulated(x, self.style(w), _haar(x))
        return inverse_haar(x, kernel)


def _modulated(x: Tensor, factors: Tensor, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """Channels times factors (N, channels, 1, 1), to be met by a kernel (channels, 1, k, k).

    For one image the factors go into the kernel, which spares a pass over the map.
    """
    if len(x) == 1:
        return x, kernel * factors.view(-1, 1, 1, 1)
    return x * factors, kernel


def _haar(x: Tensor) -> Tensor:
    """The kernel (channels, 1, 2, 2) of the inverse transform of x (N, channels, h, w)."""
    signs = [[[1, 1], [1, 1]], [[1, 1], [-1, -1]], [[1, -1], [1, -1]], [[1, -1], [-1, 1]]]
    return (
        torch.tensor(signs, dtype=x.dtype, device=x.device).mul_(0.5).repeat(x.shape[1] // 4, 1, 1)[:, None]
    )


def inverse_haar(x: Tensor, kernel: Tensor | None = None) -> Tensor:
    """The inverse Haar transform of (N, 4 c, h, w), (N, c, 2h, 2w).

    The four channels from 4 k on give channel k: their means, and the differences between rows, between
    columns, and across.
    """
    kernel = _haar(x) if kernel is None else kernel
    return functional.conv_transpose2d(x, kernel, stride=2, groups=x.shape[1] // 4)


class Block(nn.Module):
    """One grid: up, and two convolutions."""

    def __init__(self, style: int, widths: tuple[int, int, int], grid: int) -> None:
        super().__init__()
        before, inner, after = widths
        self.up = Up(style, before)
        self.conv1 = Conv(style, before // 4, inner, grid)
        self.conv2 = Conv(style, inner, after, grid)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        return self.conv2(self.conv1(self.up(x, w), w), w)


class Colour(nn.Module):
    """The image (N, 3, 2h, 2w) of the last map (N, channels, h, w), by way of its wavelets."""

    def __init__(self, style: int, channels: int) -> None:
        super().__init__()
        self.style = Style(style, channels)
        self.pointwise = nn.Conv2d(channels, 12, 1)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        factors = self.style(w)
        if len(x) > 1:
            return inverse_haar(self.pointwise(x * factors))
        kernel = self.pointwise.weight * factors
        return inverse_haar(functional.conv2d(x, kernel, self.pointwise.bias))


class MobileStyleGAN(nn.Module):
    """Latents (N, size) to images (N, 3, side, side).

    Args:
        size: of a latent and of a style.
        widths: channels of the first map; and (inner, last) channels of each further grid.
    """

    def __init__(
        self, size: int, mapping: int, first: int, widths: list[tuple[int, int]], psi: float = 1
    ) -> None:
        super().__init__()
        steps: list[nn.Module] = [Normalised()]
        for _layer in range(mapping):
            steps += [nn.Linear(size, size), nn.LeakyReLU(SLOPE, inplace=True)]
        self.mapping = nn.Sequential(*steps)
        self.truncated = Truncated(size, psi)
        self.constant = nn.Parameter(torch.zeros(1, first, 4, 4))
        self.conv = Conv(size, first, first, 4, separable=False)
        self.blocks = nn.ModuleList()
        grid, before = 4, first
        for inner, after in widths:
            grid *= 2
            self.blocks.append(Block(size, (before, inner, after), grid))
            before = after
        self.colour = Colour(size, before)

    def measure_mean(self) -> None:
        """Set the mean style anew, where styles are truncated."""
        if self.truncated.psi != 1:
            size = self.truncated.mean.shape[0]
            z = latents(MEAN_SEED, 0, MEAN_LATENTS, (size,)).to(self.constant.device)
            with torch.no_grad():
                self.truncated.mean = self.mapping(z).double().mean(0).float()

    def forward(self, z: Tensor) -> Tensor:
        w = self.truncated(self.mapping(z))
        x = self.conv(self.constant.expand(len(z), -1, -1, -1), w)
        for block in self.blocks:
            x = block(x, w)
        images: Tensor = self.colour(x, w)
        return images


def build(state: State, _config: Config, inputs: Inputs) -> Parts:
    """The module of a state dict, of the published OpenVINO graph's constants or of this module's own keys.

    Raises:
        GanatomyError: the weights are not those of a MobileStyleGAN.
    """
    try:
        own = _own_keys(state) if f"{SYNTHESIS}m.input.input" in state else dict(state)
        size, first = own["conv.style.weight"].shape[1], own["constant"].shape[1]
        count = len({name.split(".")[1] for name in own if name.startswith("blocks.")})
        mapping = sum(1 for name in own if name.startswith("mapping.") and name.endswith(".weight"))
        widths = [
            (
                own[f"blocks.{k}.conv1.pointwise.bias"].shape[0],
                own[f"blocks.{k}.conv2.pointwise.bias"].shape[0],
            )
            for k in range(count)
        ]
    except (KeyError, IndexError, ValueError, RuntimeError) as error:
        raise GanatomyError(
            f"The weights are not those of {WHAT} ({error}); choose the family that they were trained with."
        ) from error
    psi = 1.0 if inputs.truncation is None else inputs.truncation
    with torch.device("meta"):  # no memory before every shape fits
        module = MobileStyleGAN(size, mapping, first, widths, psi)
    load_state(module, {name: value.float() for name, value in own.items()}, WHAT)
    # Depthwise convolutions are twice as fast on processors where a pixel's channels are neighbours.
    module.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    module.truncated.mean = torch.zeros(size)
    module.measure_mean()
    layers, extra = _layers(count)
    return Parts(module, layers, (size,), extra, images_per_pass=1)


def _layers(blocks: int) -> tuple[dict[str, str], dict[str, str]]:
    """The paths of the layers after nonlinearities, by grid; and of large grids and of styles, as extras."""
    maps, styles = {"4x4": "conv.activation"}, {"4x4.style": "conv.style"}
    for k in range(blocks):
        grid = f"{8 << k}x{8 << k}"
        styles[f"{grid}.up.style"] = f"blocks.{k}.up.style"
        for number in (1, 2):
            maps[f"{grid}.{number}"] = f"blocks.{k}.conv{number}.activation"
            styles[f"{grid}.{number}.style"] = f"blocks.{k}.conv{number}.style"
    styles["rgb.style"] = "colour.style"
    usual = {name: path for name, path in maps.items() if int(name.split("x")[0]) <= LARGEST_USUAL}
    return usual, {name: path for name, path in maps.items() if name not in usual} | styles


def _own_keys(state: State) -> State:
    """This module's state from the constants of the published graphs, in the order of the graphs.

    Fixed factors of the graph go into the weights that they multiply. Channels before an inverse transform
    are put in another order: there the means of all come first, then the differences. What is left over are
    the graph's own shapes and indices, and the Haar filters.
    """
    graph = {
        name.removeprefix(SYNTHESIS): value for name, value in state.items() if name.startswith(SYNTHESIS)
    }
    mapping = [
        value for name, value in state.items() if name.startswith(MAPPING) and value.is_floating_point()
    ]
    own = _mapping(mapping)
    kernels = _numbered(graph, r"Mul_(\d+)_copy")
    factors = [value.double() for value in _numbered(graph, r"Constant_(\d+)") if value.shape == (1, 1, 1, 1)]
    noises = [v for v in graph.values() if v.ndim == 4 and v.shape[:2] == (1, 1) and v.shape[2] > 1]
    blocks = (len(kernels) - 1) // 2
    convs = {"conv": "m.conv1"}
    convs |= {f"blocks.{k}.conv{i}": f"m.layers.{k}.conv{i}" for k in range(blocks) for i in (1, 2)}
    for (conv, theirs), kernel, factor, noise in zip(
        convs.items(), kernels, factors[:-1], noises, strict=True
    ):
        own |= _style(conv, graph, f"{theirs}.conv")
        own[f"{conv}.noise"] = noise
        own[f"{conv}.pointwise.bias"] = graph[f"{theirs}.bias"].flatten()
        own[f"{conv}.pointwise.weight"] = kernel
        if conv == "conv":
            own[f"{conv}.pointwise.weight"] = (kernel.double() * factor).float()
        else:
            depthwise = graph[f"{theirs}.conv.weight_dw"].double().squeeze(1)
            own[f"{conv}.depthwise.weight"] = (depthwise * factor).float()
    for k in range(blocks):
        own |= _style(f"blocks.{k}.up", graph, f"m.layers.{k}.up")
    last = f"m.layers.{blocks - 1}.to_img"
    own |= _style("colour", graph, f"{last}.conv")
    own["colour.pointwise.weight"] = (graph[f"{last}.conv.weight"].double() * factors[-1]).float()
    own["colour.pointwise.bias"] = graph[f"{last}.bias"].flatten()
    own["constant"] = graph["m.input.input"]
    before = ["conv", *(f"blocks.{k}.conv2" for k in range(blocks - 1))]
    for k, conv in enumerate(before):
        _regroup(own, f"{conv}.pointwise", f"blocks.{k}.up.style")
    _regroup(own, "colour.pointwise")
    return own


def _regroup(own: State, *parts: str) -> None:
    """Put the channels (means; then three differences of each) so that the four of a group are neighbours."""
    for part in parts:
        for name in (f"{part}.weight", f"{part}.bias"):
            means, differences = own[name].tensor_split([len(own[name]) // 4])
            groups = [means[:, None], differences.unflatten(0, (-1, 3))]
            own[name] = torch.cat(groups, 1).flatten(0, 1).contiguous()


def _mapping(constants: list[Tensor]) -> State:
    weights = [value for value in constants if value.ndim == 2 and value.numel() > 1]
    biases = [value for value in constants if value.ndim == 1 and value.numel() > 1]
    own = {}
    for number, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        own[f"mapping.{1 + 2 * number}.weight"] = (weight.double() * GAIN).float()
        own[f"mapping.{1 + 2 * number}.bias"] = (bias.double() * GAIN).float()
    return own


def _style(conv: str, graph: State, theirs: str) -> State:
    return {
        f"{conv}.style.weight": graph[f"{theirs}.modulation.weight"],
        f"{conv}.style.bias": graph[f"{theirs}.modulation.bias"].flatten(),
    }


def _numbered(graph: State, pattern: str) -> list[Tensor]:
    """The constants whose names match, in the order of their numbers, which is that of the layers."""
    matches = [match for name in graph if (match := re.fullmatch(pattern, name))]
    return [graph[match[0]] for match in sorted(matches, key=lambda match: int(match[1]))]


def _recognises(state: State) -> bool:
    marks = (f"{SYNTHESIS}m.input.input", f"{SYNTHESIS}m.layers.0.conv1.conv.weight_dw")
    own = ("constant", "conv.noise", "blocks.0.conv1.depthwise.weight", "colour.pointwise.weight")
    return all(name in state for name in marks) or all(name in state for name in own)


FAMILY = Family("MobileStyleGAN", _recognises, build, inputs=("truncation",))
