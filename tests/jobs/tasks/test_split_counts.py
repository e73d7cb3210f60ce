"""A part of a run counted in spans: merged in order, damaged ones again, those of an earlier attempt used."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from analysis import dissect
from analysis.counting.counts import Counts
from analysis.counting.passes import count_from
from analysis.counting.plan import BLOCK
from analysis.dissection.spans import Span
from analysis.models import generators, segmenters
from analysis.shared.errors import GanatomyError
from db.layout import Layout
from db.store import bundles
from jobs.kinds.dissection import DissectionRequest
from jobs.queue.client import Client
from jobs.spans.folder import SpanFolder
from jobs.spans.helpers import span_request
from jobs.spans.runner import SpanRunner
from jobs.tasks import process, span, task
from jobs.tasks.dissection import DissectionTask
from jobs.tasks.progress import Progress
from jobs.tasks.split_counts import SplitCounting

NOW = "2026-01-01T00:00:00"
SIZES = {"images": 500, "calibration": 200, "seed": 5}


def spec_of(layout: Layout) -> process.Spec:
    request = DissectionRequest(generator="planted", segmenter="planted", **SIZES)
    values = request.model_dump(mode="json")
    return process.Spec(str(layout.root), "job", "planted-1", "dissect", values, "cpu", "cpu-0", 1, NOW)


@dataclass
class Backwards:
    """Counts spans in this process, the last first; `damage` is called with the file of each."""

    spec: process.Spec
    folder: SpanFolder
    damage: Callable[[Path], object] = lambda _file: None
    counted: list[Span] = field(default_factory=list)

    def map(self, spans: Sequence[Span]) -> Iterator[Span]:
        self.folder.request(spans)
        asked = replace(self.spec, request=span_request(vars(self.spec)))
        work = span.SpanTask(asked, Progress(self.spec.layout, "helper"))
        for each in reversed(spans):
            if work.count(each):
                self.counted.append(each)
                self.damage(self.folder.counts(each))
            yield each

    def close(self) -> None:
        """Nothing was started."""


@pytest.fixture
def run(tmp_path: Path) -> DissectionTask:
    """A run of the planted generator that nobody has begun."""
    layout = Client.at(tmp_path / "store").layout
    spec = spec_of(layout)
    request = DissectionRequest.model_validate(spec.request)
    return DissectionTask(spec, Progress(layout, "job"), request)


def split(run: DissectionTask, seconds: float, damage: Callable[[Path], object] = lambda _file: None):
    folder = SpanFolder(run.folder / "spans")
    folder.create()
    runner: SpanRunner = Backwards(run.spec, folder, damage)
    return SplitCounting(folder, runner, run.progress, seconds)


def calibrated(run: DissectionTask, parts: SplitCounting, pace: float = 1.0) -> list[tuple[int, int]]:
    """The spans that were merged, in order; what they add up to is what one process counts."""
    whole, done = run.plan.calibration, []
    counts: Counts | None = None
    for each, counts in parts.count(whole, run.edges, None, None, pace, lambda _counts: True):
        done.append(each)
        assert counts.ranges == [(whole[0], each[1])]
    assert counts is not None
    direct = count_from(run.source, whole, run.edges)
    for name, layer in direct.layers.items():
        for part, array in vars(layer).items():
            np.testing.assert_array_equal(getattr(counts.layers[name], part), array, err_msg=part)
    return done


def test_spans_are_merged_in_order_whatever_order_they_come_in(run: DissectionTask) -> None:
    assert calibrated(run, split(run, BLOCK)) == [(0, 64), (64, 128), (128, 192), (192, 200)]


def test_damaged_counts_are_counted_again(run: DissectionTask) -> None:
    seen: set[str] = set()

    def damage(file: Path) -> None:
        if "000000064-" in file.name and file.name not in seen:
            seen.add(file.name)
            file.write_bytes(file.read_bytes()[:1000])

    parts = split(run, BLOCK, damage)
    assert len(calibrated(run, parts)) == 4
    assert len(parts.runner.counted) == 5
    parts.folder.forget("calibration", run.edges.hash, 200)
    with pytest.raises(GanatomyError, match="damaged again and again"):
        calibrated(run, split(run, 2 * BLOCK, lambda file: file.write_bytes(b"")))


def test_spans_of_an_earlier_attempt_are_used_whatever_their_size(run: DissectionTask) -> None:
    before = split(run, 2 * BLOCK)
    first = next(before.count(run.plan.calibration, run.edges, None, None, 1.0, lambda _counts: True))
    assert first[0] == (0, 128)
    again = split(run, BLOCK)
    assert calibrated(run, again) == [(0, 128), (128, 200)]
    assert again.runner.counted == []


def test_a_span_is_not_counted_by_other_edges(run: DissectionTask) -> None:
    with pytest.raises(GanatomyError, match="are others"):
        span.counted(run, Span("calibration", "0" * 64, 0, 64), run.edges, None, None, lambda: None)


@pytest.mark.slow
def test_a_job_with_helpers_publishes_what_one_process_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANATOMY_SPANS", "local")
    monkeypatch.setenv("GANATOMY_SPAN_SECONDS", "0.001")
    monkeypatch.setenv("GANATOMY_CPU_SLOTS", "2")
    layout = Client.at(tmp_path / "store").layout
    task.work(DissectionTask, spec_of(layout), Progress(layout, "job"))
    direct = dissect(generators.load("planted", None), segmenters.load("planted", None), **SIZES)
    published = bundles.latest(layout, "planted-1")
    for layer in ("layer1", "layer2"):
        for name, array in direct.arrays()[f"counts-{layer}"].items():
            found = published.array(f"counts-{layer}")[name]
            assert np.array_equal(found, array, equal_nan=array.dtype.kind == "f"), (layer, name)
    assert not list(layout.work.iterdir())
    assert not list(layout.live.glob("job-helper-*"))
