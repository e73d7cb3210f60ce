"""The pictures of a run's top images in its bundle: PNG files one after another, each read when it is shown.

>>> picture = np.full((4, 4, 3), 7, np.uint8)
>>> arrays = packed({12: picture})
>>> bool((Pictures(arrays)[12] == picture).all())
True
"""

from collections.abc import Iterator, Mapping
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from analysis.shared.arrays import Array


def packed(pictures: Mapping[int, NDArray[np.uint8]]) -> dict[str, Array]:
    """Pictures (H, W, 3) by latent as arrays: `latent` (n,), the `end` of each file (n,), and all bytes."""
    numbers = sorted(pictures)
    files = [_png(pictures[number]) for number in numbers]
    return {
        "latent": np.array(numbers, np.int64),
        "end": np.cumsum([len(file) for file in files], dtype=np.int64),
        "png": np.frombuffer(b"".join(files), np.uint8),
    }


def _png(picture: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


class Pictures(Mapping[int, NDArray[np.uint8]]):
    """Pictures (H, W, 3) by latent, from what `packed` gave or from the plain pixels that 0.1.0 wrote."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._row = {int(latent): row for row, latent in enumerate(arrays["latent"])}
        self._plain = arrays.get("pixels")
        if self._plain is None:
            self._files, self._end = arrays["png"], arrays["end"]

    def __getitem__(self, latent: int) -> NDArray[np.uint8]:
        row = self._row[latent]
        if self._plain is not None:
            found: NDArray[np.uint8] = self._plain[row]
            return found
        start = self._end[row - 1] if row else 0
        return np.asarray(Image.open(BytesIO(self._files[start : self._end[row]].tobytes())).convert("RGB"))

    def __iter__(self) -> Iterator[int]:
        return iter(self._row)

    def __len__(self) -> int:
        return len(self._row)
