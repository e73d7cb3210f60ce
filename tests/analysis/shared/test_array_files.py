"""Files of arrays: the same back, or a damaged file is recognised, wherever the damage is."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from analysis.shared import array_files
from analysis.shared.array_files import DamagedFileError
from analysis.shared.arrays import Arrays

ARRAYS: Arrays = {
    "counts": np.arange(60).reshape(3, 4, 5),
    "layer/values": np.linspace(0, 1, 7, dtype=np.float32),
    "name": np.array("a word"),
    "empty": np.zeros((0, 3), np.int64),
}


def is_as_written(found: Arrays) -> bool:
    return list(found) == list(ARRAYS) and all(
        found[name].dtype == array.dtype and np.array_equal(found[name], array)
        for name, array in ARRAYS.items()
    )


def is_recognised(path: Path) -> bool:
    """Whether a damaged file is recognised, or gives what was written although its checksum is damaged."""
    try:
        return is_as_written(array_files.read(path))
    except DamagedFileError:
        return True


@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_come_back_as_numpy_reads_them_too(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "a.npz"
    array_files.write(path, ARRAYS, compressed=compressed)
    assert is_as_written(array_files.read(path))
    with np.load(path, allow_pickle=False) as file:
        assert is_as_written({name: file[name] for name in file.files})
    with pytest.raises(FileNotFoundError):
        array_files.read(tmp_path / "b.npz")


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **ARRAYS)  # type: ignore[arg-type]
    assert is_as_written(array_files.read(tmp_path / "a.npz"))


@pytest.mark.parametrize("compressed", [True, False])
def test_every_flipped_bit_and_every_cut_is_recognised(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "a.npz"
    array_files.write(path, ARRAYS, compressed=compressed)
    content = path.read_bytes()
    for place in range(len(content)):
        flipped = bytes([content[place] ^ 1 << place % 8])
        for changed in (content[:place], content[:place] + flipped + content[place + 1 :]):
            path.write_bytes(changed)
            assert is_recognised(path), place


@given(where=st.floats(0, 1), bit=st.none() | st.integers(0, 7))
@settings(max_examples=300)
def test_damage_of_a_file_without_checksum_is_an_error_of_one_kind(
    tmp_path_factory: pytest.TempPathFactory, damaged: Callable[..., bytes], where: float, bit: int | None
) -> None:
    path = tmp_path_factory.getbasetemp() / "without.npz"
    np.savez_compressed(path, **ARRAYS)  # type: ignore[arg-type]
    path.write_bytes(damaged(path.read_bytes(), where, bit))
    with suppress(DamagedFileError):
        array_files.read(path)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 broken", b"\x93NUMPY\x01\x00"])
def test_other_content_is_damage(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(DamagedFileError, match="is damaged"):
        array_files.read(tmp_path / "a.npz")
    np.save(tmp_path / "one.npy", np.arange(3))
    with pytest.raises(DamagedFileError):
        array_files.read(tmp_path / "one.npy")
