"""The program `ganatomy` in this process."""

import pytest

from jobs.cli.app import app


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Its exit status, and what it writes to standard output and standard error."""
    capsys.readouterr()
    status = 0
    try:
        app(args=list(words), prog_name="ganatomy")
    except SystemExit as end:
        status = int(end.code or 0)
    return status, *capsys.readouterr()
