"""Kept label maps: the same back, never another's, a damaged one made again."""

from pathlib import Path

import numpy as np
import pytest

from db.layout import Layout
from jobs.tasks.label_cache import LabelCache


def keep(layout: Layout, seed: int = 1, concepts: tuple[str, ...] = ("hair", "eye")) -> LabelCache:
    return LabelCache.of(layout, "g", "s", concepts, seed, (3, 64, 64))


@pytest.mark.parametrize("largest", [1, 255, 256, 70_000])
def test_labels_come_back_as_they_were(tmp_path: Path, largest: int) -> None:
    there = keep(Layout.create(tmp_path))
    labels = np.random.default_rng(1).integers(0, largest + 1, (5, 1, 8, 8))
    labels[0, 0, 0, 0] = largest
    there.put(64, 69, labels)
    again = there.get(64, 69)
    assert again is not None
    assert np.array_equal(again, labels)
    assert there.get(64, 70) is None


def test_other_seed_or_vocabulary_is_another_map(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path)
    keep(layout).put(0, 1, np.zeros((1, 1, 2, 2), int))
    assert keep(layout, seed=2).get(0, 1) is None
    assert keep(layout, concepts=("hair",)).get(0, 1) is None


def test_a_damaged_map_is_none(tmp_path: Path) -> None:
    there = keep(Layout.create(tmp_path))
    there.put(0, 1, np.zeros((1, 1, 2, 2), int))
    next(there.folder.iterdir()).write_bytes(b"PK\x03\x04 broken")
    assert there.get(0, 1) is None
