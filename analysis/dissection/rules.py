"""Which units count as interpretable: the paper's rule and the calibrated one, side by side. No torch.

Both look at rows of table unit_concept, or of `Dissection.frame()`, and only at names (column `label`).
"""

import numpy as np
import pandas as pd

PAPER_CUT = 0.05  # in the authors' code; 0.04 later
LEVEL = 0.05


def paper(frame: pd.DataFrame, cut: float = PAPER_CUT, accuracy: float = 0.0) -> pd.Series:
    """Names whose IoU is over a cut (Bau et al. 2019, section 3.1), with at least an accuracy."""
    return frame["label"] & (frame["iou"] > cut) & (frame["accuracy"].fillna(0) >= accuracy)


def calibrated(frame: pd.DataFrame, level: float = LEVEL, cut: float = 0.0) -> pd.Series:
    """Names that agree more than luck and place explain, and whose calibrated score is over a cut.

    At most `level` of the units so named have a name that says nothing of their own image (`q_value`).
    """
    return frame["label"] & (frame["q_value"] <= level) & (frame["calibrated"] > cut)


def summary(frame: pd.DataFrame, level: float = LEVEL, cut: float = PAPER_CUT) -> pd.DataFrame:
    """Per layer: units, and how many pass each rule and each comparison."""
    named = frame[frame["label"]]
    tests = {
        "paper": paper(named, cut),
        "beats_always_on": named["iou"] > named["always_on"],
        "beats_null": calibrated(named, level),
        "beats_mask": named["iou"] > named["mask_iou"],
        "all": paper(named, cut) & calibrated(named, level) & (named["iou"] > named["mask_iou"]),
    }
    counted = pd.DataFrame(tests).groupby(named["layer"]).sum()
    counted.insert(0, "units", frame.groupby("layer")["unit"].nunique())
    counted["distinct_concepts"] = named[tests["beats_null"]].groupby("layer")["concept"].nunique()
    layers = pd.unique(frame["layer"])
    return counted.reindex(layers).fillna(0).astype(np.int64)
