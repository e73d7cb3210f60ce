"""Writers are killed with SIGKILL at random moments while readers read.

Nothing that was committed is lost, nothing partial shows, no reader fails, and the next writer needs no help.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from db import store
from db.layout import Layout
from db.schema.base import run
from db.store import bundles, versions

ZYGOTE = Path(__file__).with_name("zygote.py")


@dataclass
class Crew:
    """Real processes on one store."""

    layout: Layout
    logs: Path
    zygote: subprocess.Popen[str]
    alive: list[int] = field(default_factory=list)

    def start(self, role: str, seed: int) -> int:
        assert self.zygote.stdin
        assert self.zygote.stdout
        self.zygote.stdin.write(f"{role}\t{self.layout.root}\t{self.logs / role}-{seed}\t{seed}\n")
        self.zygote.stdin.flush()
        self.alive.append(int(self.zygote.stdout.readline()))
        return self.alive[-1]

    def kill(self, child: int) -> None:
        os.kill(child, signal.SIGKILL)
        self.alive.remove(child)

    def notes(self, role: str, kind: str) -> list[list[str]]:
        """Noted lines of a kind; a last line that the kill cut short was not noted."""
        lines = [line for log in self.logs.glob(f"{role}-*") for line in log.read_text().splitlines(True)]
        return [line.split(maxsplit=2) for line in lines if line.startswith(kind) and line.endswith("\n")]


@pytest.fixture
def crew(tmp_path: Path) -> Iterator[Crew]:
    layout = Layout.create(tmp_path / "a store")  # with a space in its path
    (tmp_path / "logs").mkdir()
    zygote = subprocess.Popen(
        [sys.executable, str(ZYGOTE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    found = Crew(layout, tmp_path / "logs", zygote)
    yield found
    for child in list(found.alive):
        found.kill(child)
    zygote.kill()
    zygote.wait()


def lost(crew: Crew) -> list[str]:
    """Commits that were reported and are not there."""
    noted = [(name, int(revision)) for _, name, revision in crew.notes("write", "committed")]
    runs = store.open(crew.layout).read(run.select())
    published = dict(zip(runs.run_id, runs.revision, strict=True))
    return [f"{name} {revision}" for name, revision in noted if published.get(name, 0) < revision]


def hammer(crew: Crew, rounds: int) -> None:
    dice = random.Random(rounds)
    cycle = _cycle(crew.layout)
    for reader in range(2):
        crew.start("read", reader)
    writers = [crew.start("write", number) for number in range(2)]
    for number in range(1, rounds + 1):
        _wait_for_a_commit(crew.layout, 2)
        time.sleep(dice.uniform(0, min(2 * cycle, 2)))
        for place in dice.choice([[0], [1], [0, 1]]):
            crew.kill(writers[place])
            writers[place] = crew.start("write", 2 * number + place)
        assert lost(crew) == []
    for writer in writers:
        crew.kill(writer)
    assert crew.notes("read", "failed") == []
    _goes_on(crew)


def _wait_for_a_commit(layout: Layout, seconds: float) -> None:
    before, start = versions.current(layout), time.monotonic()
    while versions.current(layout) == before and time.monotonic() - start < seconds:
        time.sleep(0.005)


def _cycle(layout: Layout) -> float:
    """Seconds that a commit takes on this machine now; kills fall within about three of them."""
    store.publish(layout)
    start = time.monotonic()
    store.rebuild(layout)
    return time.monotonic() - start


def _goes_on(crew: Crew) -> None:
    """The next writer needs no help, takes no long time, publishes what waits, and clears what was left."""
    start = time.monotonic()
    version = store.publish(crew.layout)
    assert time.monotonic() - start < 60
    runs = store.open(crew.layout).read(run.select())
    assert set(runs.run_id) == set(bundles.run_ids(crew.layout))
    assert version == versions.current(crew.layout)
    versions.retire(crew.layout)
    assert not list(crew.layout.versions.glob("building-*"))
    reads = [float(line[1]) for line in crew.notes("read", "read")]
    commits = crew.notes("write", "committed")
    assert commits
    assert reads
    print(f"{len(commits)} commits, {len(runs)} runs, {len(reads)} reads, slowest {max(reads):.2f} s")
    assert max(reads) < 30  # a read never waits for a writer; this is a busy machine's worst


def test_nothing_is_lost_in_10_rounds(crew: Crew) -> None:
    hammer(crew, 10)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_lost_in_200_rounds(crew: Crew) -> None:
    hammer(crew, 200)
