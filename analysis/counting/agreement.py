"""How well masks agree with concepts, from joint counts, at every threshold at once.

Pure numpy, so that pages may use it. Throughout, joint (U, C, B) counts the pixels of concept c on which unit
u falls in bin b, pixels (U, B) counts all pixels, and areas (C,) those of each concept. A mask at edge k
holds the bins from k + 1 on, so there are E = B - 1 masks.

    counts = bundle.array("counts-layer3")
    scores = iou_at(counts, edge=40)              # (U, C), or one edge for each unit
    nulls = null_iou_at(counts, edge=40)
"""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from analysis.shared.arrays import Array, Floats

MIN_PIXELS = 0.001  # of all calibration pixels, for a concept to get thresholds
HIGH, LOW = 1, -1  # the side of an edge: a mask of the values over it, or of the others
MIN_IMAGES = 20  # calibration images with the concept

Sides = Literal["both", "high"]


def above(counts: Array) -> Array:
    """Pixels over each edge: (..., B) by bin -> (..., B - 1) by edge."""
    return counts[..., :0:-1].cumsum(axis=-1)[..., ::-1]


def ratio(part: Array, whole: Array | int) -> Floats:
    """Part / whole, and NaN where there is nothing to divide by."""
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def iou(both: Array, mask: Array | int, area: Array) -> Floats:
    """Pooled intersection over union of a mask of `mask` pixels and a concept of `area`, `both` in common."""
    return ratio(both, np.asarray(mask) + area - both)


def tail(pixels: Array) -> Floats:
    """The share of pixels over each edge, (U, E): the unit's upper tail."""
    return ratio(above(pixels), pixels.sum(axis=-1, keepdims=True))


def iou_curve(joint: Array, pixels: Array, areas: Array) -> Floats:
    """IoU at every edge, (U, C, E)."""
    return iou(above(joint), above(pixels)[:, None, :], areas[:, None])


def measures(both: Array, mask: Array, area: Array, total: int) -> dict[str, Floats]:
    """IoU, IQR, accuracy, precision and recall of masks; all arguments in pixels and of one shape."""
    return {
        "iou": iou(both, mask, area),
        "iqr": iqr(both, mask, area, total),
        "accuracy": ratio(total - mask - area + 2 * np.asarray(both), total),
        "precision": ratio(both, mask),
        "recall": ratio(both, area),
    }


def iqr(both: Array, mask: Array, area: Array, total: Array | int) -> Floats:
    """The information quality ratio I(M; S) / H(M, S) of mask and concept (Bau et al. 2019, section 3.1)."""
    cells = np.stack(np.broadcast_arrays(both, mask - both, area - both, total - mask - area + both)).astype(
        float
    )
    joint = _entropy(cells / np.maximum(total, 1))
    mask_h = _entropy(
        np.stack([np.asarray(mask, float), total - np.asarray(mask, float)]) / np.maximum(total, 1)
    )
    area_h = _entropy(
        np.stack([np.asarray(area, float), total - np.asarray(area, float)]) / np.maximum(total, 1)
    )
    shared = np.maximum(mask_h + area_h - joint, 0)
    return np.where(joint > 0, ratio(shared, joint), 0.0)


def _entropy(shares: Floats) -> Floats:
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return -(shares * logs).sum(axis=0)


def supported(areas: Array, shown: Array, total: int) -> NDArray[np.bool_]:
    """Concepts with enough calibration pixels and images to get thresholds and to be a name."""
    found: NDArray[np.bool_] = (areas >= MIN_PIXELS * total) & (shown >= MIN_IMAGES)
    return found


