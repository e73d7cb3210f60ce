"""Tests of survival: real workers and job processes, really killed."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from harness import Arena


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
