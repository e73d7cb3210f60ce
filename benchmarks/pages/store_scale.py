"""The store at scale: readers ask the pages' named questions while a job commits every few seconds.

    .venv/bin/python benchmarks/pages/store_scale.py --rows 10000000 --readers 4 --seconds 120 --every 10

Prints commit time against file size while the store grows, then the median and 95th percentile of each
question.
Target: median over the questions at most 150 ms, 95th percentile at most 1 s.
"""

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from db import store
from db.layout import Layout
from db.queries import runs as queries
from db.schema.naming_rule import NamingRule
from db.store import bundles

LAYERS = {"layer1": 512, "layer2": 256, "layer3": 128, "layer4": 64}
CONCEPTS = [f"concept{c:03d}" for c in range(100)]
ROWS = sum(LAYERS.values()) * len(CONCEPTS)  # of unit_concept, one run
SHARES = (0.1, 0.25, 0.5, 1.0)  # of the rows, where commit time is taken
NUMBERS = [
    *("threshold", "iou", "iou_low", "iou_high", "iqr", "null_iou", "q_value", "calibration_iou", "tail"),
    *("accuracy", "precision", "recall", "always_on", "mask_iou", "ceiling_iou", "calibrated", "p_value"),
]

Question = Callable[[store.Snapshot, str, random.Random], pd.DataFrame]
RULE = NamingRule()


def layer(dice: random.Random) -> str:
    return dice.choice(list(LAYERS))


QUESTIONS: dict[str, Question] = {
    "runs": lambda s, r, d: queries.runs(s),
    "layers": lambda s, r, d: queries.layers(s, r),
    "layer_counts": lambda s, r, d: queries.layer_counts(s, r, RULE),
    "concept_counts": lambda s, r, d: queries.concept_counts(s, r, RULE),
    "concepts": lambda s, r, d: queries.concepts(s, r),
    "units": lambda s, r, d: queries.units(s, r, layer(d)),
    "unit_concepts": lambda s, r, d: queries.unit_concepts(s, r, layer(d), d.randrange(64)),
    "top_images": lambda s, r, d: queries.top_images(s, r, layer(d), d.randrange(64)),
    "best_units": lambda s, r, d: queries.best_units(s, r, layer(d), d.choice(CONCEPTS), 20),
    "layer_scores": lambda s, r, d: queries.layer_scores(s, r, layer(d), d.choice(CONCEPTS)),
    "layer_concepts": lambda s, r, d: queries.layer_concepts(s, r, layer(d)),
    "showpieces": lambda s, r, d: queries.showpieces(s, r),
}


def write_run(layout: Layout, number: int) -> None:
    """One dissection of 960 units beside 100 concepts."""
    dice = np.random.default_rng(number)
    units = pd.DataFrame(
        [(name, u) for name, n in LAYERS.items() for u in range(n)], columns=["layer", "unit"]
    )
    pairs = units.merge(pd.DataFrame({"concept": CONCEPTS, "category": ["object", "part"] * 50}), how="cross")
    pairs[NUMBERS] = dice.random((len(pairs), len(NUMBERS)))
    pairs["images"] = dice.integers(0, 1000, len(pairs))
    best = pairs.groupby(["layer", "unit"]).calibration_iou.transform("max")
    pairs["label"] = pairs.calibration_iou == best
    pairs["detector"] = pairs.label & (pairs.iou > pairs.mask_iou)
    named = pairs.loc[pairs.label, ["layer", "unit", "concept"]]
    images = units.merge(pd.DataFrame({"rank": range(1, 9)}), how="cross")
    images["latent"] = dice.integers(0, 1000, len(images))
    layers = pd.DataFrame({"layer": list(LAYERS), "position": range(1, 5), "units": list(LAYERS.values())})
    concepts = pd.DataFrame({"concept": CONCEPTS, "category": ["object", "part"] * 50})
    tables = {"layer": layers, "concept": concepts, "unit": units.merge(named), "unit_concept": pairs}
    facts = {
        "run_id": f"faces-{hashlib.sha256(str(number).encode()).hexdigest()[:10]}",
        "kind": "dissection",
        "state": "final",
        "images": 1000,
    }
    bundles.write(layout, facts, {**tables, "unit_image": images})


