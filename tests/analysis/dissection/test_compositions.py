"""Units whose truth is a formula of two concepts, one concept, or nothing."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from analysis.counting.counts import Counts
from analysis.counting.formulas import Formula
from analysis.counting.passes import count, pilot
from analysis.counting.plan import Plan
from analysis.counting.thresholds import Thresholds, choose
from analysis.dissection.dissection import Dissection, dissect
from analysis.models.generator import Generator
from analysis.shared.concepts import Concept

SIDE, NULLS = 16, 24
NAMES = ("roof", "dome", "building", "window")
FIELDS = 16 * (3 + NULLS)  # latents


def smooth(z: Tensor) -> Tensor:
    """A smooth random field (N, 16, 16) of 16 latents, with spread 1."""
    coarse = nn.functional.interpolate(z.reshape(-1, 1, 4, 4), SIDE, mode="bicubic")[:, 0]
    return coarse / 0.75


class Town(nn.Module):
    """Draws roofs, domes beside them, and buildings with windows in them.

    Its layer has a unit for "roof or dome", for "building and not window", for what is neither roof nor dome,
    for roofs, for windows, and units that are independent of all concepts. All are noisy.
    """

    def __init__(self) -> None:
        super().__init__()
        self.draw = nn.Identity()
        mix = torch.randn(FIELDS, 5 * SIDE**2, generator=torch.Generator().manual_seed(1))
        self.register_buffer("mix", 30 * mix)

    def forward(self, z: Tensor) -> Tensor:
        z = z.flatten(1)
        one, two, three = (smooth(z[:, 16 * k : 16 * k + 16]) for k in range(3))
        roof, building = one > 0.9, three > -0.2
        dome, window = (two > 0.9) & ~roof, three > 0.8
        truths = torch.stack([roof | dome, building & ~window, ~(roof | dome), roof, window], 1)
        noise = torch.sin(z @ self.mix).view(-1, 5, SIDE, SIDE)  # of the latent alone, without structure
        nulls = [smooth(z[:, 16 * k : 16 * k + 16]) for k in range(3, 3 + NULLS)]
        self.draw(torch.cat([truths + 0.6 * noise, torch.stack(nulls, 1)], 1))
        return torch.stack([roof + 0.0, dome + 0.0, (building + 0.0 + window) / 2], 1) * 2 - 1


class Parts:
    """Names what Town draws."""

    concepts: Sequence[Concept] = [Concept(name) for name in NAMES]

    def labels(self, images: Tensor) -> Tensor:
        shown = [images[:, 0] > 0, images[:, 1] > 0, images[:, 2] > -0.5, images[:, 2] > 0.5]
        return torch.stack([(number + 1) * each.long() for number, each in enumerate(shown)], 1)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return images[:, 0]


def town() -> Generator:
    return Generator(Town(), ["draw"], latent_shape=(FIELDS, 1, 1))


def dissected(seed: int = 1, **options: object) -> Dissection:
    return dissect(town(), Parts(), images=192, calibration=192, seed=seed, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made() -> Dissection:
    return dissected()


@pytest.fixture(scope="module")
def units(made: Dissection) -> pd.DataFrame:
    return made.tables()["unit"]


def shown(made: Dissection) -> dict[str, np.ndarray]:
    """Where each concept lies on evaluation images, (n, H, W)."""
    from analysis import latents

    images = town().images(latents(1, *made.evaluation, (FIELDS, 1, 1)))
    labels = Parts().labels(images).numpy()
    return {name: labels[:, number] > 0 for number, name in enumerate(NAMES)}


def test_units_that_follow_a_formula_are_given_it(units: pd.DataFrame) -> None:
    assert units.composition[:3].tolist() == ["roof or dome", "building and not window", "roof or dome"]
    assert units.composition_side[:3].tolist() == ["high", "high", "low"]
    assert set(units.concept[[0, 2]]) <= {"roof", "dome"}
    assert (units.composition_gain[:3] >= 0.975).all()


def test_units_of_one_concept_or_of_none_have_no_formula(units: pd.DataFrame) -> None:
    assert units.composition[3:].isna().all()
    assert units.concept[3:5].tolist() == ["roof", "window"]
    numbers = ["composition_side", "composition_lift", "composition_lift_low", "composition_gain"]
    assert units[numbers][3:].isna().all(axis=None)


def test_the_lift_is_that_of_masks_made_again(made: Dissection, units: pd.DataFrame) -> None:
    """From label maps and activations, without the counts."""
    from analysis import latents

    z = latents(1, *made.evaluation, (FIELDS, 1, 1))
    _images, features = town().features(z, ["layer1"])
    there, thresholds = shown(made), made.thresholds.layers["layer1"]
    truths = {0: there["roof"] | there["dome"], 1: there["building"] & ~there["window"]}
    for unit, truth in truths.items():
        column = int(thresholds.composition[unit])
        edge = made.edges.layers["layer1"].edges[unit, thresholds.pair[unit, column]]
        mask = features["layer1"][:, unit].numpy() > edge
        iou = (mask & truth).sum() / (mask | truth).sum()
        fixed = made.thresholds.masks[column]
        control = max(truth.mean(), (fixed & truth).sum() / (fixed | truth).sum())
        assert units.composition_lift[unit] == pytest.approx((iou - control) / (1 - control), abs=0.03)
        assert units.composition_lift_low[unit] < units.composition_lift[unit]
        assert units.composition_lift[unit] > made.scores["layer1"].lift[unit].max() + 0.1


def test_nothing_else_of_the_results_has_formulas(made: Dissection) -> None:
    tables, arrays = made.tables(), made.arrays()["counts-layer1"]
    assert set(tables["unit_concept"].concept) == set(tables["concept"].concept) == set(NAMES)
    assert len(tables["unit_concept"]) == len(NAMES) * (5 + NULLS)
    assert arrays["joint"].shape[1] == arrays["null"].shape[1] == len(arrays["areas"]) == len(NAMES)
    assert arrays["pair"].shape == arrays["side"].shape == (5 + NULLS, len(NAMES))
    names = ["joint", "pixels", "areas", "null", "pair", "side"]
    plain = dissected(compositions=False)
    for name in names:
        np.testing.assert_array_equal(plain.arrays()["counts-layer1"][name], arrays[name])
    assert plain.tables()["unit"].composition.isna().all()
    same = ["iou", "lift", "lift_low", "lift_high", "p_value", "correlation", "label"]
    pd.testing.assert_frame_equal(plain.frame()[same], made.frame()[same])


@pytest.mark.parametrize("seed", range(2, 6))
def test_null_units_are_given_no_formula(seed: int) -> None:
    units = dissected(seed).tables()["unit"]
    assert units.composition[5:].isna().all()
    assert units.composition[:2].tolist() == ["roof or dome", "building and not window"]


def test_merged_and_loaded_counts_find_the_same_formulas(tmp_path: Path) -> None:
    generator, plan = town(), Plan.make(images=64, calibration=192, seed=1)
    edges = pilot(generator, Parts(), plan)
    whole = count(generator, Parts(), plan, (0, 192), edges)
    parts = [count(generator, Parts(), plan, span, edges) for span in ((128, 192), (0, 64), (64, 128))]
    for number, part in enumerate(parts):
        part.save(tmp_path / f"{number}.npz")
    last, first, second = (Counts.load(tmp_path / f"{number}.npz") for number in range(3))
    merged = last.merge(first).merge(second)
    np.testing.assert_array_equal(merged.overlap, whole.overlap)
    chosen = choose(merged)
    assert chosen.hash == choose(whole).hash
    assert Formula(0, 1, False) in chosen.formulas
    assert Formula(2, 3, True) in chosen.formulas
    chosen.save(tmp_path / "thresholds.npz")
    again = Thresholds.load(tmp_path / "thresholds.npz")
    assert again.formulas == chosen.formulas
    assert again.hash == chosen.hash


def test_without_formulas_thresholds_are_of_single_concepts(made: Dissection) -> None:
    counts = made.calibration_counts
    plain, more = choose(counts, compositions=False), made.thresholds
    assert plain.formulas == ()
    layer, wider = plain.layers["layer1"], more.layers["layer1"]
    assert (layer.composition == -1).all()
    np.testing.assert_array_equal(layer.pair, wider.pair[:, : len(NAMES)])
    np.testing.assert_array_equal(layer.candidates, wider.candidates)
    own = wider.composition[:, None] == np.arange(wider.pair.shape[1])
    assert (wider.pair[:, len(NAMES) :] >= 0).sum() == (wider.composition >= 0).sum()
    assert (wider.pair[own] >= 0).all()
