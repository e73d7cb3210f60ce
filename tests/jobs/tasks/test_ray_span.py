"""A span as a Ray node counts it: with nothing but what it is given by value."""

from pathlib import Path

import numpy as np
import pytest
import torch
from example_checkpoints import EXAMPLES

from analysis.counting.counts import Counts
from analysis.counting.passes import Source, count_from
from analysis.dissection.spans import Span
from analysis.models import generators, segmenters
from analysis.shared.errors import GanatomyError
from jobs.kinds.dissection import DissectionRequest
from jobs.queue.client import Client
from jobs.spans.folder import plain
from jobs.spans.helpers import span_request
from jobs.tasks.dissection import DissectionTask
from jobs.tasks.process import Spec
from jobs.tasks.progress import Progress
from jobs.tasks.ray_span import counted_bytes


@pytest.fixture
def run(tmp_path: Path) -> DissectionTask:
    """A dissection of a generator that was added to a store."""
    layout = Client.at(tmp_path / "store").layout
    torch.save(EXAMPLES["dcgan/tutorial"](), file := tmp_path / "mine.pth")
    generators.add("mine", None, file, layout.models, default_segmenter="scene-colours")
    request = DissectionRequest.model_validate({"generator": "mine", "images": 64, "calibration": 128})
    request = request.with_defaults(layout)
    values, now = request.model_dump(mode="json"), "2026-01-01T00:00:00"
    spec = Spec(str(layout.root), "job", "mine-1", "dissect", values, "cpu", "cpu-0", 1, now)
    return DissectionTask(spec, Progress(layout, "job"), request)


def test_a_node_without_the_store_counts_the_same(run: DissectionTask, tmp_path: Path) -> None:
    models = run.spec.layout.models
    files = generators.files("mine", models) + segmenters.files("scene-colours", models)
    given = {str(file.relative_to(models)): file.read_bytes() for file in files}
    assert sorted(given) == ["generators/mine.json", "generators/mine.safetensors"]
    run.edges.save(tmp_path / "edges.npz")
    span = Span("calibration", run.edges.hash, 64, 128)
    asked = span_request(vars(run.spec), [plain(span)]) | {"threads": 1}
    (tmp_path / "counts.npz").write_bytes(
        counted_bytes(asked, (tmp_path / "edges.npz").read_bytes(), b"", given)
    )
    found = Counts.load(tmp_path / "counts.npz")
    whole = count_from(
        Source(run.generator, run.segmenter, run.plan, None), (span.start, span.stop), run.edges
    )
    assert found.about == whole.about
    for name, layer in whole.layers.items():
        for part, array in vars(layer).items():
            np.testing.assert_array_equal(getattr(found.layers[name], part), array, err_msg=part)


def test_a_model_cannot_lie_elsewhere(run: DissectionTask) -> None:
    asked = span_request(vars(run.spec), [plain(Span("calibration", "0" * 64, 0, 64))]) | {
        "threads": 1,
        "run": "x",
    }
    with pytest.raises(GanatomyError, match="no path of a model"):
        counted_bytes(asked, b"", b"", {"../../elsewhere": b""})
