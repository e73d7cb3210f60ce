"""Features of a generator's pictures with units ablated: the maps of latents are made once for all lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.artifacts.features import Extractor
from analysis.artifacts.settings import Activation
from analysis.artifacts.top_images import ACTIVATIONS
from analysis.editing.kept_maps import KeptMaps
from analysis.models.generator import Generator, quick_layout
from analysis.shared.latents import latents

BATCH, BATCH_GPU = 16, 256
Span = tuple[int, int]


def kept_maps(generator: Generator, layer: str, seed: int, span: Span) -> KeptMaps:
    """Return the latents `span` with their maps at the layer."""
    kept = KeptMaps(generator, layer)
    for z in _batches(generator, seed, span):
        kept.add(z, span[1] - span[0])
    return kept


def rows_of(kept: KeptMaps) -> Sequence[Tensor]:
    """Return the numbers of the latents, batch by batch."""
    return torch.arange(len(kept)).split(BATCH if kept.device.type == "cpu" else BATCH_GPU)


def ablated_features(
    kept: KeptMaps,
    extractor: Extractor,
    lists: Sequence[Sequence[int]],
    tick: Callable[[int], None] = lambda passes: None,
) -> NDArray[np.float32]:
    """Return features (lists, N, d) of the latents with each list's units at 0; () is no edit.

    An image whose units are 0 everywhere stays as it is, so it is made once for all such lists. `tick` is
    called with the number of images that the lists have after each batch.
    """
    parts = []
    with torch.no_grad():
        for rows in rows_of(kept):
            parts.append(_of_batch(kept, extractor, lists, rows).cpu())
            tick(len(rows) * len(lists))
    return torch.cat(parts, 1).numpy()


def _of_batch(kept: KeptMaps, extractor: Extractor, lists: Sequence[Sequence[int]], rows: Tensor) -> Tensor:
    """Features (lists, n, d) of some rows."""
    r = kept.maps(rows)
    live = r.ne(0).any(3).any(2)
    changed = torch.stack([live[:, list(units)].any(1) for units in lists]).cpu()

    def features(which: Tensor, units: Sequence[int]) -> Tensor:
        chosen = r if which.all() else r[which.to(r.device)]
        images = images_without(partial(kept.tail, rows[which]), chosen, units)
        return extractor(images).flatten(1).float()

    plain = torch.zeros(0)  # of images that some list leaves as they are
    if (same := ~changed.all(0)).any():
        plain = _at(same, features(same, ()))
    found = []
    for units, edited in zip(lists, changed, strict=True):
        own = _at(edited, features(edited, units)) if edited.any() else plain
        found.append(own if edited.all() else torch.where(edited.to(own.device)[:, None], own, plain))
    return torch.stack(found)


def _at(which: Tensor, values: Tensor) -> Tensor:
    """Values at the rows that `which` names, and zeros at the others."""
    every = values.new_zeros((len(which), values.shape[1]))
    every[which.to(values.device)] = values
    return every


def images_without(tail: Callable[[Tensor], Tensor], r: Tensor, units: Sequence[int]) -> Tensor:
    """Return the images when the units are 0 everywhere in the map `r`."""
    changed = quick_layout(r.clone())
    changed[:, list(units)] = 0
    return tail(changed)


def activity(kept: KeptMaps, activation: Activation) -> NDArray[np.float32]:
    """Return how much each unit does in each image, (units, N)."""
    return torch.cat([ACTIVATIONS[activation](kept.maps(rows)).cpu() for rows in rows_of(kept)]).T.numpy()


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
