"""The model card's tables come from a store's runs, and say what the rows say."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import checkpoints
from dashboard.widgets.rows import rows
from db import store
from db.layout import Layout
from db.queries import compare
from db.store import bundles

WriteRun = Callable[..., Path]


def write(layout: Layout, write_run: WriteRun, run_id: str, steps: int, **facts: object) -> None:
    """A checkpoint's run: ten units whose IoU with tree is a tenth of their number, and the mask at .15."""
    bundle = bundles.read(write_run(run_id, units=10, generator=f"at-{steps}", **facts))
    tables = {name: bundle.table(name) for name in bundle.names("tables")}
    scores = tables["unit_concept"]
    tables["unit_concept"] = scores.assign(iou_low=scores["iou"] - 0.06, iou_high=scores["iou"] + 0.06)
    place = {"training": "t", "training_steps": steps, "training_images": 32 * steps}
    bundles.write(layout, {**bundle.run, "revision": 2}, {**tables, "generator": pd.DataFrame([place])})


def test_the_tables_say_what_the_rows_say(
    layout: Layout, write_run: WriteRun, capsys: pytest.CaptureFixture[str]
) -> None:
    for run_id, steps, facts in (("b", 900, {}), ("a", 100, {}), ("lone", 500, {"seed": 2})):
        write(layout, write_run, run_id, steps, **facts)
    store.publish(layout)
    checkpoints.main(layout.root, "t")
    printed = capsys.readouterr().out
    paper = printed.split("###")[1]
    lines = [line.split(" | ") for line in paper.splitlines() if "layer1" in line]
    assert [line[0] for line in lines] == [f"| at-{k} layer1 4x4, 10 units" for k in (100, 900)]
    # Units 1 to 9 are over .05 and all but unit 1 surely; units 2 to 9 beat the mask.
    assert [line[1:4] for line in lines] == [["9 [6-10] (8-9)", "1 [1-1]", "8"]] * 2
    assert "1 of 2" in printed.split("###")[3]  # tree's best unit is over the mask, door's is not
    assert "at-500" not in printed


def test_lines_are_in_the_training_s_order(layout: Layout, write_run: WriteRun) -> None:
    for run_id, steps in (("b", 900), ("a", 100)):
        write(layout, write_run, run_id, steps)
    store.publish(layout)
    found = checkpoints.lines(rows(compare.dissections(store.open(layout))))
    assert {line: [run["run_id"] for run in runs] for line, runs in found.items()} == {"t": ["a", "b"]}


def test_a_store_without_two_checkpoints_says_so(layout: Layout, write_run: WriteRun) -> None:
    write(layout, write_run, "a", 100)
    store.publish(layout)
    with pytest.raises(SystemExit, match="No two checkpoints of t"):
        checkpoints.main(layout.root, "t")
