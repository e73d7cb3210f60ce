"""Where the insertion figure forces units, and which real doors it copies."""

import numpy as np
import torch

from benchmarks.insertion_figure import HEIGHT, WIDTH, Place, doors, places

NAMES = ["building", "sky", "door", "roof"]


def test_a_place_lies_on_its_ground_and_not_beside_a_door() -> None:
    labels = torch.zeros(2, 2, 32, 32, dtype=torch.int64)
    labels[:, 0] = 2  # sky
    labels[0, 0, 8:24, 8:24] = 1  # a wall, of which its door leaves room for one rectangle
    labels[0, 1, 8:24, 17:24] = 3
    random = np.random.default_rng(0)
    found = {places(labels, NAMES, "wall", 2, random)[0] for _ in range(60)}
    assert {place.image for place in found} == {0}
    assert {place.column for place in found} == {4}  # pixels 8 to 14, and two columns to the door
    assert {place.row for place in found} == {4, 5, 6, 7, 8}
    assert [place.image for place in places(labels, NAMES, "sky", 2, random)] == [0, 1]
    assert places(labels, NAMES, "roof", 2, random) == []
    assert isinstance(places(labels, NAMES, "sky", 2, random)[0], Place)


def test_a_copied_door_holds_the_whole_door() -> None:
    images = torch.arange(3 * 3 * 32 * 32.0).view(3, 3, 32, 32)
    there = torch.zeros(3, 32, 32, dtype=torch.bool)
    there[0, 10:16, 5:9] = True  # half of the rectangle
    there[1, 10:30, 5:9] = True  # too high
    (copied,) = doors(images, there)
    assert torch.equal(copied, images[0, :, 10 : 10 + HEIGHT, 5 : 5 + WIDTH])
