"""A real dissection of a tiny generator whose second unit is low on its concept, and all its pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from analysis.dissection.dissection import Dissection, dissect
from analysis.models.generator import Generator
from analysis.shared.concepts import Concept
from analysis.shared.latents import latents
from db import store
from db.layout import Layout
from db.store import bundles

SIDE, IMAGES, SEED = 16, 64, 1
RUN = {"run": "inverted-1", "layer": "layer1"}


def field(z: Tensor) -> Tensor:
    """A smooth random field (N, 16, 16); the concept is where it is over 0."""
    coarse = nn.functional.interpolate(z.reshape(-1, 1, 4, 4), SIDE, mode="bicubic")[:, 0]
    return coarse / coarse.flatten(1).std(1)[:, None, None] - 0.5  # of one image alone, whatever the batch


def activations(z: Tensor) -> Tensor:
    """The three units (N, 3, 16, 16)."""
    values, other = (torch.sigmoid(3 * field(half)) for half in (z.flatten(1), z.flatten(1).flip(1)))
    return torch.stack([values, 1 - values + 0.2 * other, torch.ones_like(values)], 1)


class Inverted(nn.Module):
    """Unit 0 is high on the concept, unit 1 is low on most of it, unit 2 is always 1."""

    def __init__(self) -> None:
        super().__init__()
        self.draw = nn.Identity()

    def forward(self, z: Tensor) -> Tensor:
        units = activations(z)
        self.draw(units)
        return torch.where(units[:, :1] > 0.5, 1.0, -1.0).expand(-1, 3, -1, -1)


class Bright:
    """Marks what is bright."""

    concepts: Sequence[Concept] = [Concept("shape")]

    def labels(self, images: Tensor) -> Tensor:
        return (images[:, :1] > 0).long()

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return images[:, 0]


@dataclass(frozen=True)
class Store:
    """The store with the run, and what the run counted."""

    layout: Layout
    dissection: Dissection

    @cached_property
    def maps(self) -> NDArray[np.float32]:
        """The units (N, 3, 16, 16) on the evaluation images. The concept is where unit 0 is over a half."""
        made: NDArray[np.float32] = activations(
            latents(SEED, *self.dissection.evaluation, (16, 1, 1))
        ).numpy()
        return made

    def iou_under(self, unit: int, threshold: float) -> float:
        """The IoU of the pixels where a unit is not over a threshold, by counting pixels."""
        low, shape = self.maps[:, unit] <= threshold, self.maps[:, 0] > 0.5
        return float((low & shape).sum() / (low | shape).sum())


def published(layout: Layout) -> Dissection:
    """Dissect it, and publish the run."""
    generator = Generator(Inverted(), ["draw"], latent_shape=(16, 1, 1))
    made = dissect(generator, Bright(), images=IMAGES, calibration=IMAGES, seed=SEED)
    run: dict[str, Any] = {"run_id": RUN["run"], "kind": "dissection", "state": "final", "seed": SEED}
    run |= {"generator": "inverted", "segmenter": "bright", "images": IMAGES, "calibration": IMAGES}
    run |= {"layers": "layer1", "grid_height": SIDE, "grid_width": SIDE, "threshold_rule": "iqr"}
    run |= {"settings": {"generator": "inverted", "control": "none"}}
    bundles.write(layout, run, made.tables(), made.arrays())
    store.publish(layout)
    return made
