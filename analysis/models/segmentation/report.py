"""A look at any segmenter before it is trusted: what it breaks, and what seems odd.

report = check_segmenter(segmenter, images)     # images (N, 3, H, W) in [-1, 1], two or more
print(report)
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from analysis.models.segmenter import (
    Segmenter,
    checked_labels,
    checked_probability,
    checked_segmenter,
    labels_by_number,
    segmenter_name,
)
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError

COMPARED = 24  # concepts whose probabilities are compared with labels
CLEARLY = 1.25  # how many times as probable the next concept is, where labels are off by one
SLIGHT = 0.002  # of the pixels
SURER = 0.15


@dataclass(frozen=True)
class SegmenterReport:
    """What was found out about a segmenter.

    Attributes:
        name: the segmenter's.
        concepts: with names that differ.
        maps: label maps of each image; `grid` is their height and width.
        shares: each concept's share of the pixels, in the order of `concepts`.
        nothing: the share of pixels that carry no concept in any map.
        repeatable: whether the same images had the same labels at a second call.
        gradient: whether the probability is differentiable in the images; None where it was not asked.
        seconds_per_image: of labels, on this machine.
        problems: what breaks a study, a sentence each.
        notes: what seems odd.
    """

    name: str
    concepts: tuple[Concept, ...] = ()
    maps: int = 0
    grid: tuple[int, int] = (0, 0)
    shares: tuple[float, ...] = ()
    nothing: float = 0.0
    repeatable: bool = False
    gradient: bool | None = None
    seconds_per_image: float = 0.0
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing was found that breaks a study."""
        return not self.problems

    def __str__(self) -> str:
        lines = [f"{self.name}: {'no problem was found' if self.ok else 'not fit for use'}."]
        if self.grid != (0, 0):
            seen = sum(share > 0 for share in self.shares)
            lines.append(
                f"{self.maps} label map{'s' * (self.maps > 1)} of {self.grid[1]}x{self.grid[0]} pixels; "
                f"{seen} of {len(self.concepts)} concepts seen; {self.nothing:.0%} of the pixels carry none; "
                f"{self.seconds_per_image:.2g} s for each image."
            )
        lines += [f"Problem: {sentence}" for sentence in self.problems]
        return "\n".join([*lines, *(f"Note: {sentence}" for sentence in self.notes)])


def check_segmenter(
    segmenter: Segmenter, images: Tensor, seed: int | None = None, numbers: Sequence[int] = ()
) -> SegmenterReport:
    """Try a segmenter: range and base of labels, repeatability, batches, gradient, names, images' range.

    Images are (N, 3, H, W) in [-1, 1], best those of the generator that will be dissected. For a segmenter
    that knows images by number, `seed` and `numbers` say of which latents they are.

    Raises:
        GanatomyError: the images are none. What is wrong with the segmenter is in the report.
    """
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1] != 3 or len(images) < 2:
        raise GanatomyError("Two or more images of shape (N, 3, H, W) are needed to try a segmenter.")
    if (
        not bool(torch.isfinite(images).all())
        or not -1.001 <= float(images.min()) <= float(images.max()) <= 1.001
    ):
        raise GanatomyError(
            f"The images run from {float(images.min()):.3g} to {float(images.max()):.3g}; they must lie "
            "in -1 to 1."
        )
    look = _Look(segmenter, images, seed, tuple(numbers))
    try:
        look.concepts = checked_segmenter(segmenter)
        look.at_labels()
    except GanatomyError as error:
        look.problems.append(str(error))
    else:
        if labels_by_number(segmenter) is None:
            look.at_probabilities()
    return look.report()


