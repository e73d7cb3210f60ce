"""Starts real processes fast: imports once, then forks a child for each line `role store log seed` on stdin.

Run as a program; prints each child's process id. Killing the children is the test's business.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from db import store
from db.layout import Layout
from db.schema.base import run
from db.schema.dissection import unit, unit_concept
from db.store import bundles

UNITS, CONCEPTS = 40, 10


def tables(revision: int) -> dict[str, pd.DataFrame]:
    """A run whose every number says its revision, so that a mixture of two shows."""
    names = [f"concept{c}" for c in range(CONCEPTS)]
    units = np.arange(UNITS)
    return {
        "unit": pd.DataFrame({"layer": "layer1", "unit": units, "activation_mean": float(revision)}),
        "unit_concept": pd.DataFrame(
            {
                "layer": "layer1",
                "unit": units.repeat(CONCEPTS),
                "concept": names * UNITS,
                "iou": float(revision),
            }
        ),
    }


def write(layout: Layout, log: Path, seed: int) -> None:
    """Publish runs, revision after revision, and note each one whose publishing returned."""
    dice = random.Random(seed)
    while True:
        name, last = f"run-{seed}-{dice.randrange(10**6)}", dice.randrange(1, 4)
        for revision in range(1, last + 1):
            state = "final" if revision == last else "provisional"
            facts = {"run_id": name, "kind": "dissection", "state": state, "revision": revision}
            bundles.write(layout, facts, tables(revision), {"counts-layer1": {"N": np.full(1000, revision)}})
            store.publish(layout)
            note(log, f"committed {name} {revision}")


def read(layout: Layout, log: Path, seed: int) -> None:
    """Read as pages do, and as a plain duckdb session does; note every failure and how long it took."""
    while True:
        start = time.perf_counter()
        try:
            snapshot = store.open(layout)
            problem = partial(snapshot.read(run.select()), snapshot.read(unit.select()))
            problem = problem or partial(snapshot.read(run.select()), snapshot.read(unit_concept.select()))
            with duckdb.connect(str(layout.current), read_only=True) as plain:
                problem = problem or partial(plain.table("run").df(), plain.table("unit").df())
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        if problem:
            note(log, f"failed {problem}")
        note(log, f"read {time.perf_counter() - start:.4f}")
        time.sleep(0.1)


def partial(runs: pd.DataFrame, rows: pd.DataFrame) -> str:
    """What is wrong with the rows of a table, run by run; empty when every run is whole."""
    value = "iou" if "iou" in rows else "activation_mean"
    expected = UNITS * (CONCEPTS if value == "iou" else 1)
    found = rows.groupby("run_id")[value].agg(["count", "min", "max"])
    for run_id, revision in zip(runs.run_id, runs.revision, strict=True):
        if run_id not in found.index or tuple(found.loc[run_id]) != (expected, revision, revision):
            return f"{run_id} revision {revision} is partial"
    return "" if len(found) == len(runs) else "rows of a run that is not there"


def note(log: Path, line: str) -> None:
    with log.open("a") as file:
        file.write(line + "\n")


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        role, root, log, seed = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            {"write": write, "read": read}[role](Layout(Path(root)), Path(log), int(seed))
        print(child, flush=True)


if __name__ == "__main__":
    main()
