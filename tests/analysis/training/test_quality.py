"""What the model cards report, against counts made pixel by pixel: shares, neighbours, outlines."""

import math

import numpy as np
import pytest
import torch

from analysis.shared.errors import GanatomyError
from analysis.training import outlines, quality
from analysis.worlds.vocabulary import CONCEPTS, NAMES


@pytest.fixture
def labels() -> np.ndarray:
    """Label maps of six small pictures, every concept in some of them (the maps' own concepts or none)."""
    random = np.random.default_rng(0)
    ranges = ((1, 8), (8, 12), (12, 15))
    maps = [random.integers(low, high, (6, 1, 5, 5)) for low, high in ranges]
    return np.concatenate(maps, 1) * (random.random((6, 3, 5, 5)) < 0.7)


def share(labels: np.ndarray, image: int, concept: int) -> float:
    pixels = labels[image].reshape(3, -1).T
    return sum(concept in pixel for pixel in pixels.tolist()) / len(pixels)


def test_shares_of_pixels_and_of_pictures(labels: np.ndarray) -> None:
    exact, drawn, made = labels, labels[::-1] * (labels > 3), labels[:, :, ::-1] * (labels % 3 > 0)
    for k, row in enumerate(quality.frequencies(exact, drawn, made, CONCEPTS), start=1):
        assert row["concept"] == CONCEPTS[k - 1].name
        for name, those in (("exact", exact), ("segmented", drawn), ("generated", made)):
            each = [share(those, i, k) for i in range(6)]
            assert row["pixels"][name] == pytest.approx(sum(each) / 6)
            assert row["pictures"][name] == pytest.approx(sum(a > 0 for a in each) / 6)
        if row["pixels"]["segmented"]:
            expected = row["pixels"]["generated"] / row["pixels"]["segmented"]
            assert row["over_segmented"]["value"] == pytest.approx(expected)
        else:
            assert math.isinf(row["over_segmented"]["error"])


def test_a_ratio_s_error_is_how_much_it_varies() -> None:
    random = np.random.default_rng(1)
    over, under = (random.gamma(2, 1, (4000, 200)) for _ in range(2))
    spread = (over.mean(1) / under.mean(1)).std()
    told = [quality.ratio(a, b)["error"] for a, b in zip(over[:50], under[:50], strict=True)]
    assert np.mean(told) == pytest.approx(spread, rel=0.1)


def test_the_nearest_are_told_once_each_by_the_nearer_side() -> None:
    random = torch.Generator().manual_seed(0)
    training = torch.rand(12, 3, 8, 8, generator=random)
    training[3] = training[7].flip(-1)  # pictures that are each other's mirror image stay two
    images = torch.cat([training[5:6].flip(-1) + 0.01, torch.rand(3, 3, 8, 8, generator=random)])
    distances, numbers, mirrored = quality.nearest(images, training, 4)
    for image, near, which, flipped in zip(images, distances, numbers, mirrored, strict=True):
        by_hand = []
        for number, picture in enumerate(training):
            ways = [quality.small((image - way)[None]).norm() for way in (picture, picture.flip(-1))]
            by_hand.append((float(min(ways)), number, bool(ways[1] < ways[0])))
        best = sorted(by_hand)[:4]
        assert near.tolist() == pytest.approx([d for d, _, _ in best], abs=1e-4)
        assert which.tolist() == [n for _, n, _ in best]
        assert flipped.tolist() == [m for _, _, m in best]
    assert (int(numbers[0, 0]), bool(mirrored[0, 0])) == (5, True)
    told = quality.nearness(images, training)
    nearest = distances[:, 0].sort().values
    assert told["minimum"] == pytest.approx(float(nearest[0]))
    assert told["minimum"] < told["percent"] < told["median"] == pytest.approx(float(nearest[1:3].mean()))


def test_agreement_is_of_pixels_that_either_shows(labels: np.ndarray) -> None:
    found = labels[:, :, ::-1]
    for k, concept in enumerate(CONCEPTS, start=1):
        pairs = [
            (k in a, k in b)
            for a, b in zip(
                labels.transpose(0, 2, 3, 1).reshape(-1, 3).tolist(),
                found.transpose(0, 2, 3, 1).reshape(-1, 3).tolist(),
                strict=True,
            )
        ]
        expected = sum(a and b for a, b in pairs) / sum(a or b for a, b in pairs)
        assert quality.agreement(labels, found, CONCEPTS)[concept.name] == pytest.approx(expected)


def winding(corners: list[list[float]], x: float, y: float) -> bool:
    """Whether a point lies in a polygon, by the angle that the polygon turns around it."""
    turned = 0.0
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        angle = math.atan2(y1 - y, x1 - x) - math.atan2(y0 - y, x0 - x)
        turned += (angle + math.pi) % (2 * math.pi) - math.pi
    return abs(turned) > math.pi


@pytest.mark.parametrize(
    "corners",
    [
        [[3, 3], [20, 3], [20, 12], [3, 12]],
        [[10.2, 5.1], [40.7, 22.3], [15.6, 50.9]],
        [[5.1, 5.2], [60.3, 10.1], [30.2, 20.7], [58.4, 55.1], [8.3, 40.6]],  # not convex
        [[-4, -4], [70, 30.3], [20, 80]],  # over the edges
    ],
)
def test_a_polygon_holds_the_pixels_whose_centres_it_turns_around(corners: list[list[float]]) -> None:
    expected = [[winding(corners, x + 0.5, y + 0.5) for x in range(64)] for y in range(64)]
    assert outlines.inside(corners).tolist() == expected


def test_later_outlines_lie_over_earlier_ones_and_parts_on_a_building() -> None:
    square = [[10, 10], [30, 10], [30, 30], [10, 30]]
    door = [[15, 20], [20, 20], [20, 40], [15, 40]]  # half of it below the wall
    tree = [[28, 0], [40, 0], [40, 64], [28, 64]]
    labels = outlines.paint([["building", square], ["brick", square], ["door", door], ["tree", tree]])
    told = {(x, y): {NAMES[k - 1] for k in labels[:, y, x] if k} for x, y in ((0, 0), (12, 12), (29, 12))}
    assert told == {(0, 0): {"sky"}, (12, 12): {"building", "brick"}, (29, 12): {"tree"}}
    for y in (25, 35):
        assert {NAMES[k - 1] for k in labels[:, y, 17] if k} == {"building", "door"}


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(GanatomyError, match="choose one of"):
        outlines.paint([["castle", [[0, 0], [1, 0], [1, 1]]]])
