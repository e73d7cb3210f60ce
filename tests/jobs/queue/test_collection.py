"""A dashboard without a worker shows what other hosts publish."""

from collections.abc import Callable
from pathlib import Path

import pytest
from children import until
from postgres import Postgres

from db.layout import Layout
from db.store import bundles
from jobs.queue import collection, results


@pytest.mark.slow
def test_results_of_other_hosts_come_without_a_worker(
    tmp_path: Path, write_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = (Layout.create(tmp_path / name) for name in ("here", "there"))
    collection.start(there)  # nothing: no results are shared
    (tmp_path / "results").mkdir()
    postgres = Postgres()
    try:
        monkeypatch.setenv("GANATOMY_QUEUE", postgres.address())
        monkeypatch.setenv("GANATOMY_RESULTS", str(tmp_path / "results"))
        write_run("run-1", into=here)
        results.count(here, "run-1", results.upload(here, "run-1"), final=True)
        collection.start(there)
        until(lambda: bundles.run_ids(there) == ["run-1"] and there.current.exists(), 30, "the run")
    finally:
        postgres.close()
