"""The U-Net that taught church-parts: generated pictures, and how probable it found each class there.

It was church-parts itself up to commit d58f31a, which still has its weights. It works at the full size, at
twice the cost of its pupil.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from analysis.models import generators
from analysis.models.checkpoints import load_state, read_state
from analysis.models.segmentation.unet import WORLDS
from analysis.shared.files import replacing
from analysis.shared.latents import latents

WIDTHS = (16, 32, 48, 64)  # channels at 64, 32, 16 and 8 pixels
SEED, BATCH = 12, 50
Lesson = tuple[NDArray[np.float16], NDArray[np.float16]]


def _pair(before: int, after: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (before, after):
        layers += [nn.Conv2d(width, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


class WideUnet(nn.Module):
    """Images (N, 3, H, W) to logits (N, classes, H, W); H and W are multiples of 8."""

    def __init__(self, classes: int, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.down = nn.ModuleList(_pair(a, b) for a, b in zip((3, *widths), widths, strict=False))
        self.up = nn.ModuleList(_pair(a + b, a) for a, b in pairwise(widths))
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        kept: list[Tensor] = []
        x = images
        for step, pair in enumerate(self.down):
            x = pair(x if step == 0 else functional.max_pool2d(x, 2))
            kept.append(x)
        for pair, skip in zip(reversed(self.up), kept[-2::-1], strict=True):
            x = pair(torch.cat([skip, functional.interpolate(x, scale_factor=2, mode="nearest")], 1))
        logits: Tensor = self.head(x)
        return logits


def load(file: Path) -> WideUnet:
    """The teacher of a file of its weights.

    Raises:
        GanatomyError: they are not such a U-Net's.
    """
    network = WideUnet(sum(WORLDS["churches"].classes))
    load_state(network, read_state(file), "the teacher's U-Net")
    return network.eval().requires_grad_(False)


def lesson(folder: Path, weights: Path, count: int) -> Lesson:
    """Images of churches (count, 3, 64, 64), and each class's probability within its map (count, 17, 64, 64).

    They are made once and kept in the folder.
    """
    files = [folder / f"{name}-{SEED}-{count}.npy" for name in ("taught", "probabilities")]
    if not files[1].exists():
        folder.mkdir(parents=True, exist_ok=True)
        generator, network = generators.load("churches", None), load(weights)
        sizes = WORLDS["churches"].classes
        with replacing(files[0]) as images_file, replacing(files[1]) as answers_file:
            images = open_memmap(images_file, "w+", np.float16, (count, 3, 64, 64))
            answers = open_memmap(answers_file, "w+", np.float16, (count, sum(sizes), 64, 64))
            for start in range(0, count, BATCH):
                stop = min(start + BATCH, count)
                shown = generator.images(latents(SEED, start, stop, generator.latent_shape))
                with torch.no_grad():
                    found = [part.softmax(1) for part in network(shown).split(sizes, 1)]
                images[start:stop], answers[start:stop] = shown.numpy(), torch.cat(found, 1).numpy()
            images.flush()
            answers.flush()
    return np.load(files[0], mmap_mode="r"), np.load(files[1], mmap_mode="r")
