"""How much a task measures, and the sizes n of the sets on its curves. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.shared.errors import GanatomyError


@dataclass(frozen=True)
class Amounts:
    """How many images, seeds and sets: training images a seed, images that choose single units (of the first
    seed's), test images, those of them that measure single units (None: all), that each random set is scored
    on, and whose single cells are edited."""

    seeds: int = 3
    training: int = 128
    choosing: int = 32
    images: int = 64
    single_images: int | None = 32
    random_sets: int = 50
    random_images: int = 8
    cell_images: int = 32
    batch: int = 32

    def __post_init__(self) -> None:
        if min(self.seeds, self.training, self.choosing, self.batch) < 1 or self.images < 2:
            raise GanatomyError(
                "Seeds, training and choosing images must be 1 or more, test images 2 or more."
            )
        if self.random_sets < 0 or self.cell_images < 0 or self.random_images < 1:
            raise GanatomyError("Numbers of random sets and of images must not be under 0.")


def sizes(units: int) -> list[int]:
    """Numbers n of units on the curves: 0, some up to 20, and up to 4 % of the layer's width."""
    share = -(-4 * units // 100)
    wanted = {0, 1, 2, 4, 8, 12, 20, share, *(round(share * part) for part in (0.25, 0.5, 0.75))}
    return sorted(n for n in wanted if n <= units)


def top_units(units: int) -> int:
    """The size of a causal set where nobody states it: 4 % of the layer's width, but 8 at least."""
    return min(units, max(8, -(-4 * units // 100)))
