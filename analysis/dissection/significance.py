"""What an agreement is worth: constant masks, nulls, p-values, intervals. Pure numpy and scipy, no torch.

Arguments are the sums of analysis.counting.counts; shapes (U, C) unless said otherwise.
docs/method.md section 2 is the specification.
"""

import numpy as np
from scipy import stats

from analysis.counting import agreement
from analysis.counting.agreement import Floats, above, iou, ratio
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
    cube_shift,
)
from analysis.shared.arrays import Array

PARTNERS = 8
FEW = 50  # images with the concept, under which label maps are permuted instead
MIN_PERMUTED = 4  # images with the concept, under which permutations tell nothing and p is 1
MIN_INTERVAL = 20  # images with the concept, under which no interval is given
MIN_PRESENT = 10  # presence-matched partners, under which their null is not given


def always_on(areas: Array, pixels: int) -> Floats:
    """What a unit that is on everywhere scores: the concept's share of the pixels, (C,)."""
    return ratio(areas, np.asarray(pixels))


def mask_iou(masks: Array, places: Array, images: int) -> Floats:
    """IoU (C,) of the constant masks (C, H, W) with concepts, from counts of their places (C, H, W).

    NaN where the concept does not occur, or where it did not in the images that chose the mask.
    """
    area = places.sum(axis=(1, 2), dtype=np.int64)
    both = np.array([place[mask].sum(dtype=np.int64) for place, mask in zip(places, masks, strict=True)])
    size = masks.sum(axis=(1, 2))
    return np.where((area > 0) & (size > 0), iou(both, size * images, area), np.nan)


def null_weight(images: int, alone: int) -> float:
    """What sums over partners are multiplied by, to be of one partner per image.

    An image alone in its block has no partner.
    """
    return images / (PARTNERS * (images - alone)) if images > alone else float("nan")


def null_iou(null: Array, pixels: Array, areas: Array, weight: float) -> Floats:
    """IoU of masks with the label maps of other latents, at every edge: null (U, C, B) -> (U, C, E)."""
    return iou(above(null) * weight, above(pixels)[:, None, :], areas[:, None])


def presence_null_iou(moments: Array) -> Floats:
    """The same with those partners only that show the concept at similar area (within a factor of two)."""
    scores = ratio(moments[..., PI], moments[..., PU])
    return np.where(moments[..., PN] >= MIN_PRESENT, scores, np.nan)


def calibrated(score: Array, null: Array) -> Floats:
    """(IoU - null) / (1 - null): 0 for luck and place alone, 1 for full agreement."""
    return ratio(np.asarray(score) - null, 1 - np.asarray(null))


def interval(sums: Array, shown: Array, level: float = 0.05) -> tuple[Floats, Floats]:
    """Bounds of the pooled IoU, the image being the cluster, on the logit scale; sums (..., 5) as `fixed`.

    Var = k / (k - 1) sum (a - IoU b)^2 / (sum b)^2 over all images, absent concepts included, and Student's t
    of k - 1 degrees of freedom. k is (sum b)^2 / sum b^2, at most the images with the concept: where few
    images hold most of the area, only they tell. (With the number of images in its place 90.4 instead of
    93.0 % were covered at 50 images of very skewed areas.) NaN under 20 images with the concept and at IoU
    0 or 1.
    """
    a, b = sums[..., A].astype(float), sums[..., B].astype(float)
    score = ratio(a, b)
    # sum (a - IoU b)^2, expanded, so that sums over images are all that has to be kept
    squares = sums[..., AA] - 2 * score * sums[..., AB] + score**2 * sums[..., BB]
    with np.errstate(all="ignore"):
        effective = np.maximum(np.minimum(b**2 / sums[..., BB], shown), 2)
        error = np.sqrt(effective / (effective - 1) * np.maximum(squares, 0)) / b
        # the delta method: d logit(p) = dp / (p (1 - p))
        wide = stats.t.ppf(1 - level / 2, effective - 1) * error / (score * (1 - score))
        middle = np.log(score / (1 - score))
        known = (shown >= MIN_INTERVAL) & (score > 0) & (score < 1)
        low, high = 1 / (1 + np.exp(wide - middle)), 1 / (1 + np.exp(-wide - middle))
    return np.where(known, low, np.nan), np.where(known, high, np.nan)


