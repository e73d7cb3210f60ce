"""How far two segmenters agree on the same images. Where they do not, a score is also the segmenter's own."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.counting.plan import blocks
from analysis.models.generator import Generator
from analysis.models.segmenter import Segmenter, checked_labels, checked_segmenter
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

IMAGES = 256  # are enough for concepts on .1 % of the pixels


def kappas(
    generator: Generator, first: Segmenter, second: Segmenter, seed: int, span: tuple[int, int]
) -> pd.DataFrame:
    """Cohen's kappa of each concept that both segmenters know: `concept` and `kappa`.

    The pixels are those of the images of latents span[0] up to span[1], which start a block of 64. Kappa is 1
    for full agreement and 0 for what two independent masks of these sizes reach; NaN where neither names the
    concept.

    Raises:
        GanatomyError: the two have no concept in common, or their label maps differ in size.
    """
    names = [[concept.name for concept in checked_segmenter(each)] for each in (first, second)]
    common = [name for name in names[0] if name in names[1]]
    if not common:
        raise GanatomyError("The two segmenters have no concept in common; choose another second segmenter.")
    counts = sum(_counted(generator, (first, second), names, common, seed, span))
    return pd.DataFrame({"concept": common, "kappa": kappa(np.asarray(counts))})


def _counted(
    generator: Generator,
    pair: tuple[Segmenter, Segmenter],
    names: list[list[str]],
    common: list[str],
    seed: int,
    span: tuple[int, int],
) -> Iterator[NDArray[np.int64]]:
    """For each block (concepts, 4): pixels on which both, the first, the second, and neither name it."""
    for start, stop in blocks(*span):
        images = generator.images(latents(seed, start, stop, generator.latent_shape))
        one, two = (checked_labels(each, images, seed, range(start, stop)) for each in pair)
        if one.shape[2:] != two.shape[2:]:
            raise GanatomyError(
                f"The segmenters' label maps are {tuple(one.shape[2:])} and {tuple(two.shape[2:])}; "
                "choose a second segmenter with the same size."
            )
        yield np.array(
            [_pixels(one, names[0].index(name) + 1, two, names[1].index(name) + 1) for name in common]
        )


def _pixels(one: Tensor, first: int, two: Tensor, second: int) -> list[int]:
    a, b = (one == first).any(1), (two == second).any(1)
    return torch.stack([(a & b).sum(), (a & ~b).sum(), (~a & b).sum(), (~a & ~b).sum()]).tolist()


def kappa(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cohen's kappa from pixels (..., 4) that both, the first alone, the second alone and neither name.

    >>> kappa(np.array([[10, 0, 0, 90], [25, 25, 25, 25]])).tolist()
    [1.0, 0.0]
    """
    both, one, two, neither = np.moveaxis(np.asarray(counts, float), -1, 0)
    total = both + one + two + neither
    same = (both + neither) / total
    a, b = (both + one) / total, (both + two) / total
    chance = a * b + (1 - a) * (1 - b)
    return np.divide(
        same - chance, 1 - chance, out=np.full(same.shape, np.nan), where=(chance < 1) & (a + b > 0)
    )
