"""Which workers are alive, seen from their own machine and from another."""

import os

import pytest

from db.layout import Layout
from jobs.queue import workers
from jobs.system import live


def dead(leases: workers.FileLeases, executor: str) -> bool:
    with leases.takeover(executor) as found:
        return found


@pytest.fixture
def elsewhere(layout: Layout) -> str:
    """An executor of another machine, whose lock cannot be seen here."""
    leases = workers.FileLeases(layout)
    leases.announce("elsewhere/0", ("cpu-0",))
    lease = leases.file("elsewhere/0")
    live.write(lease, {**live.read(lease), "machine": "another-boot pid:[1]", "host": "elsewhere"})
    return "elsewhere/0"


def test_a_worker_elsewhere_is_alive_while_it_renews_its_lease(layout: Layout, elsewhere: str) -> None:
    assert [worker.slot for worker in workers.alive(layout)] == [elsewhere]
    leases = workers.FileLeases(layout)
    os.utime(leases.file(elsewhere), (0, 0))
    assert workers.alive(layout) == []
    leases.beat(elsewhere)
    assert [worker.slot for worker in workers.alive(layout)] == [elsewhere]


def test_an_executor_elsewhere_is_dead_after_its_lease(
    layout: Layout, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(workers.time, "monotonic", lambda: now)
    leases = workers.FileLeases(layout)
    assert not dead(leases, elsewhere)
    now += 20
    os.utime(leases.file(elsewhere), (1, 1))  # its clock is wrong, and it lives
    assert not dead(leases, elsewhere)
    now += 20
    assert not dead(leases, elsewhere)
    now += 11
    assert dead(leases, elsewhere)


def test_an_executor_of_this_machine_is_dead_when_its_lock_is_free(layout: Layout) -> None:
    leases = workers.FileLeases(layout)
    leases.announce("another-name/0", ("cpu-0",))
    held = leases.lock("another-name/0")
    assert held is not None
    assert not dead(leases, "another-name/0")
    held.release()
    assert dead(leases, "another-name/0")


@pytest.mark.parametrize("sign", ["slot", "pid", "devices", "started_at", "20", "_crc32"])
def test_a_damaged_lease_hides_nobody_for_long(layout: Layout, sign: str) -> None:
    leases = workers.FileLeases(layout)
    leases.announce("here/0", ("cpu-0",))
    lease = leases.file("here/0")
    content = lease.read_bytes()
    place = content.index(sign.encode())
    lease.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    assert workers.alive(layout) == []
    leases.beat("here/0")
    assert [worker.slot for worker in workers.alive(layout)] == ["here/0"]
