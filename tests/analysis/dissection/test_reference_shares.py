"""Shares of concepts in generated images and in reference pictures, held against loops over pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.dissection import reference_shares as rs
from analysis.dissection.pictures import Pictures
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError

CONCEPTS = tuple(Concept(name, "object") for name in ("sky", "tree", "door", "path"))


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5))
def test_shares_are_those_of_a_loop_over_pixels(seed: int, maps: int, height: int, width: int) -> None:
    labels = np.random.default_rng(seed).integers(0, 5, (3, maps, height, width))
    counted = np.zeros((3, 4))
    for image in range(3):
        for row in range(height):
            for column in range(width):
                for label in set(labels[image, :, row, column].tolist()) - {0}:
                    counted[image, label - 1] += 1 / (height * width)
    assert rs.shares(labels, 4) == pytest.approx(counted)


def random_shares(seed: int, images: int, scale: float) -> np.ndarray:
    random = np.random.default_rng(seed)
    shown = random.random((images, 4)) < [1.0, 0.5, 0.3, 0.02]
    return np.where(shown, random.beta(1, 8, (images, 4)) * scale, 0.0)


def test_the_table_is_that_of_plain_statistics() -> None:
    drawn, reference = random_shares(1, 120, 0.6), random_shares(2, 150, 1.0)
    drawn[:, 2] = 0  # it draws no doors
    frame = rs.table(drawn, reference, CONCEPTS, "drawn:churches").set_index("concept")
    p_values = {}
    for k, name in enumerate(("sky", "tree", "door")):
        row, one, other = frame.loc[name], drawn[:, k], reference[:, k]
        test = stats.ttest_ind(one, other, equal_var=False)
        around = test.confidence_interval()
        assert row["difference"] == pytest.approx(sum(one) / 120 - sum(other) / 150)
        assert (row["difference_low"], row["difference_high"]) == pytest.approx((around.low, around.high))
        assert row["p_value"] == pytest.approx(test.pvalue)
        p_values[name] = row["p_value"]
        wide = stats.t.ppf(0.975, 149) * np.sqrt(sum((other - other.mean()) ** 2) / 149 / 150)
        assert row["reference_high"] == pytest.approx(other.mean() + wide)
        assert row["reference_shown"] == pytest.approx(sum(value > 0 for value in other) / 150)
    order = sorted(p_values, key=p_values.__getitem__)
    smallest = 1.0
    for place in (3, 2, 1):  # Benjamini and Hochberg's step up
        smallest = min(smallest, p_values[order[place - 1]] * 3 / place)
        assert frame.loc[order[place - 1], "q_value"] == pytest.approx(smallest)
    assert frame.loc["door", "share"] == 0
    assert np.isnan(frame.loc["door", "share_high"])
    assert frame.loc["door", "difference_high"] < 0
    assert np.isnan(frame.loc["path", ["difference_low", "p_value", "q_value"]].to_numpy(float)).all()


def test_a_generator_like_its_reference_differs_in_about_one_concept_of_twenty() -> None:
    apart = [
        rs.difference(random_shares(2 * seed, 100, 1.0), random_shares(2 * seed + 1, 100, 1.0))[3][:3] < 0.05
        for seed in range(200)
    ]
    assert 0.02 < np.mean(apart) < 0.08


def test_concepts_that_no_picture_shows_are_left_out_and_one_image_is_refused() -> None:
    drawn = random_shares(1, 30, 1.0)
    drawn[:, 3] = 0
    assert list(rs.table(drawn, drawn, CONCEPTS, "x")["concept"]) == ["sky", "tree", "door"]
    with pytest.raises(GanatomyError, match="two images"):
        rs.table(drawn[:1], drawn, CONCEPTS, "x")


def test_the_pictures_that_show_most_are_kept_whatever_the_batches() -> None:
    random = np.random.default_rng(3)
    labels = random.integers(0, 5, (40, 1, 6, 6))
    pictures = [np.full((2, 2, 3), number, np.uint8) for number in range(40)]

    def batches(size: int) -> list[tuple[range, np.ndarray, list[np.ndarray]]]:
        cuts = [range(start, min(start + size, 40)) for start in range(0, 40, size)]
        return [(part, labels[part.start : part.stop], pictures[part.start : part.stop]) for part in cuts]

    whole, parts = rs.looked(batches(40), 4), rs.looked(batches(7), 4)
    assert (whole.top() == parts.top()).all()
    assert set(whole.pictures) == set(parts.pictures) == set(whole.top().ravel().tolist())
    for concept, row in enumerate(whole.top()):
        counts = [(labels[number] == concept + 1).sum() for number in range(40)]
        assert (
            sorted((counts[number] for number in row), reverse=True)
            == sorted(counts, reverse=True)[: rs.KEPT]
        )
    assert Pictures(parts.arrays())[int(parts.top()[0, 0])][0, 0, 0] == parts.top()[0, 0]
