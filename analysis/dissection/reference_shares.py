"""What a generator does not draw: each concept's share of its images beside that of reference pictures.

One segmenter looks at both, so its own mistakes are in both shares. The method is that of Bau et al. 2019,
"Seeing what a GAN cannot generate", section 3.1, with intervals.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.counting.agreement import MIN_IMAGES
from analysis.dissection.pictures import packed
from analysis.dissection.significance import benjamini_hochberg
from analysis.shared.arrays import Arrays, Floats
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError

KEPT = 6  # pictures kept for each concept: those that show most of it


def shares(labels: NDArray[np.integer], concepts: int) -> Floats:
    """Share of each image's pixels that carry each concept, (images, concepts).

    `labels` (images, maps, h, w) hold 0 for nothing and k + 1 for concept k. A pixel counts once, whichever
    of the maps have the concept.

    >>> shares(np.array([[[[1, 0], [2, 2]]]]), 2).tolist()
    [[0.25, 0.5]]
    """
    ordered = np.sort(labels.astype(np.int64), axis=1)
    ordered[:, 1:][ordered[:, 1:] == ordered[:, :-1]] = 0
    rows, size = np.arange(len(labels)) * (concepts + 1), labels[0, 0].size
    places = ordered.reshape(len(labels), -1) + rows[:, None]
    counted = np.bincount(places.ravel(), minlength=len(labels) * (concepts + 1))
    return np.asarray(counted.reshape(len(labels), -1)[:, 1:] / size)


@dataclass
class Looked:
    """What a segmenter saw in pictures: shares (pictures, concepts), and the pictures that show most."""

    concepts: int
    seen: list[Floats] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    pictures: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    def add(self, numbers: Sequence[int], shown: Floats, pictures: Sequence[NDArray[np.uint8]]) -> None:
        """Add pictures by number, with their shares (pictures, concepts)."""
        self.seen.append(shown)
        self.numbers += numbers
        self.pictures |= dict(zip(numbers, pictures, strict=True))
        kept = set(self.top().ravel().tolist())
        self.pictures = {number: picture for number, picture in self.pictures.items() if number in kept}

    @property
    def shares(self) -> Floats:
        return np.concatenate(self.seen) if self.seen else np.zeros((0, self.concepts))

    def top(self) -> NDArray[np.int64]:
        """The pictures that show most of each concept, (concepts, KEPT), largest first; -1 for no more."""
        found = np.full((self.concepts, KEPT), -1, np.int64)
        shown, numbers = self.shares, np.array(self.numbers)
        for concept in range(self.concepts):
            order = np.argsort(-shown[:, concept], kind="stable")[:KEPT]
            order = order[shown[order, concept] > 0]
            found[concept, : len(order)] = numbers[order]
        return found

    def arrays(self) -> Arrays:
        """The pictures as PNG files, and `top`, whose rows are the concepts in the vocabulary's order."""
        return packed(self.pictures) | {"top": self.top()}


def mean(shown: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean share over images and its 95 % interval, the image being the cluster, within 0 to 1.

    NaN bounds where fewer than `MIN_IMAGES` images show the concept.
    """
    middle, error = shown.mean(0), _error(shown)
    wide = stats.t.ppf(0.975, max(len(shown) - 1, 1)) * error
    wide = np.where((shown > 0).sum(0) >= MIN_IMAGES, wide, np.nan)
    return middle, np.maximum(middle - wide, 0.0), np.minimum(middle + wide, 1.0)


def _error(shown: Floats) -> Floats:
    """Standard error of the mean over images."""
    return np.asarray(shown.std(0, ddof=1) / np.sqrt(len(shown)))


def difference(one: Floats, other: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """The difference of two mean shares, its 95 % interval and its p-value: Welch's t, images being clusters.

    NaN where fewer than `MIN_IMAGES` images of both together show the concept, or nothing varies.
    """
    first, second = _error(one) ** 2, _error(other) ** 2
    value, error = one.mean(0) - other.mean(0), np.sqrt(first + second)
    with np.errstate(all="ignore"):
        freedom = (first + second) ** 2 / (first**2 / (len(one) - 1) + second**2 / (len(other) - 1))
        known = ((one > 0).sum(0) + (other > 0).sum(0) >= MIN_IMAGES) & (error > 0)
        wide = np.where(known, stats.t.ppf(0.975, freedom) * error, np.nan)
        p = np.where(known, 2 * stats.t.sf(np.abs(value) / error, freedom), np.nan)
    return value, value - wide, value + wide, p


def table(drawn: Floats, reference: Floats, concepts: Sequence[Concept], name: str) -> pd.DataFrame:
    """Table reference_share without run_id: one row per concept that either set of pictures shows.

    `drawn` and `reference` are shares (images, concepts) of the generator's images and of the reference,
    whose name is `name`.

    Raises:
        GanatomyError: fewer than two images of either.
    """
    if min(len(drawn), len(reference)) < 2:
        raise GanatomyError("Shares are compared on two images or more of the generator and the reference.")
    value, low, high, p = difference(drawn, reference)
    q = np.full(len(p), np.nan)
    q[~np.isnan(p)] = benjamini_hochberg(p[~np.isnan(p)])
    own, theirs = mean(drawn), mean(reference)
    frame = pd.DataFrame(
        {
            "reference": name,
            "concept": [concept.name for concept in concepts],
            "category": [concept.category for concept in concepts],
            "images": len(drawn),
            "reference_images": len(reference),
            **dict(zip(("share", "share_low", "share_high"), own, strict=True)),
            "shown": (drawn > 0).mean(0),
            **dict(zip(("reference_share", "reference_low", "reference_high"), theirs, strict=True)),
            "reference_shown": (reference > 0).mean(0),
            **dict(zip(("difference", "difference_low", "difference_high"), (value, low, high), strict=True)),
            "p_value": p,
            "q_value": q,
        }
    )
    seen = np.flatnonzero((drawn > 0).any(0) | (reference > 0).any(0))
    return frame.iloc[seen].reset_index(drop=True)


def looked(
    batches: Iterable[tuple[Sequence[int], NDArray[np.integer], Sequence[NDArray[np.uint8]]]], concepts: int
) -> Looked:
    """What a segmenter saw in batches of numbers, labels (n, maps, h, w) and pictures (H, W, 3)."""
    found = Looked(concepts)
    for numbers, labels, pictures in batches:
        found.add(list(numbers), shares(labels, concepts), pictures)
    return found
