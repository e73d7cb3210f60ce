"""Tests of survival: real workers and job processes, really killed."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from faults import FAULT
from harness import Arena

from jobs.kinds import requests


@pytest.fixture(scope="module", autouse=True)
def fault_kind() -> Iterator[None]:
    """The kind `fault` is known while tests of this folder run, and to no other test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(requests.KINDS, "fault", FAULT)
        yield


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    """A store with nothing running; whatever a test starts is ended, and nothing may be left."""
    arena = Arena(tmp_path / "store")
    yield arena
    arena.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """A store with a worker, shared by the tests of a module."""
    arena = Arena(tmp_path_factory.mktemp("arena") / "store")
    arena.start()
    yield arena
    arena.close()
