"""What counting in spans costs, and what a second worker gains.

    python -m benchmarks.spans [--generator churches] [--rounds 3] [--clock cpu] [--write]

Spans are counted by the helpers of the runner `local`, which are loaded before the clock starts. "Speed-up on
two" is the time of one helper over that of two, for as many images. "Seconds per span" is what a span costs
beside its images, from claiming it to merging it: eight spans of a block against one span of eight blocks,
both by one helper. The wall clock needs two free cores: look at the load that is printed. The clock "cpu"
counts the processor time of helpers and merging, and takes two helpers to share it evenly.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import psutil
import typer

from analysis.counting.counts import Counts
from analysis.counting.plan import BLOCK
from analysis.dissection.spans import Span, plan
from benchmarks.timing import report
from db.layout import Layout
from jobs.kinds.dissection import DissectionRequest
from jobs.spans.folder import SpanFolder
from jobs.spans.local import LocalRunner
from jobs.system import locks
from jobs.system.settings import Settings
from jobs.tasks.dissection import DissectionTask
from jobs.tasks.process import Spec
from jobs.tasks.progress import Progress

BLOCKS = 8  # of one measurement


class Measured:
    """A run whose calibration is counted piece by piece; every piece has images of its own."""

    def __init__(self, root: Path, generator: str, rounds: int, clock: str) -> None:
        images = BLOCK * (4 + 4 * BLOCKS * (rounds + 1))
        request = DissectionRequest.model_validate(
            {"generator": generator, "images": BLOCK, "calibration": images}
        )
        layout = Layout.create(root)
        filled = request.with_defaults(layout)
        values = filled.model_dump(mode="json")
        spec = Spec(str(root), "job", "spans", "dissect", values, "cpu", "cpu-0", 1, "2026-01-01T00:00:00")
        self.task = DissectionTask(spec, Progress(layout, "job"), filled)
        self.folder = SpanFolder(self.task.folder / "spans")
        self.folder.create()
        self.task.edges.save(self.folder.edges(self.task.edges.hash))
        self.own = locks.take(layout.live / "slots", "cpu-0")
        self.next = 0
        self.clock = clock

    def runner(self, greedy: bool) -> LocalRunner:
        """One helper or, `greedy`, two; loaded."""
        made = LocalRunner(vars(self.task.spec), self.task.spec.layout, self.folder, lambda _slots: None)
        made.helpers.greedy = greedy
        warm = self.spans(4, 1)
        for _span in made.map(warm[:1]):
            pass
        deadline = time.monotonic() + 120
        while greedy and len(self._ready(made)) < 2 and time.monotonic() < deadline:
            made.helpers.supervise(warm)
            time.sleep(0.1)
        return made

    @staticmethod
    def _ready(runner: LocalRunner) -> list[str]:
        live = runner.helpers.layout.live
        return [
            each.name for each in runner.helpers.running if (live / f"{each.name}.progress.json").exists()
        ]

    def spans(self, blocks: int, each: int) -> list[Span]:
        """Spans of the next images, of `each` blocks."""
        whole = (self.next, self.next + blocks * BLOCK)
        self.next = whole[1]
        return plan("calibration", self.task.edges.hash, whole, [], [], each * BLOCK)

    def seconds(self, runner: LocalRunner, blocks: int, each: int) -> float:
        """The time to count the next images in spans of `each` blocks, and to merge them."""
        spans = self.spans(blocks, each)
        began = self.now(runner)
        counts: Counts | None = None
        for span in runner.map(spans):
            more = Counts.load(self.folder.counts(span))
            counts = more if counts is None else counts.merge(more)
        return self.now(runner) - began

    def now(self, runner: LocalRunner) -> float:
        """Seconds on the chosen clock."""
        if self.clock == "wall":
            return time.perf_counter()
        used = [psutil.Process(each.process.pid).cpu_times() for each in runner.helpers.running]
        return time.process_time() + sum(times.user + times.system for times in used)


def main(
    generator: str = "churches",
    rounds: int = 3,
    clock: str = "wall",
    write: Annotated[bool, typer.Option(help="Make the figures the baseline.")] = False,
) -> None:
    """Prints the speed-up and the cost of a span."""
    os.environ["GANATOMY_CPU_SLOTS"] = "2"
    print(f"load: {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")
    costs, alone = [], []
    with tempfile.TemporaryDirectory() as folder:
        run = Measured(Path(folder), generator, rounds, clock)
        one, two = run.runner(greedy=False), None
        try:
            for _ in range(rounds):
                alone.append(run.seconds(one, BLOCKS, BLOCKS))
                costs.append((run.seconds(one, BLOCKS, 1) - alone[-1]) / (BLOCKS - 1))
            one.close()
            two = run.runner(greedy=True)
            both = [run.seconds(two, BLOCKS, 1) for _ in range(rounds)]
        finally:
            one.close()
            if two is not None:
                two.close()
    single = [seconds + cost * (BLOCKS - 1) for seconds, cost in zip(alone, costs, strict=True)]
    shared = 2 if clock == "cpu" else 1
    gains = [shared * a / b for a, b in zip(single, both, strict=True)]
    figures = {
        "speed-up on two": median(gains),
        "seconds per span": median(costs),
        "share of a span": median(costs) / Settings().span_seconds,
        "seconds of a block": median(alone) / BLOCKS,
    }
    report(f"spans-{generator}-{clock}", figures, write)


if __name__ == "__main__":
    typer.run(main)
