"""MobileStyleGAN: small ones made here, and the published one of ffhq beside the graph that it came as."""

from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from analysis.models import generators
from analysis.models.families.family import Parts
from analysis.models.families.mobile_stylegan import FAMILY, MobileStyleGAN, inverse_haar
from analysis.models.files.openvino_ir import read_constants
from analysis.models.generator import Generator
from analysis.models.inputs import Inputs
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

NETWORKS = ("MappingNetwork", "SynthesisNetwork")


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    module = MobileStyleGAN(8, 2, 8, [(6, 8), (6, 4)])
    return {name: torch.randn(value.shape) * 0.3 for name, value in module.state_dict().items()}


def made(parts: Parts) -> Generator:
    return Generator(
        parts.module,
        parts.layers,
        parts.latent_shape,
        extra_layers=parts.extra_layers,
        images_per_pass=parts.images_per_pass,
    )


@pytest.fixture(scope="module")
def small(state: dict[str, Tensor]) -> Generator:
    return made(FAMILY.build(state, {}, Inputs(truncation=0.7)))


def test_the_inverse_haar_transform_is_that_of_the_filters() -> None:
    x = torch.randn(2, 8, 3, 5)
    low, high = torch.tensor([1.0, 1.0]) / 2**0.5, torch.tensor([1.0, -1.0]) / 2**0.5
    mean, rows, columns, across = x.unflatten(1, (2, 4)).unbind(2)
    bands = {(low, low): mean, (high, low): rows, (low, high): columns, (high, high): across}
    expected = sum(
        functional.conv_transpose2d(
            band, torch.outer(vertical, horizontal).expand(2, 1, 2, 2), stride=2, groups=2
        )
        for (vertical, horizontal), band in bands.items()
    )
    assert torch.allclose(inverse_haar(x), torch.as_tensor(expected), atol=1e-6)


def test_layers_are_named_by_grid_and_styles_are_extras(small: Generator) -> None:
    names = [layer.name for layer in small.layers if not layer.extra]
    assert names == ["4x4", "8x8.1", "8x8.2", "16x16.1", "16x16.2"]
    assert [small.layer(name).height for name in names] == [4, 8, 8, 16, 16]
    style = small.layer("8x8.1.style")
    assert (style.units, style.height, style.width, style.extra) == (2, 1, 1, True)
    assert small.image_shape == (3, 32, 32)


@pytest.mark.parametrize("layer", ["4x4", "8x8.2", "16x16.1", "8x8.1.style", "16x16.up.style", "rgb.style"])
def test_a_tail_is_the_rest_of_the_pass_and_follows_edits(small: Generator, layer: str) -> None:
    z = latents(1, 0, 3, small.latent_shape)
    cut = small.cut(z, layer)
    assert torch.equal(cut.images, small.images(z))
    assert torch.equal(cut.tail(cut.r), cut.images)
    assert not torch.equal(cut.tail(torch.zeros_like(cut.r)), cut.images)


def test_factors_in_the_kernel_or_on_the_map_are_one_image(small: Generator) -> None:
    z = latents(1, 0, 3, small.latent_shape)
    assert torch.allclose(small.module(z), torch.cat([small.module(row) for row in z.split(1)]), atol=1e-5)


def test_an_image_is_the_same_alone_and_in_a_batch(small: Generator) -> None:
    z = latents(1, 0, 5, small.latent_shape)
    together = small.images(z)
    assert all(torch.equal(small.images(z[i : i + 1])[0], together[i]) for i in range(5))


def test_gradients_reach_a_layer(small: Generator) -> None:
    cut = small.cut(latents(1, 0, 1, small.latent_shape), "8x8.2")
    r = cut.r.clone().requires_grad_()
    cut.tail(r).sum().backward()
    assert r.grad is not None
    assert r.grad.abs().sum() > 0


def test_truncation_draws_styles_towards_their_mean(state: dict[str, Tensor]) -> None:
    z = latents(1, 0, 4, (8,))
    spread = []
    for psi in (0.0, 0.5, 1.0, None):
        module = FAMILY.build(state, {}, Inputs(truncation=psi)).module
        images = module(z)
        spread.append(float(images.std(0).mean()))
    assert spread[0] == 0
    assert spread[0] < spread[1] < spread[2] == spread[3]


