"""Fixtures of the tests of deploy/."""

from pathlib import Path

import pytest

from jobs.queue.client import Client


@pytest.fixture
def client(tmp_path: Path) -> Client:
    """The client of an empty store without a worker."""
    return Client.at(tmp_path / "store")
