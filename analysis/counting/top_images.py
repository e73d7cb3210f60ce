"""The images that activate each unit most, with the unit's map and the picture. No torch.

Of a unit whose name goes with low activations, they are the images with its lowest ones, and their values
those of the opposite unit.

At most eight a unit. A picture is kept only while some unit wants it and there is room; the others are made
again from their latents at the end (`analysis.counting.passes.make_pictures`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT = 8
ROOM = 2**29  # bytes of pictures in memory


def kept_size(cells: tuple[int, int], grid: tuple[int, int]) -> tuple[int, int]:
    """The size that maps are kept in: their own, or where finer than the label maps, as they were scored."""
    return grid if cells[0] > grid[0] or cells[1] > grid[1] else cells


@dataclass
class Best:
    """A layer's most active images: values float32 and latents int64 (U, 8), maps float32 (U, 8, h, w)."""

    values: NDArray[np.float32]
    latents: NDArray[np.int64]
    maps: NDArray[np.float32]

    @classmethod
    def empty(cls, units: int, height: int, width: int) -> "Best":
        return cls(
            np.full((units, KEPT), -np.inf, np.float32),
            np.full((units, KEPT), -1, np.int64),
            np.zeros((units, KEPT, height, width), np.float32),
        )

    def ordered(self) -> "Best":
        """Most active first; the lower latent among equals; free places (latent -1) last."""
        free = self.latents < 0
        order = np.lexsort((self.latents, -self.values, free), axis=1)
        rows = np.arange(len(order))[:, None]
        return Best(self.values[rows, order], self.latents[rows, order], self.maps[rows, order])

    def merge(self, other: "Best") -> "Best":
        both = Best(
            *(
                np.concatenate([getattr(self, part), getattr(other, part)], axis=1)
                for part in ("values", "latents", "maps")
            )
        ).ordered()
        return Best(both.values[:, :KEPT], both.latents[:, :KEPT], both.maps[:, :KEPT])


@dataclass
class TopImages:
    """The best images of every layer, and the pictures uint8 (H, W, 3) by latent."""

    layers: dict[str, Best] = field(default_factory=dict)
    pictures: dict[int, NDArray[np.uint8]] = field(default_factory=dict)

    def keep(self, latent: int, picture: Callable[[], NDArray[np.uint8]]) -> None:
        """Keep a picture unless there is no room for one more."""
        size = next((kept.nbytes for kept in self.pictures.values()), 0)
        if size * (len(self.pictures) + 1) <= ROOM:
            self.pictures[latent] = picture()

    def wanted(self) -> set[int]:
        """The latents that some unit keeps."""
        kept = [best.latents.ravel() for best in self.layers.values()]
        return set(np.unique(np.concatenate(kept)).tolist()) - {-1} if kept else set()

    def merge(self, other: "TopImages") -> "TopImages":
        layers = {name: best.merge(other.layers[name]) for name, best in self.layers.items()}
        merged = TopImages(layers, self.pictures | other.pictures)
        merged.prune()
        return merged

    def prune(self) -> None:
        """Forgets the pictures that no unit wants any more."""
        wanted = self.wanted()
        self.pictures = {
            latent: self.pictures[latent] for latent in sorted(self.pictures) if latent in wanted
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As plain arrays, for saving; without the pictures."""
        return {
            f"{name}/{part}": value
            for name, best in self.layers.items()
            for part, value in vars(best).items()
        }

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "TopImages":
        """From what `arrays` gave."""
        names = [key.removesuffix("/latents") for key in arrays if key.endswith("/latents")]
        return cls(
            {
                n: Best(arrays[f"{n}/values"], arrays[f"{n}/latents"].astype(np.int64), arrays[f"{n}/maps"])
                for n in names
            }
        )
