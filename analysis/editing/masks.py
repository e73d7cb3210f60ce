"""The mask that was scored, and its outline on a picture. numpy only.

    where = mask(activation, threshold, 64, 64)             # bool (64, 64)
    picture = outline(enlarge(image, 4), where)             # uint8 (256, 256, 3)
    picture = tint(picture, where, (0, 114, 178))           # the mask's inside in a translucent blue

A unit's mask is its map, upsampled bilinearly to the segmentation grid, above the threshold: exactly torch's
interpolate(mode="bilinear", align_corners=False) (Bau et al. 2019, section 3.1).
"""

from collections.abc import Sequence

import numpy as np

from analysis.shared.bilinear import axis

YELLOW = (255, 214, 0)


def upsample(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Maps (..., h, w) on a grid of height x width, bilinear, float32."""
    maps = np.asarray(values, dtype=np.float32)
    down, up, share = axis(maps.shape[-2], height)
    rows = maps[..., down, :] * (1 - share)[:, None] + maps[..., up, :] * share[:, None]
    left, right, share = axis(maps.shape[-1], width)
    return rows[..., left] * (1 - share) + rows[..., right] * share


def mask(values: np.ndarray, threshold: float, height: int, width: int, low: bool = False) -> np.ndarray:
    """True where the upsampled maps (..., h, w) are above the threshold, bool (..., height, width).

    With `low`, where they are not.
    """
    above: np.ndarray = upsample(values, height, width) > np.float32(threshold)
    return ~above if low else above


def enlarge(image: np.ndarray, factor: int) -> np.ndarray:
    """Each pixel of (H, W, ...) as a square of factor x factor pixels."""
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def outline(
    image: np.ndarray, where: np.ndarray, colour: Sequence[int] = YELLOW, thickness: int | None = None
) -> np.ndarray:
    """The picture with the inner edge of a mask drawn on it, uint8 (H, W, 3).

    The mask may be coarser than the picture by a whole factor; a line is then half a mask pixel thick.
    """
    factor = max(1, image.shape[0] // where.shape[0])
    inside = enlarge(where, factor)
    if inside.shape != image.shape[:2]:
        raise ValueError(f"a mask of {where.shape} does not fit a picture of {image.shape[:2]}")
    core = inside
    for _ in range(thickness or max(1, factor // 2)):
        core = _eroded(core)
    drawn = image.copy()
    drawn[inside & ~core] = np.asarray(colour, dtype=np.uint8)
    return drawn


def tint(image: np.ndarray, where: np.ndarray, colour: Sequence[int], strength: float = 0.45) -> np.ndarray:
    """The picture with a translucent colour on a mask, uint8 (H, W, 3); mask and picture as for `outline`."""
    inside = enlarge(where, max(1, image.shape[0] // where.shape[0]))
    drawn = image.copy()
    mixed = (1 - strength) * image[inside] + strength * np.asarray(colour, float)
    drawn[inside] = np.rint(mixed).astype(np.uint8)
    return drawn


def _eroded(inside: np.ndarray) -> np.ndarray:
    """The mask without its outermost pixels; the picture's border is no edge of the mask."""
    around = np.pad(inside, 1, mode="edge")
    return inside & around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
