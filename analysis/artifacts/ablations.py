"""Features of a generator's pictures with units ablated: many lists of units share one pass of h."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.artifacts.features import Extractor
from analysis.artifacts.settings import Activation
from analysis.artifacts.top_images import ACTIVATIONS
from analysis.models.generator import Generator
from analysis.shared.latents import latents

BATCH, BATCH_GPU = 16, 256
Span = tuple[int, int]


def ablated_features(
    generator: Generator,
    extractor: Extractor,
    layer: str,
    lists: Sequence[Sequence[int]],
    seed: int,
    span: Span,
    tick: Callable[[int], None] = lambda passes: None,
) -> NDArray[np.float32]:
    """Return features (lists, N, d) of the latents `span`, with each list's units at 0; () is no edit.

    `tick` is called with the number of passes of the tail after each batch.
    """
    rows = []
    with torch.no_grad():
        for z in _batches(generator, seed, span):
            cut = generator.cut(z, layer)
            found = [extractor(images_without(cut.tail, cut.r, units)).flatten(1).float() for units in lists]
            rows.append(torch.stack(found).cpu())
            tick(len(z) * len(lists))
    return torch.cat(rows, 1).numpy()


def images_without(tail: Callable[[Tensor], Tensor], r: Tensor, units: Sequence[int]) -> Tensor:
    """Return the images when the units are 0 everywhere in the map `r`."""
    # On a CPU small convolutions take half as long with channels last.
    layout = torch.channels_last if r.device.type == "cpu" else torch.preserve_format
    changed = r.clone(memory_format=layout)
    changed[:, list(units)] = 0
    return tail(changed)


def activity(
    generator: Generator, layer: str, seed: int, span: Span, activation: Activation
) -> NDArray[np.float32]:
    """Return how much each unit does in each image, (units, N)."""
    found = [
        ACTIVATIONS[activation](generator.features(z, [layer])[1].popitem()[1]).cpu()
        for z in _batches(generator, seed, span)
    ]
    return torch.cat(found).T.numpy()


def pictures(
    generator: Generator, layer: str, lists: Sequence[Sequence[int]], seed: int, numbers: Sequence[int]
) -> list[NDArray[np.uint8]]:
    """Return pictures uint8 (N, H, W, 3) of single latents, one array per list of ablated units."""
    from analysis.editing.renders import pixels

    z = torch.cat([latents(seed, i, i + 1, generator.latent_shape) for i in numbers])
    with torch.no_grad():
        cut = generator.cut(z, layer)
        return [pixels(images_without(cut.tail, cut.r, units)) for units in lists]


def _batches(generator: Generator, seed: int, span: Span) -> Iterator[Tensor]:
    batch = BATCH if generator.device.type == "cpu" else BATCH_GPU
    yield from latents(seed, *span, generator.latent_shape).split(batch)
