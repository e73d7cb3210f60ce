"""Secrets with a mistake in them: nobody is let in, rather than everybody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = (
    "from streamlit.testing.v1 import AppTest; "
    "page = AppTest.from_file('{app}', default_timeout=60).run(); "
    "print([each.value for each in page.error], len(page.get('page_link')) + len(page.button))"
)


@pytest.mark.parametrize("text", ["[auth\nclient_id = 1", "[auth]\nclient_id = 'a\n"])
def test_secrets_that_cannot_be_read_keep_everybody_out(tmp_path: Path, text: str) -> None:
    root = Path(__file__).parents[2]
    secrets = tmp_path / ".streamlit" / "secrets.toml"
    secrets.parent.mkdir()
    secrets.write_text(text)
    environment = {**os.environ, "PYTHONPATH": str(root), "HOME": str(tmp_path)}
    environment["GANATOMY_STORE"] = str(tmp_path / "store")
    command = [sys.executable, "-c", PROGRAM.format(app=root / "dashboard" / "app.py")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "cannot be read, so nobody can log in and no page is shown" in done.stdout, done.stderr[-500:]
    assert done.stdout.strip().endswith("] 0")
