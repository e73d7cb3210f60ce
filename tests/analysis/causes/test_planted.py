"""Planted causes are found: strong before weak before nothing, at the settings that are the default."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from analysis import Causes, Generator, ace
from analysis.models.families import planted_causes
from analysis.models.segmentation import shape_colours


def found(seed: int) -> Causes:
    """Default settings of the learning; few images and sets, which alpha does not depend on."""
    segmenter = shape_colours.build(shape_colours.weights(0), {}, "planted", "cpu")
    parts = planted_causes.build(planted_causes.weights(seed))
    generator = Generator(parts.module, parts.layers, parts.latent_shape, name="planted-causes")
    few = {"cell_images": 0}
    return ace(
        generator,
        segmenter,
        layer="layer1",
        concept="disc",
        seed=seed,
        images=16,
        random_sets=0,
        amounts=few,
    )


def check(seed: int) -> None:
    causes, truth = found(seed), planted_causes.truth(seed)
    inert = np.array([role == "inert" for role in planted_causes.roles(seed)])
    assert np.ptp(causes.iou[inert]) < 0.02  # the copies agree as well as each other
    assert causes.iou[inert].min() > 0.98 * causes.iou[truth == 1].max()  # and as the strongest
    assert spearmanr(causes.alpha, truth).statistic >= 0.9
    assert causes.alpha[inert].max() < 0.05
    assert truth[causes.ranking[0]] == 1
    acting = causes.summary.acting_most[0]
    assert acting >= len(planted_causes.EFFECTS)
    assert causes.overlap.overlap[causes.overlap.units <= acting].min() >= 0.7  # beyond, nobody orders them


@pytest.mark.parametrize("seed", [1, 2])
def test_planted_effects_are_found(seed: int) -> None:
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 9))
def test_planted_effects_are_found_for_every_seed(seed: int) -> None:
    check(seed)
