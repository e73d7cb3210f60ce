"""The supervisor: one per store; what dies starts again, after longer and longer pauses."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.services import dashboard, supervisor
from jobs.services.supervisor import Service, Supervisor
from jobs.system import live, processes


class Dead:
    """A process that has ended."""

    pid, returncode = 0, 1

    def poll(self) -> int:
        return 1

    def wait(self, timeout: float | None = None) -> int:
        return 1

    def terminate(self) -> None:
        """Nothing is left to end."""


@pytest.fixture
def handlers() -> Iterator[None]:
    """Gives the signals back that a supervisor handles."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_store_has_one_supervisor(layout: Layout) -> None:
    first = Supervisor(layout, [], "http://here")
    first.claim()
    assert live.alive(live.read(layout.live / "supervisor.json"))
    with pytest.raises(GanatomyError, match="http://here"):
        Supervisor(layout, []).claim()
    first.close()
    Supervisor(layout, []).claim()


@pytest.mark.usefixtures("handlers")
def test_a_service_that_dies_again_and_again_waits_longer_each_time(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(processes, "start", lambda module, *_, **__: started.append(module) or Dead())
    monkeypatch.setattr(supervisor.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_S", 0.004)
    service = Service("worker", "jobs.worker", [], pause=0.001)
    pauses: list[float] = []
    keeper = Supervisor(layout, [service])

    def each_tick() -> None:
        if len(started) > len(pauses):
            pauses.append(service.pause)
        keeper.stopping = len(pauses) == 4

    keeper.claim()
    keeper.run(each_tick)
    assert started == ["jobs.worker"] * 4
    assert pauses == [0.001, 0.002, 0.004, 0.004]


def test_a_taken_port_is_refused(layout: Layout) -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(GanatomyError, match=f"Port {port} cannot be used"):
            supervisor.standard(layout, port, "localhost")
    names = [service.name for service in supervisor.standard(layout, port, "localhost").services]
    assert names == ["worker", "renders", "dashboard"]


def test_the_dashboard_serves_this_repositorys_script() -> None:
    assert dashboard.app_file() == Path(__file__).parents[3] / "dashboard" / "app.py"
    assert dashboard.options(8501, "localhost")["server.fileWatcherType"] == "none"
