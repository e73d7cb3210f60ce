"""The churches world keeps its rules of place, and place alone does not give a concept away."""

import numpy as np
import pytest

from analysis.worlds import vocabulary as v
from analysis.worlds.churches import draw

COUNT = 250
Labels = np.ndarray


@pytest.fixture(scope="module")
def labels() -> Labels:
    return draw(7, 0, COUNT)[1]


def test_a_picture_follows_from_seed_and_number_alone() -> None:
    pictures, labels = draw(3, 4, 8)
    again = draw(3, 6, 7)
    assert pictures.shape == (4, 64, 64, 3)
    assert labels.shape == (4, 3, 64, 64)
    assert np.array_equal(pictures[2:3], again[0])
    assert np.array_equal(labels[2:3], again[1])
    assert not np.array_equal(draw(4, 6, 7)[0], again[0])


def test_labels_of_a_map_are_of_its_category(labels: Labels) -> None:
    allowed = (range(1, 8), range(0, 12), range(0, 15))
    for k, names in enumerate(v.MAPS):
        found = {v.NAMES[label - 1] for label in np.unique(labels[:, k]) if label}
        assert found == set(names)
        assert set(np.unique(labels[:, k])) <= set(allowed[k])


def test_every_pixel_is_some_object_and_parts_and_materials_are_of_buildings(labels: Labels) -> None:
    assert (labels[:, 0] > 0).all()
    of_building = labels[:, 0] == v.BUILDING
    assert of_building[labels[:, 1] > 0].all()
    assert of_building[labels[:, 2] > 0].all()
    assert not (labels[:, 2][labels[:, 1] > 0] > 0).any()  # a door is not of brick
    assert ((labels[:, 1] > 0) | (labels[:, 2] > 0))[of_building].all()


def below(mask: Labels) -> Labels:
    """The pixels just under a mask and not in it."""
    shifted = np.zeros_like(mask)
    shifted[:, 1:] = mask[:, :-1]
    return shifted & ~mask


def test_doors_stand_at_the_foot_and_windows_within_walls(labels: Labels) -> None:
    under_doors = labels[:, 0][below(labels[:, 1] == v.DOOR)]
    assert np.isin(under_doors, (v.PATH, v.GRASS, v.TREE)).mean() > 0.97
    under_windows = labels[:, 0][below(labels[:, 1] == v.WINDOW)]
    assert np.isin(under_windows, (v.BUILDING, v.TREE)).mean() > 0.97


def test_clouds_are_over_the_ground_and_trees_on_it(labels: Labels) -> None:
    rows = np.arange(64)[:, None]
    for picture in labels[:, 0]:
        ground = rows[np.isin(picture, (v.GRASS, v.PATH)).any(1)].min()
        if (picture == v.CLOUD).any():
            assert rows[(picture == v.CLOUD).any(1)].max() < ground
        if (picture == v.TREE).any() and not (picture == v.BUILDING).any():  # nothing hides its foot
            assert rows[(picture == v.TREE).any(1)].max() >= ground - 1


def test_some_scenes_have_no_building_and_buildings_vary(labels: Labels) -> None:
    buildings = labels[:, 0] == v.BUILDING
    there = buildings.any((1, 2))
    assert 0.1 < 1 - there.mean() < 0.32
    feet = [np.nonzero(b.any(1))[0].max() for b in buildings[there]]
    heights = [b.any(1).sum() for b in buildings[there]]
    middles = [np.nonzero(b.any(0))[0].mean() for b in buildings[there]]
    assert np.std(feet) > 5
    assert np.std(heights) > 6
    assert np.std(middles) > 10


@pytest.mark.parametrize("name", ["building", "tree", "path", "cloud", "door", "window", "dome", "roof"])
def test_no_constant_mask_finds_it(labels: Labels, name: str) -> None:
    number = v.NAMES.index(name) + 1
    share = (labels == number).any(1).mean(0).ravel()
    size = np.arange(1, share.size + 1)
    inside = np.cumsum(np.sort(share)[::-1])
    assert (inside / (size + share.sum() - inside)).max() < 0.35


def test_every_concept_is_common_enough_to_score(labels: Labels) -> None:
    for number, concept in enumerate(v.CONCEPTS, start=1):
        shown = (labels == number).any(1)
        assert shown.mean() > 0.002, concept
        assert shown.any((1, 2)).mean() > 0.15, concept
