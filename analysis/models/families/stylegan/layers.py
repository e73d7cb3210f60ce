"""What StyleGAN2 and StyleGAN3 are made of (Karras et al. 2020, 2021), in plain PyTorch.

Modulated convolutions scale what goes in by a style and what comes out by the norm of the modulated weights.
This equals the papers' weights of their own for each image, takes less memory, and gives an image the same
values in any batch.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.checkpoints import State
from analysis.models.families.shapes import counted, shape
from analysis.shared.errors import GanatomyError

SLOPE, GAIN = 0.2, math.sqrt(2)  # of the leaky ReLU, and the factor that keeps the variance after it
LATENTS_OF_MEAN = 4096


class Normalised(nn.Module):
    """Scales rows to a mean square of one."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class Dense(nn.Module):
    """A linear layer whose stored weights have a variance of one; the factor is applied in use.

    `rate` is the learning rate multiplier, which is part of the factor; `active` adds the leaky ReLU.
    """

    def __init__(self, before: int, after: int, rate: float = 1.0, active: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(after, before))
        self.bias = nn.Parameter(torch.empty(after))
        self.rate, self.active = rate, active

    def forward(self, x: Tensor) -> Tensor:
        factor = self.rate / math.sqrt(self.weight.shape[1])
        x = functional.linear(x, self.weight * factor, self.bias * self.rate)
        return functional.leaky_relu(x, SLOPE) * GAIN if self.active else x


