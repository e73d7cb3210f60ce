"""A dissection job by label maps that were made elsewhere publishes what `dissect` gives."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from children import until, worker
from PIL import Image

from analysis import dissect
from analysis.dissection.exported_images import export_images
from analysis.models import generators, segmenters
from db.store import bundles
from jobs.kinds.dissection import DissectionRequest
from jobs.queue.client import Client


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    client = Client.at(tmp_path / "store")
    with worker(client.layout.root):
        yield client


def test_a_job_reads_labels_by_number(client: Client, tmp_path: Path) -> None:
    generator, planted = generators.load("planted", None), segmenters.load("planted", None)
    folder = export_images(generator, tmp_path / "out", images=64, calibration=64)
    (folder / "vocabulary.json").write_text('["disc", "bar", "post", "dot"]')
    for file in (folder / "images").glob("*.png"):
        pixels = torch.from_numpy(np.asarray(Image.open(file)).copy()).permute(2, 0, 1)[None]
        labels = planted.labels(pixels / 127.5 - 1)[0, 0].byte().numpy()
        Image.fromarray(labels).save(folder / "labels" / file.name)
    segmenters.add("hand", None, folder, client.layout.models)
    request = DissectionRequest.model_validate(
        {"generator": "planted", "segmenter": "hand", "images": 64, "calibration": 64}
    )
    submission = client.submit(request)
    until(lambda: client.job(str(submission.job_id)).ended, 200, "the end of the job")
    job = client.job(str(submission.job_id))
    assert (job.state, job.error) == ("done", None)
    hand = segmenters.load("hand", client.layout.models)
    direct = dissect(generator, hand, images=64, calibration=64).frame()
    published = bundles.latest(client.layout, submission.run_id).table("unit_concept")
    both = published.merge(direct, on=["layer", "unit", "concept"], suffixes=("", "_direct"))
    assert np.array_equal(both.iou, both.iou_direct, equal_nan=True)
    assert both.iou.notna().any()
