"""A reader of the soak: `python -m benchmarks.soak.reader --store DIR --log FILE`, until it is killed.

It opens the store again and again, as a page does. A snapshot must be whole, and a run that was final once
must stay, with the same numbers. What it found is in FILE, a JSON object per line.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from analysis.shared.errors import GanatomyError
from db import store
from db.errors import StoreError
from db.layout import Layout
from db.schema import metadata

# The numbers, without names and times.
TABLES = ("layer", "concept", "unit", "unit_concept", "unit_image", "unit_neighbour")

Digest = dict[str, dict[str, str]]  # by run and table: how many rows, and a hash of all


def digests(snapshot: store.Snapshot) -> Digest:
    """How many rows each run has in each table, and a hash of their values."""
    found: Digest = {}
    for name in TABLES:
        columns = ", ".join(f'"{c.name}"' for c in metadata.tables[name].c if c.name != "run_id")
        rows = snapshot.read(
            sa.text(
                f"SELECT run_id, count(*) || ' rows, hash ' || bit_xor(hash({columns})) AS digest "
                f'FROM "{name}" GROUP BY run_id'
            )
        )
        for run_id, digest in zip(rows.run_id, rows.digest, strict=True):
            found.setdefault(str(run_id), {})[name] = str(digest)
    return found


def partial(snapshot: store.Snapshot) -> list[str]:
    """Dissections of which a table lacks rows, and rows of a run that is not there."""
    rows = snapshot.read(
        sa.text(
            "SELECT r.run_id, r.kind, "
            "(SELECT sum(units) FROM layer x WHERE x.run_id = r.run_id) AS units, "
            "(SELECT count(*) FROM concept x WHERE x.run_id = r.run_id) AS concepts, "
            "(SELECT count(*) FROM unit x WHERE x.run_id = r.run_id) AS unit_rows, "
            "(SELECT count(*) FROM unit_concept x WHERE x.run_id = r.run_id) AS pair_rows "
            "FROM run r WHERE r.kind = 'dissection'"
        )
    ).fillna(0)
    wrong = rows[(rows.unit_rows != rows.units) | (rows.pair_rows != rows.units * rows.concepts)]
    return [f"{run_id} is partial" for run_id in [*wrong.run_id, *rows.run_id[rows.units == 0]]]


@dataclass
class Reader:
    """What this reader has seen, earlier processes of the same log included."""

    layout: Layout
    log: Path
    finals: Digest = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for line in lines(self.log):
            self.finals |= line.get("finals", {})

    def look(self) -> None:
        """Read one snapshot, and write down what came of it."""
        start = time.perf_counter()
        try:
            said = self._compare(store.open(self.layout))
        except (StoreError, GanatomyError) as error:
            said = {"refused": str(error)}
        except Exception as error:
            said = {"wrong": [f"a reader met {type(error).__name__}: {error}"]}
        with self.log.open("a") as file:
            file.write(json.dumps(said | {"seconds": round(time.perf_counter() - start, 4)}) + "\n")

    def _compare(self, snapshot: store.Snapshot) -> dict[str, Any]:
        runs: pd.DataFrame = snapshot.read(metadata.tables["run"].select())
        found = digests(snapshot)
        wrong = partial(snapshot)
        wrong += [f"rows of {run_id}, which is not there" for run_id in sorted(set(found) - set(runs.run_id))]
        final = {run_id: found.get(run_id, {}) for run_id in runs.run_id[runs.state == "final"]}
        wrong += [f"{run_id} was final and is gone" for run_id in sorted(set(self.finals) - set(final))]
        wrong += [
            f"the numbers of {run_id} have changed"
            for run_id, digest in self.finals.items()
            if final.get(run_id, digest) != digest
        ]
        new = {run_id: digest for run_id, digest in final.items() if run_id not in self.finals}
        self.finals |= new
        wrong = [each for each in wrong if each not in self.told]
        self.told |= set(wrong)
        said: dict[str, Any] = {"version": snapshot.version.name, "runs": len(runs)}
        return said | ({"finals": new} if new else {}) | ({"wrong": wrong} if wrong else {})


def lines(log: Path) -> list[dict[str, Any]]:
    """The whole lines of a log of JSON lines. A killed process leaves half a line."""
    found = []
    for line in log.read_text().splitlines() if log.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def main() -> None:
    """Look until somebody ends this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args()
    with options.log.open("a") as file:
        file.write("\n")  # after the half line of a killed one
    reader = Reader(Layout(options.store), options.log)
    while True:
        reader.look()
        time.sleep(random.uniform(0.2, 1.5))


if __name__ == "__main__":
    main()
