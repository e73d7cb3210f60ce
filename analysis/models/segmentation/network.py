"""A segmenter over any network that scores classes at each pixel."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.checkpoints import weights_sha256
from analysis.models.choice import Choice
from analysis.models.segmentation.pixels import Pixels
from analysis.models.vocabularies import Vocabulary, of_names, parse
from analysis.shared.concepts import Concept, concept_index
from analysis.shared.errors import GanatomyError

GRID = 256  # the longest side of label maps, unless one is chosen
PIXELS_AT_ONCE = 2**20  # that are judged together on a CPU; a GPU takes eight times as many

GRID_CHOICE = Choice(
    "grid", f"The longest side of label maps; by default the images' own, up to {GRID}.", (), ""
)
IS_CLASS, IS_BACKGROUND = "label0-is-a-class", "label0-is-background"
BACKGROUND_CHOICE = Choice(
    "background",
    "Whether the network's class 0 is a concept like the others, or means nothing.",
    (IS_CLASS, IS_BACKGROUND),
    "",
)
NOTHING = {"background", "unlabeled", "unlabelled", "void", "nothing", "ignore", "-"}


class Scores(NamedTuple):
    """What a network says of its classes (N, classes, h, w), and what makes probabilities of it."""

    values: Tensor
    finish: Callable[[Tensor], Tensor]


def softmax(values: Tensor) -> Tensor:
    """Probabilities of logits (N, classes, h, w)."""
    return values.softmax(1)


class NetworkSegmenter:
    """The segmenter protocol over class scores: labels (N, 1, h, w), and differentiable probabilities.

    `scores` maps what `pixels` makes of images to `Scores`, with the weights of `module`. `vocabulary.groups`
    are the classes of each concept; those in no group are nothing. `about` are plain values that labels
    depend on beside the weights.
    """

    def __init__(
        self,
        module: nn.Module,
        scores: Callable[[Tensor], Scores],
        pixels: Pixels,
        vocabulary: Vocabulary,
        classes: int,
        *,
        name: str,
        family: str,
        device: str,
        grid: str = "",
        about: Mapping[str, Any] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        if vocabulary.classes > classes:
            raise GanatomyError(
                f"The vocabulary names class {vocabulary.classes - 1}, but the network has {classes} "
                "classes, numbered from 0; correct its labels."
            )
        self.name, self.family, self.notes = name, family, tuple(notes)
        self.concepts: Sequence[Concept] = vocabulary.concepts
        self.colours = vocabulary.colours
        self.device = torch.device(device)
        self.pixels, self._scores, self._grid = pixels, scores, chosen_grid(grid)
        self._module = module.eval().requires_grad_(False).to(self.device)
        told = json.dumps([repr(pixels), vocabulary.groups, self._grid, about], sort_keys=True)
        weights = weights_sha256(module.state_dict())
        self.weights_sha256 = hashlib.sha256(f"{weights} {told}".encode()).hexdigest()
        groups = torch.zeros(1 + len(vocabulary.groups), classes)
        for row, members in enumerate(vocabulary.groups, start=1):
            groups[row, list(members)] = 1
        groups[0] = 1 - groups[1:].sum(0)  # what no concept claims
        self._groups = groups.to(self.device)

    def labels(self, images: Tensor) -> Tensor:
        """The most probable concept of each pixel, (N, 1, h, w) int64, 0 for none."""
        grid = self.grid(*images.shape[2:])
        with torch.no_grad():
            found = [self._probabilities(part).argmax(1, keepdim=True) for part in self._batches(images)]
        return torch.cat(found) if found else torch.zeros((0, 1, *grid), dtype=torch.long)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        """How probable the concept is at each pixel, (N, h, w), differentiable in the images."""
        row = 1 + concept_index(self.concepts, concept)
        return torch.cat([self._probabilities(part, row)[:, 0] for part in self._batches(images)])

    def probabilities(self, images: Tensor) -> Tensor:
        """(N, 1 + concepts, h, w), row 0 being no concept."""
        return torch.cat([self._probabilities(part) for part in self._batches(images)])

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """The height and width of the label maps of images of that size."""
        longest = max(height, width)
        factor = (self._grid or min(longest, GRID)) / longest
        return max(1, round(height * factor)), max(1, round(width * factor))

    def _batches(self, images: Tensor) -> Sequence[Tensor]:
        tall, wide = self.pixels.shape(*images.shape[2:])
        most = PIXELS_AT_ONCE * (1 if self.device.type == "cpu" else 8)
        return images.split(max(1, most // (tall * wide))) if len(images) else []

    def _probabilities(self, images: Tensor, row: int | None = None) -> Tensor:
        """Probabilities (N, 1 + concepts, h, w), or of one of these rows (N, 1, h, w)."""
        scores = self._scores(self.pixels(images.to(self.device)))
        probable = resized(scores, self.grid(*images.shape[2:]))
        groups = self._groups if row is None else self._groups[row : row + 1]
        return torch.einsum("gk,nkhw->nghw", groups, probable)


def resized(scores: Scores, grid: tuple[int, int]) -> Tensor:
    """Class probabilities (N, classes, *grid): larger ones are interpolated, smaller ones are means."""
    values, shape = scores.values, tuple(scores.values.shape[2:])
    if grid[0] >= shape[0] and grid[1] >= shape[1]:
        if grid != shape:
            values = functional.interpolate(values, grid, mode="bilinear", align_corners=False)
        return scores.finish(values)
    values = scores.finish(values)
    if grid[0] <= shape[0] and grid[1] <= shape[1]:
        return functional.adaptive_avg_pool2d(values, grid)
    return functional.interpolate(values, grid, mode="bilinear", align_corners=False)


def chosen_grid(text: str) -> int | None:
    """The longest side that was chosen; None for the images' own."""
    if text == "":
        return None
    if not (text.isdecimal() and 4 <= int(text[:6]) <= 2048):
        raise GanatomyError(f"'{text[:40]}' is no side of label maps; give 4 to 2048.")
    return int(text)