def lift(
    moments: Array, constant: Array, score: Array, control: Array, shown: Array, level: float = 0.05
) -> tuple[Floats, Floats, Floats, Floats]:
    """A unit's lift over its strongest control: the lift, its interval's bounds, and p that it is 0 or less.

    `score` and `control` (U, C) are the IoU of unit and control. The interval is paired: the lift over
    the constant control is measured on the same images, and the image is the cluster, so what both
    owe to the same images cancels. The variance is that of the linearised lift (u - m) / (1 - m), image by
    image. Where always-on or the null score more than the constant control, the interval moves down by the
    difference. Student's t, one-sided for p, and the number of images as in `interval`. Under 20 images
    with the concept there are no bounds, and p is 1.
    """
    a, b, c, d = (x.astype(float) for x in (moments[..., A], moments[..., B], constant[:, A], constant[:, B]))
    unit, mask = ratio(a, b), ratio(c, d)
    found = agreement.lift(score, control)
    with np.errstate(all="ignore"):
        own = (moments[..., AA] - 2 * unit * moments[..., AB] + unit**2 * moments[..., BB]) / b**2
        other = (constant[:, AA] - 2 * mask * constant[:, AB] + mask**2 * constant[:, BB]) / d**2
        joint = moments[..., AC] - mask * moments[..., AD] - unit * moments[..., BC]
        joint = (joint + unit * mask * moments[..., BD]) / (b * d)
        of_mask = (1 - unit) / (1 - mask)  # the slope in the mask's IoU, beside that in the unit's
        variance = own + of_mask**2 * other - 2 * of_mask * joint
        effective = np.minimum(b**2 / moments[..., BB], d**2 / constant[:, BB])
        effective = np.maximum(np.minimum(effective, shown), 2)
        error = np.sqrt(effective / (effective - 1) * np.maximum(variance, 0)) / (1 - mask)
        wide = stats.t.ppf(1 - level / 2, effective - 1) * error
        p = np.where(error > 0, stats.t.sf(found / error, effective - 1), np.where(found > 0, 0.0, 1.0))
    known = (shown >= MIN_INTERVAL) & (c > 0) & (b > 0) & (mask < 1)
    low, high = np.where(known, found - wide, np.nan), np.where(known, found + wide, np.nan)
    return found, low, high, np.where(known, p, 1.0)


def p_values(moments: Array, images: int, shown: Array, pixels: int) -> Floats:
    """One-sided p that a mask agrees with its own image's label map more than with other latents'.

    1 where the concept does not occur. From 50 images with the concept on, a studentised mean, else
    permutation.
    """
    p = np.where(shown >= FEW, p_studentised(moments, images, shown), p_permuted(moments, pixels, shown))
    return np.where(shown > 0, p, 1.0)


def p_studentised(moments: Array, images: int, shown: Array) -> Floats:
    """One-sided p-values from the studentised mean of own minus partners' intersection.

    q = X[i, i] + X[j, j] - X[i, j] - X[j, i] has twice that mean. Split X into parts of the mask, of the map
    and of the pair. Then q holds only the parts of pairs, four of them, so Var(q) = 4 v. The mean over images
    of own minus the mean of eight partners has the variance v (1 + 1/8) / n, whatever masks and maps are
    like, because their own parts cancel.
    """
    pairs = 4 * images
    mean = moments[..., Q] / pairs
    spread = np.maximum(moments[..., QQ] / pairs - mean**2, 0) * pairs / max(pairs - 1, 1)
    with np.errstate(all="ignore"):
        t = np.where(spread > 0, mean / np.sqrt((1 + 1 / PARTNERS) * spread / images), 0.0)
    return stats.t.sf(t, np.maximum(shown - 1, 1))


