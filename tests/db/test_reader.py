"""The read API: three lines to a data frame. And what a run's row says of where it came from."""

from collections.abc import Callable
from pathlib import Path

import pytest

from db import open_store
from db import store as results
from db.errors import StoreError
from db.layout import Layout


def test_three_lines(layout: Layout, write_run: Callable[..., Path]) -> None:
    write_run()
    results.publish(layout)
    store = open_store(layout.root)
    assert store.frame("unit_label", run_id="run-1", unit=3).iou.tolist() == [0.3]
    assert store.sql("SELECT count(*) AS n FROM unit").n.tolist() == [4]
    assert store.runs().generator.tolist() == ["planted"]
    assert store.bundle("run-1").file("note.txt") == b"hello"
    assert len(store.frame("note")) == 0


def test_what_is_not_there(layout: Layout, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no table 'nix'; there are run,"):
        open_store(layout.root).frame("nix")
    with pytest.raises(StoreError, match="no column 'nix'; it has run_id,"):
        open_store(layout.root).frame("unit", nix=1)
    with pytest.raises(StoreError, match="There is no store at"):
        open_store(tmp_path / "nix")
