"""Shards: each image counted once, whatever was killed when."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.shared.errors import GanatomyError
from jobs.tasks.shards import LostShardError, Shards, Span

KEY = "0123456789abcdef"


@dataclass
class Numbers:
    """Counts that remember which images they are of."""

    images: list[int]

    def merge(self, other: "Numbers") -> "Numbers":
        return Numbers(sorted(self.images + other.images))

    def save(self, path: Path | str) -> None:
        Path(path).write_text(json.dumps(self.images))


def load(path: Path) -> Numbers:
    try:
        return Numbers(json.loads(path.read_text()))
    except ValueError as error:
        raise GanatomyError("damaged") from error


def shards(folder: Path, part: str = "evaluation", key: str = KEY) -> Shards[Numbers]:
    return Shards(folder, part, key, load)


def fill(there: Shards[Numbers], start: int, stop: int) -> None:
    there.put(start, stop, Numbers(list(range(start, stop))))


def test_many_become_one_and_count_the_same(tmp_path: Path) -> None:
    there = shards(tmp_path)
    for start in range(0, 20 * 64, 64):
        fill(there, start, start + 64)
    assert there.total(0, 1280).images == list(range(1280))
    assert there.spans() == [Span(0, 1280)]
    assert there.total(0, 1280).images == list(range(1280))
    assert len(list(tmp_path.iterdir())) == 1


@given(st.sets(st.integers(0, 9)), st.booleans())
@settings(max_examples=30, deadline=None)
def test_leftovers_of_a_kill_count_nothing_twice(
    tmp_path_factory: pytest.TempPathFactory, left: set[int], whole: bool
) -> None:
    there = shards(tmp_path_factory.mktemp("run"))
    if whole:
        fill(there, 0, 640)
    for number in left if whole else range(10):
        fill(there, number * 64, number * 64 + 64)
    assert there.total(0, 640).images == list(range(640))


def test_other_keys_and_parts_are_not_taken(tmp_path: Path) -> None:
    fill(shards(tmp_path, key="f" * 16), 0, 64)
    fill(shards(tmp_path, part="calibration"), 0, 64)
    assert shards(tmp_path).spans() == []
    with pytest.raises(LostShardError):
        shards(tmp_path).total(0, 64)


def test_a_damaged_shard_is_removed_to_be_counted_again(tmp_path: Path) -> None:
    there = shards(tmp_path)
    fill(there, 0, 64)
    next(tmp_path.iterdir()).write_text("{")
    with pytest.raises(LostShardError):
        there.total(0, 64)
    assert not there.has(0, 64)


def test_all_damaged_shards_are_removed_at_once(tmp_path: Path) -> None:
    there = shards(tmp_path)
    for start in (0, 64, 128, 192):
        fill(there, start, start + 64)
    for file in sorted(tmp_path.iterdir())[1:3]:
        file.write_text("")
    with pytest.raises(LostShardError):
        there.total(0, 256)
    assert there.spans() == [Span(0, 64), Span(192, 256)]
    for start in (64, 128):
        fill(there, start, start + 64)
    assert there.total(0, 256).images == list(range(256))
