"""What a reference's name stands for is checked before anything is measured with it."""

from importlib import import_module
from pathlib import Path

import pytest

from analysis.artifacts import reference_names as names
from analysis.shared.errors import GanatomyError


def test_a_folder_has_its_pictures_by_name_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "notes.txt", "inner/c.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = [str(path.relative_to(tmp_path)) for path in names.pictures_in(tmp_path)]
    assert found == ["a.jpg", "b.PNG", "inner/c.webp"]
    names.must_have(f"folder:{tmp_path}", 3)
    with pytest.raises(GanatomyError, match="holds 3 pictures; 4 are needed"):
        names.must_have(f"folder:{tmp_path}", 4)


@pytest.mark.parametrize("name", ["", "churches", "drawn:", "https://x", "drawn:moons"])
def test_a_name_that_stands_for_nothing_is_refused(name: str) -> None:
    with pytest.raises(GanatomyError, match=r"names no reference|no drawn world 'moons'"):
        names.must_have(name, 1)


def test_every_world_and_every_known_training_set_can_be_drawn() -> None:
    for world, module in names.WORLDS.items():
        names.must_have(f"drawn:{world}", 10**9)
        assert callable(import_module(module).draw)
    assert {f"drawn:{world}" for world in names.WORLDS} >= set(names.DRAWN_DATA.values())
