"""The thresholds that calibration images choose and that evaluation images are measured at. No torch."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.counting import agreement, formulas
from analysis.counting.agreement import HIGH, LOW, Sides
from analysis.counting.counts import Counts
from analysis.counting.edges import TAILS
from analysis.counting.formulas import Formula
from analysis.counting.plan import ThresholdRule
from analysis.counting.replicas import CANDIDATES
from analysis.shared import array_files
from analysis.shared.arrays import Array, Floats
from analysis.shared.errors import GanatomyError

I16 = NDArray[np.int16]


@dataclass(frozen=True)
class LayerThresholds:
    """Edge numbers of a layer's thresholds; C are the single concepts, and after them the run's formulas.

    `pair` (U, C) is -1 where a pair has none, `side` (U, C) says whether the mask lies over the edge (1) or
    not (-1); `tails` (U, 2) are those of each unit at the two fixed tails. `score` (U, C) is the IoU on the
    calibration images, NaN without a threshold, and `candidates` (U, 8) the concepts that may be the unit's
    name, those with the largest lift first, and -1. `composition` (U,) is the column of the formula that
    explains the unit better than any of these, or -1; the unit has no threshold for other formulas.
    """

    pair: I16
    side: NDArray[np.int8]
    tails: I16
    score: Floats
    candidates: I16
    composition: I16

    @property
    def named_low(self) -> NDArray[np.int64]:
        """The units whose name goes with their low activations."""
        first = np.maximum(self.candidates[:, :1], 0).astype(np.int64)
        low = np.take_along_axis(self.side, first, axis=1)[:, 0] == LOW
        return np.flatnonzero(low & (self.candidates[:, 0] >= 0))


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of every layer, bound to the edges that they number."""

    layers: Mapping[str, LayerThresholds]
    masks: NDArray[np.bool_]  # (C, H, W), the constant control of each concept
    control: Floats  # (C,), what it scores on the calibration images, cross-fitted
    images: int  # of the calibration
    edges_hash: str
    formulas: tuple[Formula, ...] = ()

    @property
    def hash(self) -> str:
        digest = hashlib.sha256(self.edges_hash.encode())
        for name in sorted(self.layers):
            layer = self.layers[name]
            digest.update(f"{name} {layer.pair.shape}".encode())
            digest.update(np.ascontiguousarray(layer.pair, "<i2").tobytes())
            digest.update(np.ascontiguousarray(layer.side, "<i1").tobytes())
            digest.update(np.ascontiguousarray(layer.candidates, "<i2").tobytes())
            digest.update(np.ascontiguousarray(layer.composition, "<i2").tobytes())
            digest.update(np.ascontiguousarray(layer.tails, "<i2").tobytes())
        digest.update(f"{self.masks.shape} {[tuple(formula) for formula in self.formulas]}".encode())
        digest.update(np.packbits(self.masks).tobytes())
        return digest.hexdigest()

    def save(self, path: Path | str) -> None:
        """Write one npz file with a checksum."""
        arrays = {
            f"{name}/{part}": getattr(layer, part) for name, layer in self.layers.items() for part in PARTS
        }
        facts = {"masks": self.masks, "control": self.control, "images": np.array(self.images)}
        facts["formulas"] = np.array(self.formulas, np.int64).reshape(-1, 3)
        array_files.write(path, {"edges_hash": np.array(self.edges_hash)} | facts | arrays)

    @classmethod
    def load(cls, path: Path | str) -> "Thresholds":
        """Read what `save` wrote.

        Raises:
            GanatomyError: the file is missing or damaged.
        """
        try:
            arrays = array_files.read(path)
            names = [key.removesuffix("/pair") for key in arrays if key.endswith("/pair")]
            layers = {n: LayerThresholds(*(arrays[f"{n}/{part}"] for part in PARTS)) for n in names}
            facts = (arrays["masks"], arrays["control"], int(arrays["images"]), str(arrays["edges_hash"]))
            formulas = tuple(Formula(a, b, bool(negated)) for a, b, negated in arrays["formulas"].tolist())
            return cls(layers, *facts, formulas)
        except (OSError, array_files.DamagedFileError, ValueError, KeyError) as error:
            raise GanatomyError(f"{path} holds no thresholds; remove it and choose them again.") from error


