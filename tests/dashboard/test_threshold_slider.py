"""The gallery's slider scores each unit with its own concept; the long way scores it with every concept."""

import numpy as np
import pytest

from analysis.counting import agreement
from dashboard.widgets import threshold_slider


@pytest.mark.parametrize("turned", [False, True])
def test_scores_of_pairs_are_those_among_all_concepts(turned: bool) -> None:
    dice = np.random.default_rng(3)
    units, concepts, bins = 7, 5, 9
    joint = dice.integers(0, 50, (units, concepts, bins))
    pixels = dice.multinomial(5000, np.ones(bins) / bins, units) + joint.max(axis=1)
    pixels[:, 0] += pixels.sum(axis=1).max() - pixels.sum(axis=1)  # every unit has as many pixels
    counts = {
        "edges": np.sort(dice.random((units, bins - 1), np.float32)),
        "joint": joint,
        "null": dice.integers(0, 50, joint.shape),
        "null_weight": np.array(0.7),
        "pixels": pixels,
        "areas": joint.sum(axis=2).max(axis=0) + 3,
    }
    found = agreement.turned(counts) if turned else counts
    edges = agreement.edge_of_tail(found, 0.2)
    unit, concept = np.array([0, 2, 2, 5, 6]), np.array([4, 0, 1, 1, 3])
    pairs = threshold_slider._pairs(found, unit, concept)
    every = {**agreement.measures_at(found, edges), "null": agreement.null_iou_at(found, edges)}
    own = {
        **agreement.measures_at(pairs, edges[unit]),
        "null": agreement.null_iou_at(pairs, edges[unit]),
    }
    for name, value in every.items():
        np.testing.assert_array_equal(own[name][:, 0], value[unit, concept])
