"""Tells the planted scenes' things apart by their colours: objects, parts and materials, exactly."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from analysis.models.checkpoints import State, weights_sha256
from analysis.models.families.family import Config
from analysis.models.families.planted_scenes import THINGS, VOID, WALLS
from analysis.models.segmentation.family import SegmenterFamily
from analysis.shared.concepts import Concept, concept_index
from analysis.shared.errors import GanatomyError
from analysis.worlds.vocabulary import CONCEPTS, MAPS, NAMES


def carried(thing: str) -> tuple[str | None, str | None, str | None]:
    """The object, part and material that a pixel of this thing carries: a door is a part of a building."""
    if thing in MAPS[0]:
        return thing, None, None
    return "building", thing if thing in MAPS[1] else None, thing if thing in WALLS else None


def weights(seed: int) -> State:
    """The colours are all that it knows; the seed plays no part."""
    return {"colours": torch.tensor([VOID, *THINGS.values()])}


class SceneColours:
    """The segmenter protocol by nearest colour; labels (N, 3, H, W): objects, parts, materials."""

    family = "scene-colours"

    def __init__(self, colours: Tensor, name: str, device: str) -> None:
        self.name, self.concepts = name, CONCEPTS
        self.device = torch.device(device)
        self.weights_sha256 = weights_sha256({"colours": colours})
        self._colours = colours.to(self.device)
        rows = [(None, None, None), *(carried(thing) for thing in THINGS)]
        table = [[0 if concept is None else NAMES.index(concept) + 1 for concept in row] for row in rows]
        self._table = torch.tensor(table, device=self.device)

    def labels(self, images: Tensor) -> Tensor:
        """Labels (N, 3, H, W), int64: 0 is nothing, i + 1 is concepts[i]."""
        with torch.no_grad():
            nearest = self._distance(images).argmin(1)
        return self._table[nearest].permute(0, 3, 1, 2).contiguous()

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        """How probable the concept is at each pixel, (N, H, W), differentiable in the images."""
        carries = (self._table == concept_index(self.concepts, concept) + 1).any(1)
        return torch.softmax(-8 * self._distance(images), 1)[:, carries].sum(1)

    def _distance(self, images: Tensor) -> Tensor:
        """Squared distance to each colour, (N, colours, H, W)."""
        images = images.to(self.device)
        return torch.stack([(images - c.view(1, 3, 1, 1)).square().sum(1) for c in self._colours], 1)


def recognises(state: State, config: Config) -> bool:
    """Whether the state holds these colours alone."""
    colours = state.get("colours")
    return len(state) == 1 and colours is not None and tuple(colours.shape) == (1 + len(THINGS), 3)


def build(state: State, config: Config, name: str, device: str) -> SceneColours:
    """The segmenter of planted scenes."""
    if not recognises(state, config):
        raise GanatomyError("The weights are not the planted scenes' colours; choose another family.")
    return SceneColours(state["colours"], name, device)


FAMILY = SegmenterFamily("Colours of the planted scenes", recognises, build)
__all__: Sequence[str] = ("FAMILY", "SceneColours", "build", "carried", "weights")