def unscored(thresholds: Thresholds, calibration: Counts) -> str:
    """Why no concept is scored, as a sentence; empty where one is."""
    if any((layer.pair >= 0).any() for layer in thresholds.layers.values()):
        return ""
    most, least = int(calibration.shown.max(initial=0)), agreement.MIN_IMAGES
    if most < least:
        seen = f"{most} of {calibration.images} calibration images show the most frequent concept"
        return f"No unit is scored: {seen}, and a score needs {least}; dissect with more calibration images."
    return "No unit is scored: none varies, or no concept covers 0.1 % of the pixels; try other layers."


PARTS = tuple(field.name for field in fields(LayerThresholds))


def choose(
    calibration: Counts, rule: ThresholdRule = "iqr", sides: Sides = "both", compositions: bool = True
) -> Thresholds:
    """Choose thresholds, each concept's constant control, and formulas, from calibration counts alone.

    Thresholds maximise the information quality ratio, or are one fixed upper tail per unit. Without
    `compositions` no formula is looked for.
    """
    images, odd = calibration.images, sum(stop // 2 - start // 2 for start, stop in calibration.ranges)
    masks, control = agreement.constant_controls(calibration.places, calibration.odd, (images, odd))
    measure = partial(_measured, rule=rule, sides=sides)
    layers = {}
    for name, layer in calibration.layers.items():
        tails = np.stack([agreement.tail_edges(layer.pixels, fraction) for fraction in TAILS], axis=1)
        pair, side, score = measure(layer.joint, layer.pixels, calibration.areas, calibration.shown)
        candidates = _candidates(agreement.lift(score, control), calibration)
        nothing = np.full(len(pair), -1, np.int16)
        layers[name] = LayerThresholds(pair, side, tails, score, candidates, nothing)
    found = Thresholds(layers, masks, control, images, str(calibration.about["edges"]))
    return _with_formulas(found, calibration, measure) if compositions else found


def _measured(
    joint: Array, pixels: Array, areas: Array, shown: Array, rule: ThresholdRule, sides: Sides
) -> tuple[I16, NDArray[np.int8], Floats]:
    """The edges (U, C) that a rule chooses, their sides, and the IoU of the units' masks there."""
    if rule == "iqr":
        pair, side = agreement.best_edges(joint, pixels, areas, shown, sides)
    else:
        fixed = agreement.tail_edges(pixels, float(rule))
        pair = np.repeat(fixed[:, None], joint.shape[1], axis=1)
        side = np.full(pair.shape, HIGH, np.int8)
    both, mask = (agreement.at_pairs(counts, pair, side) for counts in (joint, pixels))
    return pair, side, np.where(pair >= 0, agreement.iou(both, mask, areas), np.nan)


def _with_formulas(single: Thresholds, calibration: Counts, measure: formulas.Measure) -> Thresholds:
    """The same with the formulas that explain some unit better than any single concept."""
    lifts = {name: _lifts(layer, single.control) for name, layer in single.layers.items()}
    more = formulas.compose(calibration, lifts, measure)
    layers = {}
    for name, layer in single.layers.items():
        own = more.own[name]
        layers[name] = replace(
            layer,
            pair=np.concatenate([layer.pair, more.pair[name]], axis=1),
            side=np.concatenate([layer.side, more.side[name]], axis=1),
            score=np.concatenate([layer.score, more.score[name]], axis=1),
            composition=np.where(own >= 0, own + layer.pair.shape[1], -1).astype(np.int16),
        )
    masks = np.concatenate([single.masks, more.masks])
    control = np.concatenate([single.control, more.control])
    return replace(single, layers=layers, masks=masks, control=control, formulas=more.formulas)


def _lifts(layer: LayerThresholds, control: Floats) -> Floats:
    """The lift (U, C) of each unit's possible names, and 0 for other concepts."""
    found = np.zeros(layer.score.shape)
    rows, places = np.nonzero(layer.candidates >= 0)
    at = rows, layer.candidates[rows, places]
    found[at] = agreement.lift(layer.score, control)[at]
    return found


def _candidates(lift: Floats, calibration: Counts) -> I16:
    """The concepts of largest lift over 0 of each unit, (U, CANDIDATES), filled up with -1."""
    pixels = calibration.images * calibration.grid[0] * calibration.grid[1]
    allowed = agreement.supported(calibration.areas, calibration.shown, pixels) & (np.nan_to_num(lift) > 0)
    order = np.argsort(np.where(allowed, -lift, np.inf), axis=1, kind="stable")[:, :CANDIDATES]
    found = np.where(np.take_along_axis(allowed, order, axis=1), order, -1).astype(np.int16)
    return np.pad(found, ((0, 0), (0, CANDIDATES - found.shape[1])), constant_values=-1)
