"""One reading of the queue serves every viewer of a dashboard."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from analysis.shared.errors import GanatomyError
from dashboard.widgets.jobs import Board
from db.layout import Layout
from jobs.kinds.requests import parse
from jobs.queue.client import Client
from jobs.queue.records import Overview


class CountingClient(Client):
    """Counts how often the queue is read."""

    reads = 0

    def overview(self, limit: int) -> Overview:
        self.reads += 1
        if self.layout.queue.with_suffix(".away").exists():
            raise GanatomyError("The queue cannot be read.")
        return super().overview(limit)


@pytest.fixture
def client(tmp_path: Path) -> CountingClient:
    return CountingClient(Layout.create(tmp_path / "store"))


def test_many_viewers_read_the_queue_once(client: CountingClient) -> None:
    board = Board(client)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: board.overview(), range(40)))
    assert client.reads == 1
    assert all(each is found[0] for each in found)


def test_what_this_process_changed_shows_at_once(client: CountingClient) -> None:
    board = Board(client)
    assert board.overview().total == 0
    client.submit(parse("dissect", {"generator": "planted", "images": 64}))
    board.forget()
    assert [job.state for job in board.overview().jobs] == ["queued"]


def test_a_failure_is_not_repeated_for_each_viewer(client: CountingClient) -> None:
    board = Board(client)
    client.layout.queue.with_suffix(".away").touch()
    for _ in range(5):
        with pytest.raises(GanatomyError, match="cannot be read"):
            board.overview()
    assert client.reads == 1