def best_edges(
    joint: Array, pixels: Array, areas: Array, shown: Array, sides: Sides = "both"
) -> tuple[NDArray[np.int16], NDArray[np.int8]]:
    """t(u, c) as an edge number (U, C), or -1, and the side of the edge (U, C) that goes with the concept.

    It is the edge with the largest information quality ratio. That ratio is the same for a mask and for what
    the mask leaves out, so each edge stands for the one of both that has more of the concept than chance
    gives: HIGH (1) for values over the edge, LOW (-1) for the others. With `sides` "high" only masks of
    high values may be chosen, as in the paper.
    """
    found, side = np.full(joint.shape[:2], -1, np.int16), np.full(joint.shape[:2], HIGH, np.int8)
    mask, total = above(pixels).astype(float), int(pixels[0].sum())
    for concept in np.flatnonzero(supported(areas, shown, total)):  # memory of U x E, not U x C x E
        both = above(joint[:, concept]).astype(float)
        excess = both * total - mask * areas[concept]
        allowed = (mask > 0) & (mask < total) & ((excess > 0) if sides == "high" else (excess != 0))
        score = np.where(allowed, iqr(both, mask, areas[concept], total), -1.0)
        best = score.argmax(axis=1)
        rows = np.arange(len(best))
        found[:, concept] = np.where(score[rows, best] >= 0, best, -1)
        side[:, concept] = np.where(excess[rows, best] < 0, LOW, HIGH)
    return found, np.where(found >= 0, side, HIGH).astype(np.int8)


def tail_edges(pixels: Array, fraction: float) -> NDArray[np.int16]:
    """The edge (U,) whose upper tail is nearest to a fraction, in ratio; -1 where none is near.

    A unit whose values tie, such as a binary one, has no mask of about the wanted size if every mask is empty
    or more than twice as large: NetDissect marks nothing then, and so do we.
    """
    share = tail(pixels)
    near = (share > 0) & (share <= 2 * fraction)
    distance = np.abs(np.log(np.where(near, share, np.nan) / fraction))
    known = np.isfinite(distance).any(axis=1)
    nearest = np.nan_to_num(distance, nan=np.inf).argmin(axis=1)
    return np.where(known, nearest, -1).astype(np.int16)


def constant_masks(places: Array, images: int) -> NDArray[np.bool_]:
    """The fixed set of pixels (C, H, W) with the largest pooled IoU for each concept, from its places.

    For a size, the best set is where the concept is most often, so the sets tried are those. A concept that
    is nowhere has no pixel.
    """
    found = np.zeros(places.shape, bool)
    for concept in np.flatnonzero(places.sum(axis=(1, 2))):  # one at a time: maps may be large
        there = places[concept].ravel().astype(np.int64)
        order = np.argsort(-there, kind="stable")
        scores = iou(np.cumsum(there[order]), np.arange(1, len(order) + 1) * images, there.sum())
        found[concept].ravel()[order[: int(np.nan_to_num(scores).argmax()) + 1]] = True
    return found


def constant_controls(places: Array, odd: Array, images: tuple[int, int]) -> tuple[NDArray[np.bool_], Floats]:
    """For each concept, the fixed set of pixels (C, H, W) that stands against units, and its score (C,).

    It is the best constant mask, or all pixels where these score more. The mask's score is cross-fitted:
    the mask of one half of the images is scored on the other half, since a mask scores too well on
    the images that it was fitted to. `places` counts all images, `odd` those of odd latents, and `images`
    says how many these are (all, odd). NaN for a concept that is nowhere.

    A mask of another image's unit needs no control of its own: averaged over images, it is a mixture of
    fixed sets, and a mixture scores no more than the best of them.
    """
    masks = constant_masks(places, images[0])
    area, pixels = places.sum(axis=(1, 2), dtype=np.int64), places[0].size
    both, union = np.zeros(len(places)), np.zeros(len(places))
    halves = ((odd, images[1]), (places - odd, images[0] - images[1]))
    for (fitted, of), (scored, on) in (halves, halves[::-1]):
        half = constant_masks(fitted, of)
        hit = np.array([place[mask].sum(dtype=np.int64) for place, mask in zip(scored, half, strict=True)])
        both += hit
        union += half.sum(axis=(1, 2)) * on + scored.sum(axis=(1, 2), dtype=np.int64) - hit
    mask_score = np.nan_to_num(ratio(both, union))
    everywhere = ratio(area, np.asarray(images[0] * pixels))
    masks[(everywhere >= mask_score) & (area > 0)] = True
    return masks, np.where(area > 0, np.maximum(mask_score, everywhere), np.nan)


def lift(score: Array, control: Array) -> Floats:
    """(IoU - control) / (1 - control): 0 is what the control scores, 1 full agreement; 0 at a control of 1.

    >>> lift(np.array([0.6, 0.2]), np.array([0.2, 0.2])).round(3).tolist()
    [0.5, 0.0]
    """
    found = ratio(np.asarray(score) - control, 1 - np.asarray(control))
    return np.where(np.asarray(control) >= 1, 0.0, found)


