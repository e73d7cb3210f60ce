"""From a block's overlaps to sums that add over blocks. numba and whole numbers only.

Per unit and concept, at the pair's own threshold, with X[i, j] = |M_i and s_j| (pixels):

a, b              sum over images of the intersection X[i, i] and of the union
aa, ab, bb        their products
q, qq             over images i and j = i + 1 ... i + 4: X[i, i] + X[j, j] - X[i, j] - X[j, i], and its square
pi, pu, pn        over presence-matched partners: intersection, union, how many
g, gt             over runs of four images: sum of X[i, i], and of all sixteen X[i, j]
gv, gs            over the same: squares and cubes of the doubly centred X, in 1/16 pixel (cubes shifted)
ac, ad, bc, bd    products of a and b with c and d, the intersection and union of the constant control

A pair on the low side of its edge has the mask of what is not over the edge: its overlaps with a concept are
the concept's area minus those that were counted.

q is free of each image's own mask and concept area, so its spread is that of the association alone.
"""

import numpy as np

from analysis.counting.compilation import compiled
from analysis.counting.kernel import IMAGES, NEVER
from analysis.counting.moment_names import (
    AA,
    AB,
    AC,
    AD,
    BB,
    BC,
    BD,
    GROUP,
    GS,
    GT,
    GV,
    PI,
    PN,
    PU,
    QQ,
    A,
    B,
    G,
    Q,
)
from analysis.counting.vector_loops import PAD
from analysis.shared.arrays import Array


@compiled
def _spread(own: Array, mask: Array, shown: Array, images: int, out: Array) -> None:
    for i in range(images):
        a = np.int64(own[i])
        b = np.int64(mask[i]) + shown[i] - a
        out[A] += a
        out[B] += b
        out[AA] += a * a
        out[AB] += a * b
        out[BB] += b * b


@compiled
def _against_constant(
    own: Array, mask: Array, shown: Array, both: Array, size: int, images: int, out: Array
) -> None:
    for i in range(images):
        a = np.int64(own[i])
        b = np.int64(mask[i]) + shown[i] - a
        c = np.int64(both[i])
        d = np.int64(size) + shown[i] - c
        out[AC] += a * c
        out[AD] += a * d
        out[BC] += b * c
        out[BD] += b * d


@compiled
def _on_side(side, over, whole, out):  # type: ignore[no-untyped-def]
    """Sets what is counted on a side of an edge, from the counts over it and the whole."""
    for i in range(IMAGES):
        out[i] = over[i] if side > 0 else whole[i] - over[i]


@compiled
def _association(x: Array, images: int, offsets: Array, out: Array) -> None:
    for i in range(images):
        for offset in offsets:
            j = (i + offset) % images
            q = np.int64(x[i, PAD]) + x[j, PAD] - x[i, PAD + offset] - x[j, PAD - offset]
            out[Q] += q
            out[QQ] += q * q


@compiled
def _presence(x: Array, mask: Array, shown: Array, images: int, offsets: Array, out: Array) -> None:
    for i in range(images):  # the concept's image; its partners' masks are laid over it
        for offset in offsets:
            for way in (-offset, offset):
                j = (i + way) % images
                less, more = min(shown[i], shown[j]), max(shown[i], shown[j])
                if less > 0 and 2 * less >= more:
                    both = np.int64(x[i, PAD + way])
                    out[PI] += both
                    out[PU] += mask[j] + shown[i] - both
                    out[PN] += 1


@compiled
def _permutation(x: Array, images: int, shift: int, out: Array) -> None:
    for first in range(0, images - GROUP + 1, GROUP):
        total, rows, columns = np.int64(0), np.zeros(GROUP, np.int64), np.zeros(GROUP, np.int64)
        for i in range(GROUP):
            for j in range(GROUP):
                value = np.int64(x[first + j, PAD + i - j])
                total += value
                rows[i] += value
                columns[j] += value
            out[G] += x[first + i, PAD]
        out[GT] += total
        if total == 0:
            continue
        for i in range(GROUP):
            for j in range(GROUP):
                centred = 16 * np.int64(x[first + j, PAD + i - j]) - 4 * (rows[i] + columns[j]) + total
                out[GV] += centred * centred
                if shift:
                    centred = (centred + (1 << (shift - 1))) >> shift
                out[GS] += centred * centred * centred


@compiled
def _at_tails(own: Array, areas: Array, tails: Array, shown: Array, images: int, fixed: Array) -> None:
    for t in range(2):
        _spread(own[:, 9 + t].astype(np.int64), areas[tails[t]], shown, images, fixed[t])


@compiled
def add_moments(  # type: ignore[no-untyped-def]
    overlaps, areas, used, many, pair, single, side, tails, shown, local, constant, sizes, pixels, images,
    offsets, shift, moments, fixed
):  # fmt: skip
    """Adds one unit's block to moments (C, 18) and fixed (2, C, 5), int64.

    overlaps (present, 64, 16), areas (K, 64) at the cuts `used`, pair (C,) and tails (2,) uint8 cuts (255: no
    threshold), side (C,) 1 or -1, shown (64, present) concept areas, local (C,) the concept's place among
    those present or -1.
    Concepts from `single` on are formulas, which are passed over without a threshold.
    Of the constant controls: constant (64, present) intersections, sizes (C,). `pixels` are an image's.
    """
    where, nothing = np.zeros(256, np.int64), np.zeros(IMAGES, np.int64)
    absent = np.zeros(overlaps.shape[1:], overlaps.dtype)
    x, mask = np.zeros((IMAGES, 2 * PAD + 1), np.int64), np.zeros(IMAGES, np.int64)
    whole = np.full(IMAGES, pixels)
    for k in range(many):
        where[used[k]] = k
    for concept in range(len(pair)):
        if concept >= single and pair[concept] == NEVER:
            continue
        here = local[concept]
        area = shown[:, here] if here >= 0 else nothing
        _at_tails(
            overlaps[here] if here >= 0 else absent, areas, where[tails], area, images, fixed[:, concept]
        )
        if pair[concept] == NEVER:
            continue
        out = moments[concept]
        _on_side(side[concept], areas[where[pair[concept]]], whole, mask)
        if here >= 0:
            for lane in range(2 * PAD + 1):
                _on_side(side[concept], overlaps[here, :, lane], area, x[:, lane])
        own = x[:, PAD] if here >= 0 else nothing
        _spread(own, mask, area, images, out)
        both = constant[:, here] if here >= 0 else nothing
        _against_constant(own, mask, area, both, sizes[concept], images, out)
        if here >= 0 and images > 1:
            _association(x, images, offsets, out)
            _presence(x, mask, area, images, offsets, out)
            _permutation(x, images, shift, out)
