"""A real Postgres server for tests, with Debian's programs, on a free port of localhost."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

USER = "postgres"  # the server refuses to run as root


class Postgres:
    """A server with a folder of its own. `stop` and `start` keep what is in it."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.folder = Path(tempfile.mkdtemp(prefix="ganatomy-postgres-"))
        self.as_other = os.getuid() == 0
        if self.as_other:
            shutil.chown(self.folder, USER)
        with socket.socket() as free:
            free.bind((host, 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "-D", str(self.folder / "data"), "-U", USER, "-A", "trust", "--no-sync")
        with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet trust\n")
        self.start()
        self._databases = 0

    def _run(self, program: str, *arguments: str) -> None:
        found = shutil.which(program)
        assert found, f"{program} is missing: install Debian's package postgresql"
        through = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"] if self.as_other else []
        done = subprocess.run(
            [*through, found, *arguments], cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self) -> None:
        options = f"-p {self.port} -h {self.host} -k {self.folder} -c fsync=off -c max_connections=200"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", log, "-o", options, "start")

    def stop(self, how: str = "immediate") -> None:
        """End the server: 'immediate' is a crash, from which it recovers at its next start."""
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", how, "stop")

    def address(self) -> str:
        """The address of a database that does not exist yet."""
        self._databases += 1
        return f"postgresql://{USER}@{self.host}:{self.port}/test{self._databases}"

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
