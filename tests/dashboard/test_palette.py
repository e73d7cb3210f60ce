"""Colours are each one's own, the same everywhere, and can be told apart by everybody on both themes."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts import palette

BACKGROUNDS = ("#ffffff", "#14191b")  # of the two themes
# Machado, Oliveira and Fernandes 2009, severity 1: what people without one kind of cone see.
BLIND = {
    "usual": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def linear(colour: str) -> np.ndarray:
    part = np.array(palette.rgb(colour)) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """WCAG 2.1."""
    first, second = sorted(linear(colour) @ [0.2126, 0.7152, 0.0722] for colour in (one, other))
    return float((second + 0.05) / (first + 0.05))


def oklab(rgb: np.ndarray) -> np.ndarray:
    cones = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566]]
    cones += [[0.0883024619, 0.2817188376, 0.6299787005]]
    out = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099]]
    out += [[0.0259040371, 0.7827717662, -0.8086757660]]
    return np.array(out) @ np.cbrt(np.array(cones) @ np.clip(rgb, 0, 1))


def apart(one: str, other: str, seen: str) -> float:
    first, second = (oklab(np.array(BLIND[seen]) @ linear(colour)) for colour in (one, other))
    return float(np.linalg.norm(first - second))


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("colours", [palette.CONCEPTS, palette.CATEGORIES, dict(enumerate(palette.RUNS))])
def test_chosen_colours_are_seen_on_both_themes(colours: dict[str, str], background: str) -> None:
    assert {name: c for name, c in colours.items() if contrast(c, background) < 3} == {}


@given(st.text(max_size=30))
def test_the_colour_of_any_name_is_seen_on_both_themes(name: str) -> None:
    for colour in (palette.concept(name), palette.category(name)):
        assert min(contrast(colour, background) for background in BACKGROUNDS) >= 3


@pytest.mark.parametrize("seen", BLIND)
def test_runs_are_told_apart_by_everybody(seen: str) -> None:
    assert min(apart(*pair, seen) for pair in combinations(palette.RUNS, 2)) > 0.1


@pytest.mark.parametrize("seen", BLIND)
def test_categories_are_told_apart_by_everybody(seen: str) -> None:
    usual = [palette.CATEGORIES[name] for name in ("object", "part", "material")]
    assert min(apart(*pair, seen) for pair in combinations(usual, 2)) > 0.08


def test_concepts_of_the_drawn_world_have_colours_of_their_own() -> None:
    from analysis.worlds.vocabulary import NAMES

    assert min(apart(*pair, "usual") for pair in combinations(map(palette.concept, NAMES), 2)) > 0.03


def test_a_run_keeps_its_colour_when_others_are_added() -> None:
    every = [f"run-{number}" for number in range(20)]
    for name in every[:3]:
        assert palette.runs([name], every[:3]) == palette.runs([name], every)
        assert palette.runs([name, "run-5"], every)[name] == palette.runs([name], every)[name]


@given(st.sets(st.integers(0, 40), max_size=len(palette.RUNS)))
def test_runs_shown_together_never_share_a_colour_while_there_are_enough(chosen: set[int]) -> None:
    every = [f"run-{number}" for number in range(30)]
    found = palette.runs([f"run-{number}" for number in chosen], every)
    assert len(set(found.values())) == len(chosen)


@pytest.mark.parametrize("dark", [False, True])
def test_the_largest_value_of_a_heat_map_stands_out_most(dark: bool) -> None:
    steps = [contrast(colour, BACKGROUNDS[dark]) for colour in palette.heat(dark)]
    assert steps == sorted(steps)
    low, high = palette.ink(dark)
    assert contrast(palette.heat(dark)[0], low) > 4.5
    assert contrast(palette.heat(dark)[2], high) > 4.5
