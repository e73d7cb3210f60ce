"""Tells the planted generator's shapes apart by their colours, which is exact."""

from collections.abc import Sequence

import torch
from torch import Tensor

from analysis.models.checkpoints import State, weights_sha256
from analysis.models.families.family import Config
from analysis.models.families.planted_shapes import COLOURS, GROUND
from analysis.models.segmentation.family import SegmenterFamily
from analysis.models.vocabularies import SHAPES
from analysis.shared.concepts import Concept, concept_index
from analysis.shared.errors import GanatomyError


def weights(seed: int) -> State:
    """The colours are all that it knows; the seed plays no part."""
    return {"colours": torch.tensor([GROUND, *COLOURS])}


def recognises(state: State, config: Config) -> bool:
    """Whether the state holds these colours alone."""
    colours = state.get("colours")
    return len(state) == 1 and colours is not None and tuple(colours.shape) == (1 + len(COLOURS), 3)


def build(state: State, config: Config, name: str, device: str) -> "ColourSegmenter":
    """The segmenter on a device."""
    if not recognises(state, config):
        raise GanatomyError("The weights are not the planted shapes' colours; choose another family.")
    return ColourSegmenter(state["colours"].to(device), name)


FAMILY = SegmenterFamily("Colours of the planted shapes", recognises, build, hidden=True)


class ColourSegmenter:
    """Labels (N, 1, H, W): the nearest colour. Probability: a softmax of squared distances."""

    family = "planted"
    concepts: Sequence[Concept] = SHAPES.concepts

    def __init__(self, colours: Tensor, name: str = "planted") -> None:
        self.name, self._colours, self.device = name, colours, colours.device
        self.weights_sha256 = weights_sha256({"colours": colours})

    def labels(self, images: Tensor) -> Tensor:
        return self._distances(images).argmin(1, keepdim=True)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return (-10 * self._distances(images)).softmax(1)[:, 1 + concept_index(self.concepts, concept)]

    def _distances(self, images: Tensor) -> Tensor:
        """Squared distance of each pixel to each colour, (N, 1 + concepts, H, W)."""
        away = images.to(self.device)[:, None] - self._colours[None, :, :, None, None]
        return away.square().sum(2)
