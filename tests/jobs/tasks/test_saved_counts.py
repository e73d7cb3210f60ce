"""Saved counts: each image counted once, whatever was killed or damaged when."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.counting.counts import joined
from analysis.shared.errors import GanatomyError
from jobs.tasks.saved_counts import SavedCounts, pause

KEY = "0123456789abcdef"


@dataclass
class Numbers:
    """Counts that are nothing but the images they are of."""

    ranges: list[tuple[int, int]]

    def merge(self, other: "Numbers") -> "Numbers":
        return Numbers(joined(self.ranges, other.ranges))

    def save(self, path: Path | str) -> None:
        Path(path).write_text(json.dumps(self.ranges))


def load(path: Path) -> Numbers:
    try:
        return Numbers([(a, b) for a, b in json.loads(path.read_text())])
    except ValueError as error:
        raise GanatomyError("damaged") from error


def saves(folder: Path, part: str = "evaluation", key: str = KEY) -> SavedCounts[Numbers]:
    return SavedCounts(folder, part, key, load)


def ranges(there: SavedCounts[Numbers]) -> list[tuple[int, int]]:
    found = there.read()
    return found.ranges if found else []


def test_the_last_two_saves_are_kept(tmp_path: Path) -> None:
    there = saves(tmp_path)
    for stop in range(64, 20 * 64, 64):
        there.write(Numbers([(0, stop)]))
        assert ranges(there) == [(0, stop)]
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["", "{", "[[0"])
def test_the_save_before_a_damaged_one_is_taken(tmp_path: Path, damage: str) -> None:
    there = saves(tmp_path)
    for stop in (64, 128, 192):
        there.write(Numbers([(0, stop)]))
    max(tmp_path.iterdir()).write_text(damage)
    assert ranges(there) == [(0, 128)]
    assert ranges(saves(tmp_path)) == [(0, 128)]  # the damaged file is gone
    there.write(Numbers([(0, 192)]))
    assert ranges(there) == [(0, 192)]


def test_when_both_are_damaged_all_is_counted_again(tmp_path: Path) -> None:
    there = saves(tmp_path)
    for stop in (64, 128):
        there.write(Numbers([(0, stop)]))
    for file in tmp_path.iterdir():
        file.write_text("")
    assert ranges(there) == []
    assert not list(tmp_path.iterdir())


@given(st.sets(st.integers(0, 9), min_size=1), st.none() | st.integers(1, 10))
@settings(max_examples=40)
def test_files_of_an_earlier_version_are_merged_and_nothing_counts_twice(
    tmp_path_factory: pytest.TempPathFactory, blocks: set[int], whole: int | None
) -> None:
    """Version 0.1.0 wrote a file for each block, and merged the first ones."""
    folder = tmp_path_factory.mktemp("run")
    spans = [(64 * k, 64 * k + 64) for k in blocks] + ([(0, 64 * whole)] if whole else [])
    for start, stop in spans:
        Numbers([(start, stop)]).save(folder / f"evaluation-{KEY[:12]}-{start:09d}-{stop:09d}.npz")
    expected = {k for start, stop in spans for k in range(start, stop)}
    there = saves(folder)
    assert {k for start, stop in ranges(there) for k in range(start, stop)} == expected
    there.write(Numbers([(0, 640)]))
    assert ranges(there) == [(0, 640)]
    assert len(list(folder.iterdir())) <= 2


def test_other_keys_and_parts_are_not_taken(tmp_path: Path) -> None:
    saves(tmp_path, key="f" * 16).write(Numbers([(0, 64)]))
    saves(tmp_path, part="calibration").write(Numbers([(0, 64)]))
    assert ranges(saves(tmp_path)) == []


@pytest.mark.parametrize(
    ("took", "seconds"), [(0.0, 0.0), (0.02, 2.0), (1.0, 100.0), (3.0, 120.0), (10.0, 200.0)]
)
def test_saving_takes_at_most_a_twentieth_of_the_time(took: float, seconds: float) -> None:
    assert pause(took) == seconds


def test_the_first_block_is_saved_at_once_and_the_next_after_a_pause(tmp_path: Path) -> None:
    there = saves(tmp_path)
    assert there.due()
    there.write(Numbers([(0, 64)]))
    assert there._took > 0
    there._took = 1.0
    assert not there.due()
