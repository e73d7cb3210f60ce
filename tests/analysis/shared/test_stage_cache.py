"""Finished stages: read once made, made again when their file is damaged, never read for other settings."""

from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from analysis.shared.arrays import Arrays
from analysis.shared.errors import GanatomyError
from analysis.shared.stage_cache import StageCache

ABOUT = {"generator": "g", "seed": 1}


class Stage:
    """A stage that counts how often it is made."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> Arrays:
        self.made += 1
        return {"effect": np.arange(6.0).reshape(2, 3), "units": np.arange(4)}


def test_a_finished_stage_is_read(tmp_path: Path) -> None:
    make = Stage()
    for _ in range(2):
        found = StageCache(tmp_path, ABOUT).stage("effects", make)
        assert np.array_equal(found["effect"], make()["effect"])
    assert make.made == 3  # once by the cache, twice here
    with pytest.raises(GanatomyError, match="other settings"):
        StageCache(tmp_path, ABOUT | {"seed": 2}).stage("effects", make)


@given(where=st.floats(0, 1), bit=st.none() | st.integers(0, 7))
@settings(max_examples=300)
def test_a_damaged_stage_is_made_again(
    tmp_path_factory: pytest.TempPathFactory, damaged: Callable[..., bytes], where: float, bit: int | None
) -> None:
    folder, make = tmp_path_factory.getbasetemp() / "stages", Stage()
    StageCache(folder, ABOUT).stage("effects", make)
    file = folder / "effects.npz"
    file.write_bytes(damaged(file.read_bytes(), where, bit))
    for _ in range(2):
        found = StageCache(folder, ABOUT).stage("effects", make)
        assert list(found) == ["effect", "units"]
        assert np.array_equal(found["effect"], make()["effect"])
        assert np.array_equal(found["units"], np.arange(4))
