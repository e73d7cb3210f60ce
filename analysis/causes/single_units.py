"""What each unit does alone, where units were scored on different numbers of images."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from analysis.causes import statistics
from analysis.causes.effects import EditScores
from analysis.causes.spread import Spread
from analysis.causes.statistics import Estimate
from analysis.shared.arrays import Floats, Ints


@dataclass(frozen=True)
class Alone:
    """Scores of every unit alone, on the first few of some images or on all; NaN on the others."""

    scores: EditScores
    spread: Spread

    def joined(self, other: EditScores) -> Alone:
        """Add scores on images that these lack."""
        mine, theirs = self.scores, other
        filled = {
            name: np.where(np.isnan(getattr(mine, name)), getattr(theirs, name), getattr(mine, name))
            for name in ("after", "created", "distance", "realism")
        }
        return replace(self, scores=EditScores(before=mine.before, **filled))

    @property
    def images(self) -> Ints:
        """How many images each unit was scored on, (units,)."""
        return np.asarray((~np.isnan(self.scores.distance[0])).sum(1))

    def effect(self, edit: str, concept: int) -> Floats:
        """Return the mean change of a concept's share in the expected direction, (units,)."""
        gain, found = self.scores.gain(edit, concept), np.empty(len(self.images))
        for units, count in self._groups():
            found[units] = gain[units, :count] @ self.spread.weights(count)
        return found

    def estimate(self, edit: str, concept: int) -> Estimate:
        """Return the same with intervals that are clustered by image, each (units,)."""
        gain, shown = self.scores.gain(edit, concept), self.shown(concept)
        found = Estimate(*np.empty((3, len(self.images))))
        for units, count in self._groups():
            # Images of unequal weight count as their part of the mean: its interval then also covers the
            # difference between images with the concept and without, which makes it rather too wide.
            parts = (gain[units, :count] * self.spread.weights(count) * count).T
            for into, value in zip(
                found, statistics.mean(parts, shown[units] if edit == "ablate" else None), strict=True
            ):
                into[units] = value
        return found

    def before(self, concept: int) -> Floats:
        """Return the concept's share before, on each unit's images, (units,)."""
        share, found = self.scores.before[0, :, concept], np.empty(len(self.images))
        for units, count in self._groups():
            found[units] = share[:count] @ self.spread.weights(count)
        return found

    def shown(self, concept: int) -> Ints:
        """Return how many of each unit's images show a concept, (units,)."""
        shown = self.scores.before[0, :, concept] > 0
        return np.array([shown[:count].sum() for count in self.images])

    def _groups(self) -> Iterator[tuple[Ints, int]]:
        """Units that were scored on equally many images."""
        for count in np.unique(self.images):
            yield np.flatnonzero(self.images == count), int(count)
