"""Files that are replaced in one step: the old content or the new, and no leftovers."""

from pathlib import Path

import pytest

from db.store import files


@pytest.mark.parametrize("durable", [True, False])
def test_a_replaced_file_has_the_new_content_and_nothing_lies_beside_it(
    tmp_path: Path, durable: bool
) -> None:
    file = tmp_path / "values.json"
    file.write_text("old")
    with files.replacing(file, durable=durable) as aside:
        aside.write_text("new")
        assert file.read_text() == "old"
    assert file.read_text() == "new"
    assert list(tmp_path.iterdir()) == [file]


def test_a_failed_replacement_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "values.json"
    file.write_text("old")
    with pytest.raises(UnicodeEncodeError), files.replacing(file) as aside:
        aside.write_text("half \udc00", encoding="utf-8")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_the_name_aside_is_one_that_the_clean_up_of_live_files_knows(tmp_path: Path) -> None:
    with files.replacing(tmp_path / "job.progress.json", durable=False) as aside:
        aside.write_text("{}")
        assert aside in tmp_path.glob(".*.tmp")
