"""Upsampled values at some pixels only, for the pilot. numba."""

from analysis.counting.compilation import compiled
from analysis.counting.kernel import ONE


@compiled
def look_at(r, chosen, axes, values):  # type: ignore[no-untyped-def]
    """Values (U, n, k) of maps r (n, U, h, w) at pixels chosen (n, k), numbered row by row.

    They are interpolated as the kernel does it, to the last bit.
    """
    (y0, y1, wy), (x0, x1, wx) = axes
    width = len(x0)
    for unit in range(r.shape[1]):
        for image in range(r.shape[0]):
            cells = r[image, unit]
            for k in range(chosen.shape[1]):
                y, x = chosen[image, k] // width, chosen[image, k] % width
                left, right = cells[y0[y], x0[x]], cells[y0[y], x1[x]]
                if y1[y] != y0[y]:
                    left = (ONE - wy[y]) * left + wy[y] * cells[y1[y], x0[x]]
                    right = (ONE - wy[y]) * right + wy[y] * cells[y1[y], x1[x]]
                same = x1[x] == x0[x]
                values[unit, image, k] = left if same else (ONE - wx[x]) * left + wx[x] * right
