"""The supervisor: one per store; what dies starts again, after longer and longer pauses."""

import os
import signal
import socket
import subprocess
import sys
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


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "203.0.113.1", "", "example.org"])
def test_other_machines_are_admitted_by_a_login_or_a_flag(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.chdir(tmp_path)  # where no secrets are
    assert not dashboard.is_local(address)
    with pytest.raises(GanatomyError, match=r"configure one .* or allow it with --open"):
        dashboard.serve(layout.root, 8501, address)
    with pytest.raises(GanatomyError, match="--open"):
        supervisor.standard(layout, 8501, address)
    dashboard.require_login(address, open_to_all=True)


@pytest.mark.parametrize("address", ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1"])
def test_this_machine_needs_neither(address: str) -> None:
    assert dashboard.is_local(address)
    dashboard.require_login(address, open_to_all=False)


def test_the_flag_reaches_the_dashboard(layout: Layout) -> None:
    with socket.socket() as free:
        free.bind(("0.0.0.0", 0))
        port = free.getsockname()[1]
    opened = supervisor.standard(layout, port, "0.0.0.0", open_to_all=True)
    assert "--open" in opened.services[-1].arguments
    assert "--open" not in supervisor.standard(layout, port, "localhost").services[-1].arguments


def test_a_login_admits_other_machines(tmp_path: Path) -> None:
    program = "from jobs.services import dashboard; dashboard.require_login('0.0.0.0', False)"
    secrets = tmp_path / ".streamlit" / "secrets.toml"
    secrets.parent.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "HOME": str(tmp_path)}
    found = []
    for text in ("[other]\na = 1\n", '[auth]\nclient_id = "ganatomy"\n'):
        secrets.write_text(text)
        command = [sys.executable, "-c", program]
        found.append(subprocess.run(command, cwd=tmp_path, env=environment, check=False).returncode)
    assert found == [1, 0]
