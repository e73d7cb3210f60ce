"""The rooms world: labels say what is drawn, things keep their places, and each concept is common enough."""

import numpy as np
import pytest

from analysis.worlds import furniture, interiors
from analysis.worlds import room_vocabulary as v
from analysis.worlds.canvas import FINE, Canvas
from analysis.worlds.rooms import draw

COUNT = 250
Labels = np.ndarray


@pytest.fixture(scope="module")
def drawn() -> tuple[Labels, Labels]:
    return draw(7, 0, COUNT)


@pytest.fixture(scope="module")
def labels(drawn: tuple[Labels, Labels]) -> Labels:
    return drawn[1]


def test_a_picture_follows_from_seed_and_number_alone() -> None:
    pictures, labels = draw(3, 4, 8)
    again = draw(3, 6, 7)
    assert pictures.shape == (4, 64, 64, 3)
    assert labels.shape == (4, 2, 64, 64)
    assert np.array_equal(pictures[2:3], again[0])
    assert np.array_equal(labels[2:3], again[1])
    assert not np.array_equal(draw(4, 6, 7)[0], again[0])


def test_every_pixel_is_some_object_and_each_map_has_its_own_labels(labels: Labels) -> None:
    assert set(np.unique(labels[:, 0])) == set(range(1, 13))
    assert set(np.unique(labels[:, 1])) == {0, *range(13, 17)}


def test_materials_belong_to_their_things(labels: Labels) -> None:
    things, materials = labels[:, 0], labels[:, 1]
    assert (things[materials == v.GLASS] == v.WINDOW).all()
    assert (materials[things == v.CARPET] == v.FABRIC).all()
    assert np.isin(materials[things == v.FLOOR], (v.WOOD, v.TILE)).all()
    assert np.isin(materials[things == v.BED], (v.WOOD, v.FABRIC)).all()
    for bare in (v.CEILING, v.PAINTING, v.PLANT):
        assert not materials[things == bare].any()
    assert np.isin(things[materials == v.TILE], (v.FLOOR, v.WALL)).all()


def test_the_ceiling_is_over_the_floor(labels: Labels) -> None:
    rows = np.arange(64)[:, None]
    for picture in labels[:, 0]:
        if (picture == v.CEILING).any():
            lowest = rows[(picture == v.CEILING).any(1)].max()
            assert lowest < rows[np.isin(picture, (v.FLOOR, v.CARPET)).any(1)].min()


def under(mask: Labels) -> Labels:
    """The pixels just below a mask and not in it."""
    shifted = np.zeros_like(mask)
    shifted[:, 1:] = mask[:, :-1]
    return shifted & ~mask


def test_doors_reach_the_floor_and_windows_and_paintings_do_not(labels: Labels) -> None:
    things = labels[:, 0]
    furnished = (v.BED, v.LAMP, v.TABLE, v.CHAIR, v.PLANT)
    beside = (v.WALL, *furnished, v.WINDOW, v.DOOR, v.PAINTING)
    for name in (v.WINDOW, v.PAINTING):
        assert np.isin(things[under(things == name)], beside).mean() > 0.99
    at_foot = things[under(things == v.DOOR)]
    assert np.isin(at_foot, (v.FLOOR, v.CARPET, *furnished)).mean() > 0.85  # the rest is wall beside a slope


def test_a_label_is_that_of_the_last_stroke() -> None:
    canvas, rng = Canvas(), np.random.default_rng(0)
    space = interiors.room(rng)
    interiors.shell(canvas, rng, space)
    stuff = furniture.Stuff(v.TABLE, v.WOOD, np.array([1.0, 0.0, 0.0], np.float32))
    middle, z = space.width / 2, space.depth - 1
    furniture.box(canvas, space, furniture.Box(middle - 0.5, middle + 0.5, 0, 1, z, z + 0.5), stuff)
    painted = canvas.labels[0] == v.TABLE
    assert painted.any()
    assert (canvas.colour[painted][:, 1:] == 0).all()
    assert (canvas.labels[2][painted] == v.WOOD).all()
    assert not (canvas.colour[~painted][:, 1:] == 0).all(1).any()


def test_a_point_is_projected_to_the_sample_whose_ray_meets_it() -> None:
    space = interiors.room(np.random.default_rng(3))
    for row, column in ((150, 40), (100, 96), (180, 120), (20, 30)):
        u, w = space.project(*(float(part[row, column]) for part in (space.x, space.y, space.z)))
        assert u * 3 - 0.5 == pytest.approx(column, abs=0.05)
        assert w * 3 - 0.5 == pytest.approx(row, abs=0.05)
    assert space.surface.shape == (FINE, FINE)


@pytest.mark.parametrize(
    "points", [[(2, 2), (10, 3), (9, 9), (1, 8)], [(1, 8), (9, 9), (10, 3), (2, 2)]], ids=["one way", "other"]
)
def test_a_polygon_is_the_same_whichever_way_its_corners_are_ordered(
    points: list[tuple[float, float]],
) -> None:
    x, y = np.arange(12, dtype=np.float32)[None], np.arange(12, dtype=np.float32)[:, None]
    inside = furniture.polygon(x, y, points)
    assert inside[5, 5]
    assert not inside[0, 0]
    assert not inside[11, 11]
    assert 30 < inside.sum() < 70


@pytest.mark.parametrize("name", [name for name in v.NAMES if name not in ("wall", "floor", "ceiling")])
def test_no_constant_mask_finds_it(labels: Labels, name: str) -> None:
    number = v.NAMES.index(name) + 1
    share = (labels == number).any(1).mean(0).ravel()
    size = np.arange(1, share.size + 1)
    inside = np.cumsum(np.sort(share)[::-1])
    limit = 0.6 if name in ("wood", "tile") else 0.35  # floors are of wood or tile
    assert (inside / (size + share.sum() - inside)).max() < limit


def test_every_concept_is_common_enough_to_score(labels: Labels) -> None:
    for number, concept in enumerate(v.CONCEPTS, start=1):
        shown = (labels == number).any(1)
        assert shown.mean() > 0.005, concept
        assert shown.any((1, 2)).mean() > 0.25, concept


def test_shared_names_are_those_of_churches_too() -> None:
    from analysis.worlds import vocabulary

    assert {"window", "door"} <= set(v.NAMES) & set(vocabulary.NAMES)


def test_light_and_colours_vary(drawn: tuple[Labels, Labels]) -> None:
    brightness = drawn[0].mean((1, 2, 3))
    assert brightness.std() > 15
    assert drawn[0].mean((1, 2)).std(0).min() > 15
