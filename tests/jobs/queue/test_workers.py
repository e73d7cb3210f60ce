"""Which workers are alive, seen from their own machine and from another."""

import os

import pytest

from db.layout import Layout
from jobs.queue import workers
from jobs.system import live, locks


@pytest.fixture
def elsewhere(layout: Layout) -> str:
    """An executor of another machine, whose lock cannot be seen here."""
    workers.announce(layout, "elsewhere/0", ("cpu-0",))
    lease = workers.lease(layout, "elsewhere/0")
    live.write(lease, {**live.read(lease), "machine": "another-boot pid:[1]", "host": "elsewhere"})
    return "elsewhere/0"


def test_a_worker_elsewhere_is_alive_while_it_renews_its_lease(layout: Layout, elsewhere: str) -> None:
    assert [worker.slot for worker in workers.alive(layout)] == [elsewhere]
    os.utime(workers.lease(layout, elsewhere), (0, 0))
    assert workers.alive(layout) == []
    workers.beat(layout, elsewhere, {})
    assert [worker.slot for worker in workers.alive(layout)] == [elsewhere]


def test_an_executor_elsewhere_is_dead_after_its_lease(
    layout: Layout, elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(workers.time, "monotonic", lambda: now)
    leases = workers.LeaseWatch(layout)
    assert leases.dead(elsewhere) is None
    now += 20
    os.utime(workers.lease(layout, elsewhere), (1, 1))  # its clock is wrong, and it lives
    assert leases.dead(elsewhere) is None
    now += 20
    assert leases.dead(elsewhere) is None
    now += 11
    lock = leases.dead(elsewhere)
    assert lock is not None
    lock.release()


def test_an_executor_of_this_machine_is_dead_when_its_lock_is_free(layout: Layout) -> None:
    workers.announce(layout, "another-name/0", ("cpu-0",))
    held = locks.take(layout.live, workers.lock_name("another-name/0"))
    assert held is not None
    assert workers.LeaseWatch(layout).dead("another-name/0") is None
    held.release()
    lock = workers.LeaseWatch(layout).dead("another-name/0")
    assert lock is not None
    lock.release()


@pytest.mark.parametrize("sign", ["slot", "pid", "devices", "started_at", "20", "_crc32"])
def test_a_damaged_lease_hides_nobody_for_long(layout: Layout, sign: str) -> None:
    announced = workers.announce(layout, "here/0", ("cpu-0",))
    lease = workers.lease(layout, "here/0")
    content = lease.read_bytes()
    place = content.index(sign.encode())
    lease.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    assert workers.alive(layout) == []
    workers.beat(layout, "here/0", announced)
    assert [worker.slot for worker in workers.alive(layout)] == ["here/0"]
