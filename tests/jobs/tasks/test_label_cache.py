"""Kept label maps: the same back, never another's, a damaged one made again."""

from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

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


@given(where=st.floats(0, 1), bit=st.none() | st.integers(0, 7), earlier=st.booleans())
@settings(max_examples=300)
def test_a_map_that_is_cut_or_has_a_flipped_bit_is_none_or_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    damaged: Callable[..., bytes],
    where: float,
    bit: int | None,
    earlier: bool,
) -> None:
    """Also in a file of an earlier version, which has no checksum."""
    there = keep(Layout.create(tmp_path_factory.getbasetemp() / "damaged-labels"))
    labels = np.random.default_rng(2).integers(0, 9, (3, 1, 8, 8))
    there.put(0, 3, labels)
    file = next(there.folder.iterdir())
    if earlier:
        np.savez_compressed(file, labels=labels.astype(np.uint8))
    file.write_bytes(damaged(file.read_bytes(), where, bit))
    found = there.get(0, 3)
    assert found is None or np.array_equal(found, labels)