def names(scores: Floats, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The concept with the largest score of each unit, (U, C) -> (U,).

    -1 where none is allowed or none scores over 0: no name.
    """
    filled = np.where(allowed & np.isfinite(scores), scores, 0.0)
    best = filled.argmax(axis=1) if filled.shape[1] else np.zeros(len(filled), np.int64)
    return np.where(filled.max(axis=1, initial=0.0) > 0, best, -1)


def turned(counts: Mapping[str, Array]) -> dict[str, Array]:
    """A layer's saved counts as those of the units with the opposite sign.

    Edges and bins are in reverse order, so a mask over an edge is then what lay at or under it.
    """
    reverse = {name: counts[name][..., ::-1] for name in ("joint", "null", "pixels")}
    return {**counts, **reverse, "edges": -counts["edges"][..., ::-1]}


def iou_at(counts: Mapping[str, Array], edge: Array | int) -> Floats:
    """IoU (U, C) of a layer's saved counts with every mask at one edge, or at one edge for each unit (U,)."""
    mask = _pixels_at(counts["pixels"], edge)
    return iou(_joint_at(counts["joint"], edge), mask[:, None], counts["areas"])


def null_iou_at(counts: Mapping[str, Array], edge: Array | int) -> Floats:
    """The mismatched null's IoU (U, C) likewise: the masks against the label maps of other latents."""
    mask = _pixels_at(counts["pixels"], edge)
    both = _joint_at(counts["null"], edge) * float(counts["null_weight"])
    return iou(both, mask[:, None], counts["areas"])


def measures_at(counts: Mapping[str, Array], edge: Array | int) -> dict[str, Floats]:
    """IoU, IQR, accuracy, precision and recall (U, C) likewise."""
    mask = _pixels_at(counts["pixels"], edge)[:, None] + 0 * counts["areas"]
    both = _joint_at(counts["joint"], edge)
    return measures(both, mask, counts["areas"] + 0 * mask, int(counts["pixels"][0].sum()))


def edge_of(counts: Mapping[str, Array], values: Array | float) -> NDArray[np.int64]:
    """The nearest edge at or over an activation, for each unit (U,).

    The mask is `activation > edges[u, k]`.
    """
    edges = counts["edges"]
    found = (edges < np.asarray(values, float).reshape(-1, 1)).sum(axis=1)
    return np.minimum(found, edges.shape[1] - 1)


def edge_of_tail(counts: Mapping[str, Array], fraction: float) -> NDArray[np.int64]:
    """The edge of each unit (U,) whose upper tail on the evaluation images is nearest to a fraction.

    The last edge, that of the smallest mask, where none is near.
    """
    found = tail_edges(counts["pixels"], fraction).astype(np.int64)
    return np.where(found >= 0, found, counts["pixels"].shape[-1] - 2)


def _pixels_at(pixels: Array, edge: Array | int) -> Array:
    return np.where(_over(pixels.shape[-1], edge), pixels, 0).sum(axis=-1)


def _joint_at(joint: Array, edge: Array | int) -> Array:
    over = _over(joint.shape[-1], edge)
    return np.einsum(
        "ucb,ub->uc", joint, np.broadcast_to(over, (len(joint), joint.shape[-1])).astype(np.int64)
    )


def _over(bins: int, edge: Array | int) -> NDArray[np.bool_]:
    over: NDArray[np.bool_] = np.arange(bins) > np.asarray(edge, np.int64).reshape(-1, 1)
    return over


def at_pairs(counts: Array, pair: Array, side: Array) -> NDArray[np.int64]:
    """Counts by bin (U, C, B) or (U, B) on each pair's side (U, C) of its own edge (U, C).

    0 where it has none.
    """
    over, total = above(counts), counts.sum(axis=-1)
    if over.ndim == 2:
        over, total = over[:, None, :], total[:, None]
    over = np.broadcast_to(over, (*pair.shape, over.shape[-1]))
    found = np.take_along_axis(over, np.maximum(pair, 0).astype(np.int64)[..., None], axis=-1)[..., 0]
    return np.where(pair >= 0, np.where(side == LOW, total - found, found), 0)