def p_permuted(moments: Array, pixels: int, shown: Array) -> Floats:
    """Whole label maps permuted within runs of four images, the same way for all pairs of unit and concept.

    The permutation distribution of the summed own intersections is known by its exact mean, variance and
    third moment (they add over runs), and its tail is read from the Pearson type III curve that has them. So
    p is not bounded below by a number of permutations, and nothing is kept per image.

    With k images that show the concept, the largest sum has a probability of 4^-k or more, and so has p.
    Under four such images the curve is no guide (.06 for one image, where p is 1/4 or more), and p is 1.
    """
    size, step = GROUP, 16.0
    mean = moments[..., GT] / size
    variance = moments[..., GV] / step**2 / (size - 1)
    third = moments[..., GS] * (2.0 ** cube_shift(pixels) / step) ** 3 * size / ((size - 1) * (size - 2))
    with np.errstate(all="ignore"):
        z = (moments[..., G] - mean) / np.sqrt(variance)
        skew = third / variance**1.5
        p = stats.pearson3.sf(np.nan_to_num(z), np.clip(np.nan_to_num(skew), -4, 4))
    p = np.maximum(p, float(size) ** -np.asarray(shown, float))
    return np.where((variance > 0) & (shown >= MIN_PERMUTED), p, 1.0)


def simes(p: Array) -> Floats:
    """One p a unit, (U, C) -> (U,), over its tested concepts (not NaN); NaN where none was tested."""
    ordered = np.sort(p, axis=1)  # NaN last
    tested = np.isfinite(p).sum(axis=1, keepdims=True)
    rank = np.arange(1, p.shape[1] + 1)
    scaled = np.where(rank <= tested, ordered * tested / rank, np.inf)
    return np.where(tested[:, 0] > 0, scaled.min(axis=1, initial=np.inf), np.nan)


def benjamini_hochberg(p: Array) -> Floats:
    """Adjusted p along the last axis, over what is not NaN."""
    p = np.asarray(p, float)
    order = np.argsort(p, axis=-1)  # NaN last
    many = np.isfinite(p).sum(axis=-1, keepdims=True)
    rank = np.arange(1, p.shape[-1] + 1)
    scaled = np.where(rank <= many, np.take_along_axis(p, order, -1) * many / rank, np.inf)
    lowest = np.minimum(np.minimum.accumulate(scaled[..., ::-1], axis=-1)[..., ::-1], 1.0)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, lowest, -1)
    return np.where(np.isfinite(p), adjusted, np.nan)


def q_values(p: Array, level: float = 0.05) -> tuple[Floats, Floats, Floats]:
    """Simes p and Benjamini-Hochberg q of each unit (U,), and q of each pair (U, C).

    A pair's q is at most `level` just if its unit is among the R of m selected at `level`, and it passes
    Benjamini-Hochberg over the unit's concepts at level R / m (Benjamini & Bogomolov 2014).
    """
    unit_p = simes(p)
    unit_q = benjamini_hochberg(unit_p)
    many, selected = int(np.isfinite(unit_p).sum()), int((unit_q <= level).sum())
    within = benjamini_hochberg(p) * many / max(selected, 1)
    return unit_p, unit_q, np.minimum(np.maximum(within, unit_q[:, None]), 1.0)


def average_precision(joint: Array, pixels: Array, areas: Array) -> Floats:
    """Area under the curve of precision and recall (U, C), from counts by bin; high values come first.

    The values of a bin are one step of the curve, as equal values are. NaN for a concept that is nowhere. A
    unit that knows nothing has the concept's frequency. (AUROC is not offered: where a concept is rare it
    hides errors.)
    """
    mask = np.concatenate([above(pixels), pixels.sum(-1, keepdims=True)], axis=-1)[..., ::-1]
    mask = np.sort(mask, axis=-1)  # pixels of the highest bin, of the two highest, ... of all
    found = np.full(joint.shape[:2], np.nan)
    for concept in np.flatnonzero(areas):  # memory of U x B, not U x C x B
        steps = joint[:, concept, ::-1]
        precision = ratio(np.cumsum(steps, axis=-1), mask)
        found[:, concept] = (steps * np.nan_to_num(precision)).sum(axis=-1) / areas[concept]
    return found


def images_for_width(score: Array, low: Array, high: Array, images: int, width: float) -> float:
    """How many images would bring the median interval of the named units to a width; NaN if none has one.

    Widths shrink as one over the root of the number of images.
    """
    widths = (np.asarray(high) - low)[np.isfinite(low) & np.isfinite(score)]
    return float(np.ceil(images * (np.median(widths) / width) ** 2)) if len(widths) else float("nan")