def grow(layout: Layout, rows: int) -> list[dict[str, float]]:
    """Fill the store, and take the time of a commit of one more run at each share of the rows."""
    runs, made, found = max(1, rows // ROWS), 0, []
    for share in SHARES:
        for number in range(made, int(runs * share)):
            write_run(layout, number)
        made = max(made, int(runs * share))
        store.publish(layout)
        write_run(layout, 90_000 + made)
        start = time.perf_counter()
        version = store.publish(layout)
        seconds = time.perf_counter() - start
        found.append({"rows": made * ROWS, "file_mb": version.stat().st_size / 1e6, "commit_s": seconds})
        print(json.dumps(found[-1]), flush=True)
    return found


def read(layout: Layout, seed: int, seconds: float) -> None:
    """A reader process: one snapshot and one question at a time; prints question and milliseconds."""
    dice, end = random.Random(seed), time.monotonic() + seconds
    runs = bundles.run_ids(layout)
    while time.monotonic() < end:
        name = dice.choice(list(QUESTIONS))
        start = time.perf_counter()
        frame = QUESTIONS[name](store.open(layout), dice.choice(runs), dice)
        milliseconds = 1000 * (time.perf_counter() - start)
        print(name, milliseconds, len(frame), flush=True)
        time.sleep(dice.uniform(0, 0.2))  # a person looks at the page


def load(layout: Layout, arguments: argparse.Namespace) -> tuple[pd.DataFrame, list[float]]:
    """Readers read while this process commits a run every `every` seconds."""
    command = [sys.executable, __file__, "--store", str(layout.root), "--seconds", str(arguments.seconds)]
    readers = [
        subprocess.Popen([*command, "--reader", str(n)], stdout=subprocess.PIPE, text=True)
        for n in range(arguments.readers)
    ]
    commits, end, number = [], time.monotonic() + arguments.seconds, 95_000
    while time.monotonic() < end - arguments.every:
        started = time.monotonic()
        write_run(layout, number)
        start = time.perf_counter()
        store.publish(layout)
        commits.append(time.perf_counter() - start)
        number += 1
        time.sleep(max(0.0, arguments.every - (time.monotonic() - started)))
    lines = [line.split() for reader in readers for line in reader.communicate()[0].splitlines()]
    assert all(reader.returncode == 0 for reader in readers), "a reader failed"
    frame = pd.DataFrame(lines, columns=["question", "ms", "rows"]).astype({"ms": float, "rows": int})
    return frame, commits


def report(reads: pd.DataFrame, commits: list[float]) -> dict[str, Any]:
    table = reads.groupby("question").ms.describe(percentiles=[0.5, 0.95])[["count", "50%", "95%", "max"]]
    print(table.round(1).to_string())
    found = {
        "reads": len(reads),
        "median_ms": float(reads.ms.median()),
        "p95_ms": float(reads.ms.quantile(0.95)),
        "slowest_question_median_ms": float(table["50%"].max()),
        "commits": len(commits),
        "commit_median_s": float(np.median(commits)),
        "commit_max_s": max(commits),
    }
    print(json.dumps(found, indent=1))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--every", type=float, default=10)
    parser.add_argument("--store", type=Path, help="keep the store here; one that is there is read as it is")
    parser.add_argument("--reader", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.reader is not None:
        read(Layout(arguments.store), arguments.reader, arguments.seconds)
        return
    with tempfile.TemporaryDirectory() as folder:
        layout = Layout.create(arguments.store or folder)
        if not bundles.run_ids(layout):
            grow(layout, arguments.rows)
        report(*load(layout, arguments))


if __name__ == "__main__":
    main()
