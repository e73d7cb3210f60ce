"""Latents whose maps at a layer are kept, with what the later layers read, so that edits run only those."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from analysis.models.generator import Generator, ImageCut, ImageTail, quick_layout

ROOM = 2 << 30  # bytes of maps, and of what the tail reads beside them, that are kept; beyond, h runs again


class KeptMaps:
    """R = h(z) of latents that were added, and f(r) of any of them, in any order, also several times.

    `made` is called with the number of images of each pass of the whole generator.
    """

    def __init__(
        self, generator: Generator, layer: str, made: Callable[[int], None] = lambda images: None
    ) -> None:
        self._generator, self._layer, self._made = generator, layer, made
        self._z: list[Tensor] = []
        self._r: list[Tensor] = []
        self._tails: list[ImageTail] = []
        self._full = False  # whether there was no room
        self._again: tuple[list[int], ImageCut] | None = None

    def add(self, z: Tensor, expected: int = 0) -> ImageCut:
        """Make latents, and keep their maps; nothing is kept if `expected` latents in all are too many."""
        cut = self._generator.cut(z, self._layer)
        self._made(len(z))
        self._z.append(z)
        each = cut.r[0].nbytes + (cut.kept.bytes_per_image if cut.kept is not None else 0)
        self._full |= max(expected, len(self)) > ROOM // each
        if self._full:
            self._r.clear()
        else:
            self._r.append(cut.r)
        if self._full and not cut.any_batch:
            self._tails.clear()
        elif cut.kept is not None:
            self._tails.append(cut.kept)
        return cut

    def __len__(self) -> int:
        return sum(len(z) for z in self._z)

    @property
    def device(self) -> torch.device:
        """Where the generator is."""
        return self._generator.device

    @property
    def z(self) -> Tensor:
        """The latents, (N, *latent_shape)."""
        return _joined(self._z)

    def maps(self, rows: Tensor) -> Tensor:
        """R = h(z) of some rows, (n, units, h, w)."""
        if not self._r:
            return self._cut(rows).r
        r = _joined(self._r)
        return r[rows.to(r.device)]

    def tail(self, rows: Tensor, r: Tensor) -> Tensor:
        """f(r): the images of these rows when the layer returns r. Differentiable in r."""
        if not self._tails:
            return self._cut(rows).tail(r)
        if len(self._tails) > 1:
            self._tails = [ImageTail.joined(self._tails)]
        return self._tails[0].rows(rows).tail(quick_layout(r))

    def _cut(self, rows: Tensor) -> ImageCut:
        """A pass of these rows, kept until others are asked for."""
        wanted = rows.tolist()
        if self._again is None or self._again[0] != wanted:
            self._again = wanted, self._generator.cut(self.z[rows.cpu()], self._layer)
            self._made(len(wanted))
        return self._again[1]


def _joined(parts: list[Tensor]) -> Tensor:
    """Parts as one, which takes their place."""
    if len(parts) > 1:
        parts[:] = [torch.cat(parts)]
    return parts[0]
