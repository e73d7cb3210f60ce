"""The thresholds that calibration images choose and that evaluation images are measured at. No torch."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.counting import agreement
from analysis.counting.counts import Counts
from analysis.counting.edges import TAILS
from analysis.counting.plan import ThresholdRule
from analysis.shared import array_files
from analysis.shared.errors import GanatomyError

I16 = NDArray[np.int16]


@dataclass(frozen=True)
class LayerThresholds:
    """Edge numbers of a layer's thresholds.

    `pair` (U, C) is -1 where a pair has none; `tails` (U, 2) are those of each unit at the two fixed tails.
    """

    pair: I16
    tails: I16


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of every layer, bound to the edges that they number."""

    layers: Mapping[str, LayerThresholds]
    masks: NDArray[np.bool_]  # (C, H, W), the best constant mask of each concept
    edges_hash: str

    @property
    def hash(self) -> str:
        digest = hashlib.sha256(self.edges_hash.encode())
        for name in sorted(self.layers):
            layer = self.layers[name]
            digest.update(f"{name} {layer.pair.shape}".encode())
            digest.update(np.ascontiguousarray(layer.pair, "<i2").tobytes())
            digest.update(np.ascontiguousarray(layer.tails, "<i2").tobytes())
        digest.update(f"{self.masks.shape}".encode())
        digest.update(np.packbits(self.masks).tobytes())
        return digest.hexdigest()

    def save(self, path: Path | str) -> None:
        """Write one npz file with a checksum."""
        arrays = {f"{name}/pair": layer.pair for name, layer in self.layers.items()}
        arrays |= {f"{name}/tails": layer.tails for name, layer in self.layers.items()}
        facts = {"edges_hash": np.array(self.edges_hash), "masks": self.masks}
        array_files.write(path, facts | arrays)

    @classmethod
    def load(cls, path: Path | str) -> "Thresholds":
        """Read what `save` wrote.

        Raises:
            GanatomyError: the file is missing or damaged.
        """
        try:
            arrays = array_files.read(path)
            names = [key.removesuffix("/pair") for key in arrays if key.endswith("/pair")]
            layers = {n: LayerThresholds(arrays[f"{n}/pair"], arrays[f"{n}/tails"]) for n in names}
            return cls(layers, arrays["masks"], str(arrays["edges_hash"]))
        except (OSError, array_files.DamagedFileError, ValueError, KeyError) as error:
            raise GanatomyError(f"{path} holds no thresholds; remove it and choose them again.") from error


def choose(calibration: Counts, rule: ThresholdRule = "iqr") -> Thresholds:
    """Choose thresholds, and each concept's best constant mask, from calibration counts alone.

    They maximise the information quality ratio, or are one fixed upper tail per unit.
    """
    layers = {}
    for name, layer in calibration.layers.items():
        tails = np.stack([agreement.tail_edges(layer.pixels, fraction) for fraction in TAILS], axis=1)
        if rule == "iqr":
            pair = agreement.best_edges(layer.joint, layer.pixels, calibration.areas, calibration.shown)
        else:
            fixed = agreement.tail_edges(layer.pixels, float(rule))
            pair = np.repeat(fixed[:, None], layer.joint.shape[1], axis=1)
        layers[name] = LayerThresholds(pair, tails)
    masks = agreement.constant_masks(calibration.places, calibration.images)
    return Thresholds(layers, masks, str(calibration.about["edges"]))