class Style(Dense):
    """The style of a convolution, (N, units, 1, 1): a map of one cell, so that it can be a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, :, None, None]


class Embedding(Dense):
    """Class numbers (N,) to rows (N, width): the dense layer of a vector that is 1 at the class."""

    def forward(self, y: Tensor) -> Tensor:
        factor = self.rate / math.sqrt(self.weight.shape[1])
        return self.weight.t()[y] * factor + self.bias * self.rate


class MappingSizes(NamedTuple):
    """Numbers in a latent, classes (None is not conditional), and numbers in w."""

    latent: int
    classes: int | None
    width: int


def mapping_sizes(state: State, what: str) -> MappingSizes:
    """The sizes of a mapping network of NVIDIA's layout.

    Raises:
        GanatomyError: its layers do not fit each other.
    """
    count = counted(state, r"mapping\.fc(\d+)\.weight", what)
    before = shape(state, "mapping.fc0.weight", 2, what)[1]
    width = [shape(state, f"mapping.fc{number}.weight", 2, what)[0] for number in range(count)][-1]
    embedded, classes = 0, None
    if "mapping.embed.weight" in state:
        embedded, classes = shape(state, "mapping.embed.weight", 2, what)
    if embedded >= before:
        raise GanatomyError(
            f"The weights do not fit {what}: its mapping takes no latent; use another checkpoint."
        )
    return MappingSizes(before - embedded, classes, width)


class MappingNetwork(nn.Module):
    """Latents z (N, Z), and classes y (N,) of conditional models, to w (N, W), truncated.

    w' = mean + psi (w - mean). The keys are NVIDIA's: fc0, fc1, ..., embed, w_avg.
    """

    w_avg: Tensor

    def __init__(self, state: State, psi: float | None, rate: float) -> None:
        super().__init__()
        embed = state.get("mapping.embed.weight")
        if embed is not None:
            self.embed = Embedding(embed.shape[1], embed.shape[0])
        self.conditional = embed is not None
        self.count = sum(key.startswith("mapping.fc") and key.endswith(".weight") for key in state)
        for number in range(self.count):
            after, before = state[f"mapping.fc{number}.weight"].shape
            self.add_module(f"fc{number}", Dense(before, after, rate, active=True))
        self.classes = embed.shape[1] if embed is not None else None
        self.latent = state["mapping.fc0.weight"].shape[1] - (embed.shape[0] if embed is not None else 0)
        self.register_buffer("w_avg", torch.empty(state["mapping.w_avg"].shape))
        self.normalised, self.psi = Normalised(), psi

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        x = self.normalised(z)
        if self.conditional:
            assert y is not None
            row = self.embed(y)
            x = torch.cat([x, row * torch.rsqrt(row.square().mean(1, keepdim=True) + 1e-8)], 1)
        for number in range(self.count):
            x = self.get_submodule(f"fc{number}")(x)
        return x if self.psi is None else self.w_avg + self.psi * (x - self.w_avg)

    def measure_mean(self) -> None:
        """Set the mean of w anew: where a checkpoint does not have it, or other weights are in its place."""
        z = mean_latents(self.latent).to(self.w_avg.device)
        y = torch.arange(len(z), device=z.device) % self.classes if self.classes is not None else None
        psi, self.psi = self.psi, None
        with torch.no_grad():
            self.w_avg.copy_(self(z, y).mean(0))
        self.psi = psi


def modulated(
    x: Tensor, weight: Tensor, style: Tensor, *, demodulate: bool = True, up: bool = False, padding: int = 0
) -> Tensor:
    """The convolution of maps (N, I, h, w) with weights (O, I, k, k) times styles (N, I, 1, 1).

    Demodulated, each image's weights have a norm of one per output unit. `up` doubles the grid, one cell more
    on each side than a low-pass filter then takes off.
    """
    x = x * style
    if up:
        x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    else:
        x = functional.conv2d(x, weight, padding=padding)
    if demodulate:
        energy = style.flatten(1).square() @ weight.square().sum((2, 3)).t()
        x = x * torch.rsqrt(energy + 1e-8)[:, :, None, None]
    return x


def activated(x: Tensor, clamp: float | None = None, gain: float = 1.0) -> Tensor:
    """The leaky ReLU with its gain, and then within +-clamp."""
    x = functional.leaky_relu(x, SLOPE) * (GAIN * gain)
    return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)


def filtered(
    x: Tensor, kernel: Tensor, pads: tuple[int, int], up: int = 1, down: int = 1, gain: float = 1.0
) -> Tensor:
    """Insert zeros between cells (`up`), pad or crop, convolve with the kernel, keep each `down`-th cell.

    Maps (N, C, h, w); a kernel (k,) works on both axes in turn, (k, k) on both at once. `pads` count on the
    grid with zeros, before and after, and are the same on both axes. Negative ones crop.
    """
    units = x.shape[1]
    if up > 1:
        n, _units, h, w = x.shape
        x = functional.pad(x[:, :, :, None, :, None], (0, up - 1, 0, 0, 0, up - 1))
        x = x.reshape(n, units, h * up, w * up)
    x = functional.pad(x, (*pads, *pads))
    flipped = kernel.flip(list(range(kernel.ndim)))
    if kernel.ndim == 2:
        weight = (flipped * gain).expand(units, 1, -1, -1)
        return functional.conv2d(x, weight, groups=units, stride=down)
    weight = (flipped * math.sqrt(gain)).expand(units, 1, 1, -1)
    x = functional.conv2d(x, weight, groups=units, stride=(1, down))
    return functional.conv2d(x, weight.transpose(2, 3), groups=units, stride=(down, 1))


def doubled(x: Tensor, kernel: Tensor, gain: float = 4.0) -> Tensor:
    """Maps on a grid twice as fine, by a low-pass filter (k, k)."""
    taps = kernel.shape[-1]
    return filtered(x, kernel, ((taps + 1) // 2, (taps - 2) // 2), up=2, gain=gain)


def smoothed(x: Tensor, kernel: Tensor, gain: float = 4.0) -> Tensor:
    """The filter after a 3x3 convolution that doubled the grid; takes the cell off that it had too much."""
    taps = kernel.shape[-1]
    return filtered(x, kernel, ((taps - 1) // 2, (taps - 2) // 2), gain=gain)


def noise_maps(seed: int, sizes: list[int]) -> list[Tensor]:
    """Fixed noise maps (size, size) of a seed, one for each layer."""
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(size, size, generator=random) for size in sizes]


def mean_latents(width: int) -> Tensor:
    """The latents (4096, width) over which a missing mean of w is taken; the same in every process."""
    return torch.randn(LATENTS_OF_MEAN, width, generator=torch.Generator().manual_seed(0))
