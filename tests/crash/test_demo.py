"""`ganatomy demo` without a network: all but ffhq is dissected. What comes with it does not fit the sizes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from children import free_port

from jobs.queue.client import Client

NOWHERE = "http://127.0.0.1:9/simple"  # nothing listens there


@pytest.mark.slow
def test_the_demo_needs_no_network(tmp_path: Path) -> None:
    nothing = {"PIP_INDEX_URL": NOWHERE, "PIP_EXTRA_INDEX_URL": "", "PIP_CONFIG_FILE": os.devnull}
    command = [sys.executable, "-P", "-m", "jobs.cli", "demo", "--until-done"]
    sizes = ["--images", "128", "--calibration", "64", "--port", str(free_port())]
    ended = subprocess.run(
        [*command, *sizes, "--store", str(tmp_path)],
        env={**os.environ, **nothing, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    for said in ("First numbers of churches", "The dissection of churches is done", "Ffhq is left out"):
        assert said in ended.stdout
    assert "Causes, contexts and artifact units are left out" in " ".join(ended.stdout.split())
    jobs = Client.at(tmp_path).jobs()
    found = {(job.state, job.request["generator"], job.request["control"]) for job in jobs}
    churches = {("done", "churches", "none"), ("done", "churches", "random-weights")}
    assert found == {*churches, ("done", "churches-32px", "none")}
