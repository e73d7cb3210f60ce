"""The names and places of the sums that `analysis.counting.moments` adds up.

No numba, so that pages may read them.
"""

MOMENTS = (
    *("a", "b", "aa", "ab", "bb", "q", "qq", "pi", "pu", "pn", "g", "gt", "gv", "gs"),
    *("ac", "ad", "bc", "bd"),
)
SPREAD = MOMENTS[:5]  # what is kept at the two fixed tails
A, B, AA, AB, BB, Q, QQ, PI, PU, PN, G, GT, GV, GS, AC, AD, BC, BD = range(len(MOMENTS))
GROUP = 4  # label maps are permuted within runs of four images


def cube_shift(pixels: int) -> int:
    """Bits dropped before cubing 1/16 pixels, so that sums of cubes stay within 64 bits."""
    return max(0, (max(pixels, 1) - 1).bit_length() - 10)