def class_vocabulary(
    names: Sequence[str] | None, classes: int, config: Mapping[str, Any], reduced: bool = False
) -> Vocabulary:
    """The concepts of a network with `classes` classes, and the classes that mean each.

    `names` are the classes' own, None where the file has none. `config` may hold a vocabulary and the answer
    to `BACKGROUND_CHOICE`; `reduced` says that label 0 was taken out in training: class 0 is a concept.

    Raises:
        GanatomyError: nothing says what the classes are, or whether class 0 is one.
    """
    given = parse(config["vocabulary"], "The vocabulary") if config.get("vocabulary") else None
    if given is not None and len(given.map_names) > 1:
        raise GanatomyError(
            "The vocabulary has several label maps, and this network has one; give one with a single map."
        )
    if given is not None and names is not None:
        return with_groups(given, given.grouped(names))
    if names is None and given is None:
        raise GanatomyError(
            f"The file does not name its {classes} classes; give --vocabulary, a file of concepts or one of "
            "those that come along."
        )
    if names is not None:
        first = _first_is_nothing(names[0], config, reduced)
        return of_names(names[1:], first_label=1) if first else of_names(names)
    assert given is not None
    # A vocabulary's labels count nothing as 0, which the network may have no class for.
    if given.first_label == 0 or given.classes == classes + 1:
        shift = given.first_label
    else:
        shift = 0 if _first_is_nothing("the first", config, reduced) else given.first_label
    return with_groups(given, tuple(tuple(label - shift for label in group) for group in given.groups))


def _first_is_nothing(name: str, config: Mapping[str, Any], reduced: bool) -> bool:
    answer = str(config.get("background", ""))
    if answer in (IS_CLASS, IS_BACKGROUND):
        return answer == IS_BACKGROUND
    if reduced:
        return False
    if name.strip().lower() in NOTHING:
        return True
    raise GanatomyError(
        f"The file does not say whether class 0 ('{name[:60]}') is a concept or means nothing; "
        f"say --set background={IS_CLASS}, or {IS_BACKGROUND}."
    )


def with_groups(vocabulary: Vocabulary, groups: tuple[tuple[int, ...], ...]) -> Vocabulary:
    """The same concepts, meant by other classes."""
    if min(min(group) for group in groups) < 0:
        raise GanatomyError(
            "The vocabulary gives a concept the label 0, for which the network has no class; correct it."
        )
    kept = vars(vocabulary) | {"groups": groups}
    return Vocabulary(**kept)
