"""What a run gives its generator beside latents, from the request to the pages: truncation and classes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from children import until, worker
from example_checkpoints import EXAMPLES

from analysis.models import generators
from analysis.models.controls import random_twin
from analysis.models.generator import Generator
from analysis.models.inputs import Inputs
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents
from db import store
from db.queries import runs
from jobs.kinds import catalogue
from jobs.kinds.causes import CausesRequest
from jobs.kinds.dissection import DissectionRequest
from jobs.queue.client import Client

FEW = {"images": 32, "calibration": 32}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Client:
    """A store with a style generator (truncation) and a conditional one (class)."""
    folder = tmp_path_factory.mktemp("inputs")
    client = Client.at(folder / "store")
    for name, example in (("styles", "stylegan2/stylegan2-16"), ("classes", "biggan/biggan")):
        torch.save(EXAMPLES[example](), file := folder / f"{name}.pt")
        generators.add(name, None, file, client.layout.models, default_segmenter="scene-colours")
    return client


def request(generator: str, inputs: str | None = None) -> DissectionRequest:
    return DissectionRequest.model_validate({"generator": generator, "inputs": inputs, **FEW})


@pytest.mark.slow
def test_a_run_with_inputs_is_another_run_and_says_them_everywhere(client: Client) -> None:
    whole, half = (client.submit(request("styles", inputs)) for inputs in (None, "truncation=0.5"))
    assert whole.run_id != half.run_id
    with worker(client.layout.root):
        until(lambda: all(client.job(str(each.job_id)).ended for each in (whole, half)), 240, "both jobs")
    assert {client.job(str(each.job_id)).state for each in (whole, half)} == {"done"}
    snapshot = store.open(client.layout)
    found = runs.runs(snapshot, "dissection").set_index("run_id")["inputs"]
    assert found[half.run_id] == "truncation=0.5"
    assert found[whole.run_id] in (None, "truncation=1") or found.isna()[whole.run_id]

    layer = generators.describe("styles", client.layout.models).layers[0].name
    edit = f"ablate {layer} 0"
    pictures = [client.render("styles", edit, 1, [0], inputs).before for inputs in ("", "truncation=0.5")]
    assert Path(pictures[0][0]).read_bytes() != Path(pictures[1][0]).read_bytes()

    # What stands on a dissection takes its inputs, and does not take one of other inputs.
    concepts = runs.concepts(snapshot, half.run_id)["concept"]
    values = {"generator": "styles", "layer": layer, "concept": str(concepts.iloc[0])}
    asked = CausesRequest.model_validate(values | {"parent": half.run_id})
    assert asked.with_defaults(client.layout).inputs == "truncation=0.5"
    chosen = CausesRequest.model_validate(values | {"inputs": "truncation=0.5"})
    assert chosen.with_defaults(client.layout).parent == half.run_id
    other = CausesRequest.model_validate(values | {"inputs": "truncation=0.9"})
    with pytest.raises(GanatomyError, match=r"no finished dissection .* --inputs 'truncation=0\.9'"):
        other.with_defaults(client.layout)


def test_classes_are_drawn_by_their_weights_whatever_the_batch(client: Client) -> None:
    models = client.layout.models
    mixed = generators.load("classes", models, inputs=Inputs.parse("class=0:3,1:1"))
    alone = [generators.load("classes", models, inputs=Inputs.parse(f"class={n}")) for n in (0, 1)]
    z = latents(1, 0, 64, mixed.latent_shape)
    images, of_class = mixed.images(z), [each.images(z) for each in alone]
    first = [torch.allclose(images[i], of_class[0][i], atol=1e-4) for i in range(64)]
    assert 36 <= sum(first) <= 60  # three quarters of 64, give or take three standard deviations
    assert all(torch.allclose(images[i], of_class[1][i], atol=1e-4) for i in range(64) if not first[i])
    assert torch.allclose(mixed.images(z[5:9]), images[5:9], atol=1e-4)


@pytest.mark.parametrize(
    ("generator", "inputs", "sentence"),
    [
        ("classes", "class=99", "no class 99"),
        ("styles", "class=1", "has no input 'class'; it takes"),
        ("churches", "truncation=0.5", "it takes its latent alone"),
    ],
)
def test_inputs_that_a_generator_does_not_take_are_refused(
    client: Client, generator: str, inputs: str, sentence: str
) -> None:
    with pytest.raises(GanatomyError, match=sentence):
        client.submit(request(generator, inputs))


@pytest.mark.parametrize(
    "text", ["truncation=nan", "truncation=9", "class=1:0", "class=1,1", "noise=-1", "speed=3", "timestep=x"]
)
def test_inputs_that_cannot_be_read_are_one_sentence(text: str) -> None:
    with pytest.raises(GanatomyError) as caught:
        Inputs.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "truncation=0.7", "truncation=-1 class=207 timestep=10 noise=3", "class=1:2,3:1"]
)
def test_inputs_are_written_as_they_are_read(text: str) -> None:
    assert str(Inputs.parse(text)) == text


def test_a_stored_run_keeps_its_inputs_when_the_generators_own_change(client: Client) -> None:
    models = client.layout.models
    generators.change("styles", models, inputs="truncation=0.5")
    try:
        z = latents(1, 0, 2, generators.describe("styles", models).latent_shape)
        own, none = (generators.load("styles", models, exact=exact) for exact in (False, True))
        assert (str(own.inputs), str(none.inputs)) == ("truncation=0.5", "")
        assert not torch.equal(own.images(z), none.images(z))
        edit = f"ablate {own.layers[0].name} 0"
        before = [client.render("styles", edit, 1, [0], given).before[0] for given in (None, "")]
        assert Path(before[0]).read_bytes() != Path(before[1]).read_bytes()
    finally:
        generators.change("styles", models, inputs="")


def test_defaults_that_give_one_image_are_refused_when_they_are_used(client: Client) -> None:
    models = client.layout.models
    generators.change("styles", models, inputs="truncation=0")
    try:
        with pytest.raises(GanatomyError, match=r"same image|hardly"):
            generators.load("styles", models)
    finally:
        generators.change("styles", models, inputs="")


def test_answers_make_another_generator_of_the_same_weights(client: Client, tmp_path: Path) -> None:
    torch.save(EXAMPLES["dcgan/tutorial"](), file := tmp_path / "G.pth")
    models, names = client.layout.models, ("relu", "leaky")
    generators.add(names[0], None, file, models)
    generators.add(names[1], None, file, models, answers={"activation": "leaky_relu_0.2"})
    made = [generators.load(name, models) for name in names]
    assert made[0].identity != made[1].identity
    keys = [catalogue.weights_key(generators.describe(name, models)) for name in names]
    assert keys[0] != keys[1]
    twins = [random_twin(each) for each in made]
    assert twins[0].identity != twins[1].identity


def test_pictures_of_a_run_are_not_made_with_other_weights(client: Client) -> None:
    known = generators.load("styles", client.layout.models)
    edit = f"ablate {known.layers[0].name} 0"
    assert client.render("styles", edit, 1, [0], "", known.weights_sha256).before
    with pytest.raises(GanatomyError, match="has other weights now"):
        client.render("styles", edit, 1, [0], "", "0" * 64)


@pytest.mark.parametrize("name", ["stylegan2/stylegan2-16", "stylegan2-ada/ada-orig"])
def test_the_random_twin_of_a_truncated_generator_has_a_mean_of_its_own(name: str, tmp_path: Path) -> None:
    torch.save(EXAMPLES[name](), file := tmp_path / "G.pt")
    generators.add("mine", None, file, tmp_path / "models", inputs="truncation=0.5")
    made = generators.load("mine", tmp_path / "models")
    twin = random_twin(made)

    def mean(generator: Generator) -> torch.Tensor:
        module: Any = generator.module
        return module.mean if hasattr(module, "mean") else module.mapping.w_avg

    assert not torch.allclose(mean(made), mean(twin), atol=0.1 * float(mean(made).abs().max()))
