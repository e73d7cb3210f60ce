"""Fixtures of the tests of jobs."""

from pathlib import Path

import pytest
from full_store import unpacked

from db.layout import Layout
from jobs.queue.client import Client


@pytest.fixture
def client(tmp_path: Path) -> Client:
    """The client of an empty store without a worker."""
    return Client.at(tmp_path / "store")


@pytest.fixture(scope="module")
def full_store(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    """A store with a run of every kind, unpacked."""
    return unpacked(tmp_path_factory.mktemp("full"))