def test_truncation_is_no_weight_but_part_of_the_identity(state: dict[str, Tensor]) -> None:
    half, whole = (FAMILY.build(state, {}, Inputs(truncation=psi)).module for psi in (0.5, 1.0))
    assert half.state_dict().keys() == whole.state_dict().keys() == state.keys()


@pytest.mark.parametrize("damage", ["missing", "misshapen", "unknown", "huge"])
def test_weights_that_do_not_fit_are_refused(state: dict[str, Tensor], damage: str) -> None:
    broken = dict(state)
    if damage == "missing":
        del broken["blocks.1.conv2.pointwise.weight"]
    elif damage == "misshapen":
        broken["blocks.0.conv1.noise"] = torch.zeros(1, 1, 4, 4)
    elif damage == "unknown":
        broken["more"] = torch.zeros(1)
    else:  # would take terabytes
        broken["blocks.0.conv1.pointwise.bias"] = torch.zeros(1).expand(1 << 40)
    with pytest.raises(GanatomyError, match="do not fit a MobileStyleGAN"):
        FAMILY.build(broken, {}, Inputs())
    with pytest.raises(GanatomyError, match="not those of a MobileStyleGAN"):
        FAMILY.build({"constant": torch.zeros(1)}, {}, Inputs())


@pytest.fixture(scope="module")
def models(pytestconfig: pytest.Config) -> Path:
    """Fetched once and kept in pytest's cache."""
    folder = pytestconfig.cache.mkdir("models")
    try:
        generators.fetch("ffhq", folder)
    except GanatomyError as error:
        pytest.skip(f"ffhq cannot be fetched here: {error}")
    return folder


class Published:
    """The published graphs, run by OpenVINO in full precision."""

    def __init__(self, models: Path) -> None:
        folder = generators.weights_file("ffhq", models)
        assert folder is not None
        core = openvino.Core()
        full = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        self.mapping, self.synthesis = (
            core.compile_model(str(folder.with_name(f"{name}.xml")), "CPU", full) for name in NETWORKS
        )

    def styles(self, z: Tensor) -> np.ndarray:
        return np.concatenate([self.mapping(row[None].numpy())[0].copy() for row in z])

    def images(self, w: np.ndarray) -> np.ndarray:
        return np.concatenate([self.synthesis(row[None])[0].copy() for row in w])


def test_ffhq_makes_an_image_of_the_published_graph(models: Path) -> None:
    folder = generators.weights_file("ffhq", models)
    assert folder is not None
    networks = {name: read_constants(folder.with_name(f"{name}.xml")) for name in NETWORKS}
    state = {f"{name}.{key}": value for name, found in networks.items() for key, value in found.items()}
    assert FAMILY.recognises(state)
    module = FAMILY.build(state, {}, Inputs()).module
    published, z = Published(models), latents(7, 0, 1, (512,))
    theirs, ours = published.images(published.styles(z)), module(z).numpy()
    assert np.abs(theirs - ours).max() <= 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("psi", [0.5, 0.7, 1.0])
def test_ffhq_makes_the_images_of_the_published_graph(models: Path, psi: float) -> None:
    published, generator = Published(models), generators.load("ffhq", models, inputs=Inputs(truncation=psi))
    mean = published.styles(latents(0, 0, 4096, (512,))).astype(np.float64).mean(0)
    z = latents(7, 1, 5, (512,))
    w = mean + psi * (published.styles(z) - mean)
    difference = np.abs(published.images(w.astype(np.float32)) - generator.raw_images(z).numpy())
    assert difference.max() <= 1e-3  # of values that span about 2


@pytest.mark.slow
def test_ffhq_is_as_described(models: Path) -> None:
    info, generator = generators.describe("ffhq"), generators.load("ffhq", models)
    assert generator.layers == info.layers
    assert generator.image_shape == (3, *(info.image_size or ()))
    assert generator.latent_shape == info.latent_shape
    assert sum(layer.units for layer in generator.layers if "style" not in layer.name) == 5504
    z = latents(1, 0, 2, generator.latent_shape)
    cut = generator.cut(z, "64x64.2")
    assert torch.equal(cut.tail(cut.r), generator.images(z))
    assert torch.equal(generator.images(z[1:])[0], cut.images[1])
    edited = cut.r.clone()
    edited[:, 0] = 0
    assert not torch.equal(cut.tail(edited), cut.images)
