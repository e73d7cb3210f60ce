"""Which units fire together: against the long way, and where the truth is planted."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))  # pytest's importlib mode puts no folder on the path
from test_hard_units import Drawn, Signs, smooth

from analysis.counting.ceiling import EVERY
from analysis.dissection import unit_map
from analysis.dissection.dissection import Dissection, dissect
from analysis.models.generator import Generator
from analysis.shared.arrays import Floats
from analysis.shared.latents import latents

UNITS = 12


def two_groups(field: Tensor) -> Tensor:
    """Units 0, 2, 4, ... follow the field, 1, 3, 5, ... its mirror image; unit 10 is opposite, 11 is dead."""
    dice = torch.Generator().manual_seed(1)
    mirrored = torch.roll(field.flip(2), 5, 1)
    own = [field if unit % 2 == 0 else mirrored for unit in range(UNITS)]
    noise = torch.randn(UNITS, 16, 16, generator=dice)  # the same in each image
    made = torch.stack([part + 0.4 * noise[unit] for unit, part in enumerate(own)], 1)
    made[:, 10] = -field
    made[:, 11] = 0
    return made


@pytest.fixture(scope="module")
def planted() -> Dissection:
    generator = Generator(Drawn(smooth, two_groups), ["draw"], latent_shape=(17, 1, 1))
    return dissect(generator, Signs(), images=192, calibration=64, seed=1)


@pytest.fixture(scope="module")
def like(planted: Dissection) -> Floats:
    """The correlations, the long way: from all cells of every eighth evaluation image."""
    start, stop = planted.evaluation
    numbers = range(-(-start // EVERY) * EVERY, stop, EVERY)
    z = torch.cat([latents(1, number, number + 1, (17, 1, 1)) for number in numbers])
    cells = two_groups(smooth(z.flatten(1))).transpose(0, 1).flatten(1).double().numpy()
    with np.errstate(invalid="ignore"):
        return np.corrcoef(cells)


def test_neighbours_are_those_of_the_long_way(planted: Dissection, like: Floats) -> None:
    table = planted.tables()["unit_neighbour"]
    for unit in range(UNITS):
        rows = table[table["unit"] == unit].sort_values("rank")
        others = [(-abs(like[unit, o]), o) for o in range(UNITS) if o != unit and not np.isnan(like[unit, o])]
        wanted = [o for _, o in sorted(others)[: unit_map.NEAREST]]
        assert rows["neighbour"].tolist() == wanted
        assert rows["correlation"].tolist() == pytest.approx([like[unit, o] for o in wanted], abs=1e-4)
        assert rows["rank"].tolist() == list(range(len(wanted)))


def test_the_nearest_unit_is_the_first_neighbour(planted: Dissection) -> None:
    tables = planted.tables()
    first = tables["unit_neighbour"].query("rank == 0").set_index("unit")
    units = tables["unit"].set_index("unit").loc[first.index]
    assert units["nearest_unit"].tolist() == first["neighbour"].tolist()
    assert units["nearest_correlation"].tolist() == first["correlation"].tolist()


def test_units_that_fire_together_are_neighbours_on_the_map(planted: Dissection) -> None:
    units = planted.tables()["unit"].set_index("unit")
    assert units.loc[11, ["map_x", "map_y"]].isna().all(), "a dead unit has no place"
    places = units.loc[:9, ["map_x", "map_y"]].to_numpy()
    distance = np.linalg.norm(places[:, None] - places, axis=2)
    same = np.add.outer(np.arange(10), np.arange(10)) % 2 == 0
    assert distance[same].max() < 0.7 * distance[~same].min()
    opposite = np.linalg.norm(units.loc[10, ["map_x", "map_y"]].to_numpy(float) - places[::2], axis=1)
    assert opposite.min() > distance[same].max(), "a unit is not beside its opposite"


def test_the_map_is_the_same_each_time(like: Floats) -> None:
    first, again = unit_map.layout(like), unit_map.layout(like.copy())
    np.testing.assert_array_equal(first, again)
    assert np.nanmax(np.abs(first)) == pytest.approx(1)


def divergence(p: Floats, y: Floats) -> float:
    """The Kullback-Leibler divergence that t-SNE lessens, pair by pair."""
    many = len(y)
    near = {
        (i, j): 1 / (1 + sum((y[i, k] - y[j, k]) ** 2 for k in range(2)))
        for i in range(many)
        for j in range(many)
        if i != j
    }
    total = sum(near.values())
    return sum(p[i, j] * math.log(p[i, j] / (near[i, j] / total)) for i, j in near if p[i, j] > 0)


def test_the_gradient_is_that_of_the_divergence() -> None:
    dice = np.random.default_rng(5)
    p = unit_map.affinities(2 * (1 - np.corrcoef(dice.standard_normal((7, 9)))))
    y = dice.standard_normal((7, 2))
    found = unit_map.gradient(p, y)
    for place in np.ndindex(7, 2):
        move = np.zeros_like(y)
        move[place] = 1e-5
        slope = (divergence(p, y + move) - divergence(p, y - move)) / 2e-5
        assert found[place] == pytest.approx(slope, abs=1e-6)


def test_each_unit_has_the_wanted_number_of_neighbours() -> None:
    squared = 2 * (1 - np.corrcoef(np.random.default_rng(2).standard_normal((40, 60))))
    p = unit_map.affinities(squared, perplexity=6)
    assert p.sum() == pytest.approx(1)
    np.testing.assert_allclose(p, p.T)
    assert (np.diag(p) == 0).all()


@given(st.integers(0, 14), st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_every_unit_that_varies_has_a_place(units: int, seed: int, dead: int) -> None:
    cells = np.random.default_rng(seed).standard_normal((units, 5))
    cells[: min(dead, units)] = 0
    with np.errstate(invalid="ignore", divide="ignore"):
        like = np.corrcoef(cells).reshape(units, units) if units else np.zeros((0, 0))
    places = unit_map.layout(like)
    assert places.shape == (units, 2)
    varies = np.isfinite(np.diag(like))
    assert np.isfinite(places[varies]).all()
    assert np.isnan(places[~varies]).all()
    assert (np.abs(places[varies]) <= 1 + 1e-9).all()
    found, r = unit_map.neighbours(like)
    assert ((found >= 0) == np.isfinite(r)).all()
    assert (np.diff(np.abs(r), axis=1)[np.isfinite(r[:, 1:])] <= 0).all()


def test_equal_units_are_at_one_place() -> None:
    like = np.ones((9, 9))
    places = unit_map.layout(like)
    assert np.isfinite(places).all()
