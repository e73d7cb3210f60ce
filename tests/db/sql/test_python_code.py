"""The program that a page offers gives the table that the page shows."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from db import store
from db.layout import Layout
from db.sql import console, python_code
from db.sql.arrangement import Arrangement, sortable

STATEMENT = """SELECT u.*, ['a'] AS parts, concept AS concept -- "it's"
FROM unit u WHERE run_id = :run
ORDER BY unit"""


def test_the_program_gives_the_same_table(tmp_path: Path, write_run: Callable[..., Path]) -> None:
    layout = Layout.create(tmp_path / "store")
    write_run(into=layout)
    store.publish(layout)
    values = {"run": "run-1"}
    result = console.run(layout, STATEMENT, values=values)
    arranged = Arrangement(("unit", "concept_2", "parts"), "concept", descending=True)
    program = python_code.program(STATEMENT, values, 1000, arranged) + "\nprint(frame.to_csv())"
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": root, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == arranged.of(result.frame).to_csv().strip(), done.stderr
    assert arranged.of(result.frame)["unit"].tolist() != result.frame["unit"].tolist()
    assert "parts" not in sortable(result.frame, result.table)
    assert {"unit", "concept_2"} <= set(sortable(result.frame, result.table))