class _Look:
    """A report in the making."""

    def __init__(
        self, segmenter: Segmenter, images: Tensor, seed: int | None, numbers: tuple[int, ...]
    ) -> None:
        self.segmenter, self.images, self.seed, self.numbers = segmenter, images, seed, numbers
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.concepts: tuple[Concept, ...] = ()
        self.labels: Tensor | None = None
        self.seconds, self.repeatable = 0.0, False
        self.gradient: bool | None = None

    def _labelled(self, images: Tensor, count: int) -> Tensor:
        with torch.no_grad():
            return checked_labels(self.segmenter, images, self.seed, self.numbers[:count]).cpu()

    def at_labels(self) -> None:
        """Range, repeatability, and whether labels depend on what else is in the batch."""
        started = time.perf_counter()
        labels = self._labelled(self.images, len(self.images))
        self.seconds = (time.perf_counter() - started) / len(self.images)
        self.labels = labels
        again = self._labelled(self.images, len(self.images))
        self.repeatable = torch.equal(labels, again)
        if not self.repeatable:
            share = float((labels != again).float().mean()) if labels.shape == again.shape else 1.0
            self.problems.append(
                f"It labels {share:.1%} of the pixels differently when it is asked again; put it in "
                "evaluation "
                "mode, and seed what is random."
            )
        alone = self._labelled(self.images[:1], 1)
        if alone.shape[1:] != labels.shape[1:]:
            self.problems.append(
                f"Its label maps are {tuple(labels.shape[1:])} for {len(self.images)} images and "
                f"{tuple(alone.shape[1:])} for one; every image must be labelled on one grid."
            )
        elif self.repeatable and (share := float((labels[:1] != alone).float().mean())) > SLIGHT:
            self.notes.append(
                f"{share:.1%} of an image's labels depend on the images beside it; batch norm in "
                "training mode is "
                "a usual reason."
            )
        if not labels.any():
            self.notes.append("It names nothing in these images.")
        elif len(labels.unique()) == 1:
            self.notes.append("It puts one label on every pixel of these images.")
        odd = [c.name for c in self.concepts if c.name.upper().startswith("LABEL_") or c.name.isdecimal()]
        if odd:
            self.notes.append(
                f"Some concepts are only numbered, such as '{odd[0]}'; a vocabulary gives names."
            )

    def at_probabilities(self) -> None:
        """Range and gradient of the probability, and whether it speaks of the same concepts as labels do."""
        assert self.labels is not None
        seen = self.labels[self.labels > 0]
        most = int(seen.mode().values) - 1 if len(seen) else 0
        try:
            self._slope(most)
            self._base()
        except GanatomyError as error:
            self.problems.append(str(error))

    def _slope(self, concept: int) -> None:
        images = self.images[:2].clone().requires_grad_()
        with torch.enable_grad():
            found = checked_probability(self.segmenter, images, concept)
            low, high = float(found.detach().min()), float(found.detach().max())
            if not (low >= -1e-3 and high <= 1 + 1e-3):  # also where one is NaN
                self.problems.append(
                    f"The probability of '{self.concepts[concept].name}' runs from {low:.3g} to "
                    f"{high:.3g}; it must "
                    "lie in 0 to 1."
                )
            (slope,) = torch.autograd.grad(found.mean(), images, allow_unused=True)
        self.gradient = slope is not None and bool(slope.any())
        if slope is None or not self.gradient:
            self.problems.append(
                f"The probability of '{self.concepts[concept].name}' does not change with the images, so "
                "that causes "
                "cannot be learned; compute it without argmax, rounding or a table."
            )
        elif not slope[images.detach() < 0].any() and slope[images.detach() > 0].any():
            self.notes.append(
                "It pays no heed to values below 0: does it want images in 0 to 1? Here they are -1 to 1."
            )

    def _probable(self, images: Tensor, concepts: Sequence[int], grid: tuple[int, int]) -> Tensor:
        """Probabilities (N, len(concepts), h, w) on the labels' grid."""
        with torch.no_grad():
            every = getattr(self.segmenter, "probabilities", None)
            if callable(every):  # all in one pass; row 0 is nothing
                stacked = every(images)[:, [1 + concept for concept in concepts]].cpu()
            else:
                each = [checked_probability(self.segmenter, images, concept) for concept in concepts]
                stacked = torch.stack(each, 1).cpu()
        return (
            stacked if stacked.shape[2:] == grid else functional.interpolate(stacked, grid, mode="bilinear")
        )

    def _base(self) -> None:
        """Whether a pixel's concept is more probable there than the concepts before and after it."""
        assert self.labels is not None
        labels = self.labels[:4]
        present = [int(label) for label in labels.unique() if label > 0]
        near = {label + way - 1 for label in present[: COMPARED // 3] for way in (-1, 0, 1)}
        concepts = sorted(near & set(range(len(self.concepts))))
        if not concepts:
            return
        probable = self._probable(self.images[: len(labels)], concepts, tuple(labels.shape[2:]))  # type: ignore[arg-type]
        means = []
        for way in (-1, 0, 1):
            values = []
            for label in present[: COMPARED // 3]:
                if (concept := label - 1 + way) in concepts:
                    here = (labels == label).any(1)
                    values.append(probable[:, concepts.index(concept)][here])
            means.append(float(torch.cat(values).mean()) if values else 0.0)
        before, own, after = means
        if max(before, after) > CLEARLY * own:
            word, number = ("following", "low") if after > before else ("preceding", "high")
            self.problems.append(
                f"Labels seem one too {number}: where a pixel is labelled, the {word} concept has a "
                "probability of "
                f"{max(before, after):.2f}, and its own {own:.2f}. Label 0 is nothing, and label i + 1 "
                "concepts[i]."
            )
        surest = probable.amax(1).mean()
        other = self._probable((self.images[: len(labels)] + 1) / 2, concepts, tuple(labels.shape[2:]))  # type: ignore[arg-type]
        if float(other.amax(1).mean()) > float(surest) + SURER:
            self.notes.append(
                "It is surer of images in 0 to 1 than of those in -1 to 1, which is what it is given."
            )

    def report(self) -> SegmenterReport:
        """What was found."""
        found: dict[str, object] = {}
        if self.labels is not None:
            there = [
                float((self.labels == number).any(1).float().mean())
                for number in range(1, len(self.concepts) + 1)
            ]
            found = {
                "maps": self.labels.shape[1],
                "grid": tuple(self.labels.shape[2:]),
                "shares": tuple(there),
                "nothing": float((self.labels == 0).all(1).float().mean()),
            }
        return SegmenterReport(
            name=segmenter_name(self.segmenter),
            concepts=self.concepts,
            repeatable=self.repeatable,
            gradient=self.gradient,
            seconds_per_image=self.seconds,
            problems=tuple(self.problems),
            notes=tuple(self.notes),
            **found,  # type: ignore[arg-type]
        )
