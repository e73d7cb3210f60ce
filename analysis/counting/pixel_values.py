"""Upsampled values at some pixels only, for the pilot. numba."""

from analysis.counting.compilation import compiled


@compiled
def look_at(r, chosen, axes, values):  # type: ignore[no-untyped-def]
    """Values (U, n, k) of maps r (n, U, h, w) at pixels chosen (n, k), numbered row by row."""
    (y0, y1, wy), (x0, x1, wx) = axes
    width = len(x0)
    for unit in range(r.shape[1]):
        for image in range(r.shape[0]):
            cells = r[image, unit]
            for k in range(chosen.shape[1]):
                y, x = chosen[image, k] // width, chosen[image, k] % width
                left, right = cells[y0[y], x0[x]], cells[y0[y], x1[x]]
                if y1[y] != y0[y]:
                    left = left + wy[y] * (cells[y1[y], x0[x]] - left)
                    right = right + wy[y] * (cells[y1[y], x1[x]] - right)
                values[unit, image, k] = left if x1[x] == x0[x] else left + wx[x] * (right - left)
