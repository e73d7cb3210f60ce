"""Studies made in Python are on every page once they are published."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from inverted import Bright, Inverted
from pages import Page
from torch import Tensor

from analysis import Dissection, ace, dissect, insertion_context, rank_artifacts
from analysis.models import generators, segmenters
from analysis.models.generator import Generator
from analysis.models.inputs import Inputs
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents
from db import store
from db.layout import Layout
from db.queries import runs
from db.store import bundles
from jobs.kinds.dissection import DissectionRequest
from jobs.publication import publish
from jobs.queue.client import Client

NOT_REGISTERED = "Pictures with 'my-own' cannot be rendered, because that generator is not registered"


@pytest.fixture(scope="module")
def own() -> Generator:
    return Generator(Inverted(), ["draw"], (1, 4, 4), name="my-own")


@pytest.fixture(scope="module")
def dissected(own: Generator) -> Dissection:
    return dissect(own, Bright(), images=64, calibration=64)


def test_a_dissection_of_ones_own_generator_is_on_every_page(
    own: Generator, dissected: Dissection, layout: Layout, empty: Callable[..., Page]
) -> None:
    run = publish(dissected, layout.root, owner="ada", project="notebook")
    assert run.startswith("my-own-")
    assert publish(dissected, layout.root, generator=own, segmenter=Bright()) == run  # the same once more
    row = runs.runs(store.open(layout)).iloc[0]
    assert (row.run_id, row.generator, row.segmenter, row.state) == (run, "my-own", "Bright", "final")
    assert (row.images, row.calibration, row.seed, row.owner, row.project) == (64, 64, 1, "ada", "notebook")
    assert (row.layers, row.generator_sha256) == ("layer1", own.weights_sha256)
    assert json.loads(row.settings)["generator"] == "my-own"
    assert json.loads(row.versions)["torch"]
    assert "3 units of 3, 2 detectors" in empty("units", run=run, layer="layer1").text
    for view in ("home", "unit", "layers", "compare", "jobs", "sql"):
        assert empty(view, run=run, layer="layer1", unit="0").errors == []
    page = empty("ablate", run=run, layer="layer1", by="edit", edit="ablate layer1 0")
    assert NOT_REGISTERED in "\n".join(page.errors)
    with pytest.raises(GanatomyError, match=NOT_REGISTERED):
        Client.at(layout.root).render("my-own", "ablate layer1 0", 1, [0])


def test_a_dissection_that_a_job_could_have_made_is_that_job_s_run(layout: Layout) -> None:
    models = generators.load("planted", None), segmenters.load("planted", None)
    run = publish(dissect(*models, images=64, calibration=64, seed=7), layout.root)
    request = DissectionRequest.model_validate(
        {"generator": "planted", "images": 64, "calibration": 64, "seed": 7}
    )
    assert request.resolve(layout)[1] == run
    assert DissectionRequest.model_validate(json.loads(bundles.latest(layout, run).run["settings"]))
    other = publish(dissect(*models, images=64, calibration=64, seed=7, bins=32), layout.root)
    assert other != run


def test_another_generator_under_a_registered_name_is_refused(
    own: Generator, dissected: Dissection, layout: Layout
) -> None:
    with pytest.raises(GanatomyError, match="The store has another generator 'planted'"):
        publish(dissected, layout.root, name="planted")
    with pytest.raises(GanatomyError, match="cannot be a model's name"):
        publish(dissected, layout.root, name="My GAN")
    other = Generator(Inverted(), ["draw"], (1, 4, 4), inputs=Inputs(truncation=0.5))
    with pytest.raises(GanatomyError, match="of another generator than the one given"):
        publish(dissected, layout.root, generator=other)
    with pytest.raises(GanatomyError, match="A str cannot be published"):
        publish("a result", layout.root)  # type: ignore[arg-type]
    assert not layout.current.exists()


@pytest.mark.slow
def test_studies_of_a_layer_stand_on_the_dissection(
    own: Generator, dissected: Dissection, layout: Layout, empty: Callable[..., Page], tmp_path: Path
) -> None:
    parent = publish(dissected, layout.root)
    models = {"generator": own, "segmenter": Bright()}
    found = ace(
        own, Bright(), layer="layer1", concept="shape", images=8, seeds=2, steps=5, random_sets=2, training=8
    )
    with pytest.raises(GanatomyError, match="Causes does not hold its models"):
        publish(found, layout.root)
    causes = publish(found, layout.root, **models)
    where = insertion_context(
        own, Bright(), layer="layer1", concept="shape", units=[0], images=4, measuring=64, traced=0
    )
    context = publish(where, layout.root, **models)
    pictures = own.images(sampled(own, 400))
    ranked = rank_artifacts(own, pooled, pictures, layer="layer1", images=100, sets=2, counts=(1,))
    artifacts = publish(ranked, layout.root, generator=own, segmenter=Bright())
    rows = runs.runs(store.open(layout)).set_index("run_id")
    assert list(rows.loc[[causes, context, artifacts]].kind) == ["causes", "context", "artifacts"]
    assert set(rows.loc[[causes, context, artifacts]].parent_run_id) == {parent}
    for view, run in (("causes", causes), ("context", context), ("artifacts", artifacts)):
        page = empty(view, run=run)
        assert all(NOT_REGISTERED in error for error in page.errors)
        assert "shape" in page.text or view == "artifacts"


def pooled(images: Tensor) -> Tensor:
    """Features (N, 4) of pictures: the means of their quarters."""
    return torch.nn.functional.adaptive_avg_pool2d(images[:, :1], 2).flatten(1)


def sampled(generator: Generator, count: int) -> Tensor:
    return latents(99, 0, count, generator.latent_shape)
