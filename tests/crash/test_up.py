"""`ganatomy up` on a real store: what dies is started again, and nothing is left when it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from children import free_port, until

from jobs.kinds.dissection import DissectionRequest
from jobs.queue.client import Client
from jobs.services import supervisor
from jobs.system import live


class Up:
    """A supervisor and what it started."""

    def __init__(self, root: Path) -> None:
        self.client, self.port = Client.at(root), free_port()
        words = ["up", "--store", str(root), "--port", str(self.port)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-P", "-m", "jobs.cli", *words]
        self.process = subprocess.Popen(command, env=environment, process_group=0)
        until(self.ready, 400, "everything to answer")

    def ready(self) -> bool:
        return bool(
            self.client.workers()
            and self.client.render_ready()
            and supervisor.answers(f"http://localhost:{self.port}")
        )

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def of(self, module: str) -> psutil.Process:
        return next(child for child in self.family() if module in child.cmdline())


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    up = Up(tmp_path / "store")
    yield up
    if up.process.poll() is None:
        up.process.kill()
    up.process.wait()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_what_dies_is_started_again_and_the_job_goes_on(up: Up) -> None:
    asked = up.client.submit(DissectionRequest(generator="planted", images=2000, calibration=640))
    until(lambda: up.client.job(str(asked.job_id)).done > 64, 400, "counting")
    killed = {
        module: up.of(module) for module in ("jobs.worker", "jobs.render.server", "jobs.services.dashboard")
    }
    for process in killed.values():
        process.kill()
    assert up.client.render("planted", "ablate layer1 1", 1, [0]).before  # waits for the new render process
    until(up.ready, 400, "everything to answer again")
    assert all(up.of(module).pid != process.pid for module, process in killed.items())
    until(lambda: up.client.job(str(asked.job_id)).ended, 900, "the end of the job")
    assert up.client.job(str(asked.job_id)).state == "done"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_second_one_is_refused_and_sigterm_leaves_nothing(up: Up) -> None:
    words = ["up", "--store", str(up.client.layout.root), "--port", str(free_port())]
    second = subprocess.run(
        [sys.executable, "-P", "-m", "jobs.cli", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert second.returncode == 1
    assert "runs on this store already" in second.stderr
    family = up.family()
    up.process.terminate()
    assert up.process.wait(60) == 0
    assert [process for process in family if process.is_running()] == []


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_killed_supervisor_takes_everything_along_and_stops_nobody(up: Up) -> None:
    up.client.submit(DissectionRequest(generator="planted", images=2000, calibration=640))
    until(
        lambda: any("jobs.tasks.dissection" in child.cmdline() for child in up.family()), 400, "a job process"
    )
    family = up.family()
    os.kill(up.process.pid, signal.SIGKILL)
    up.process.wait()
    until(lambda: not any(process.is_running() for process in family), 30, "the end of everything")
    assert not live.alive(live.read(up.client.layout.live / "supervisor.json"))
    again = Up(up.client.layout.root)
    again.process.terminate()
    assert again.process.wait(60) == 0
