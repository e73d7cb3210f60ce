"""ImageNet features: the network's arithmetic, and what the published weights know of pictures."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor

from analysis.artifacts.features import content_of, features_of, name_of
from analysis.artifacts.references import reference
from analysis.models import efficientnet_lite
from analysis.models.efficientnet_lite import Convolution, EfficientNetLite, build
from analysis.shared.distances import frechet
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents


@pytest.mark.parametrize(
    ("side", "kernel", "stride"), [(7, 3, 2), (8, 3, 2), (8, 5, 2), (9, 5, 1), (8, 1, 1)]
)
def test_padding_is_tensorflows(side: int, kernel: int, stride: int) -> None:
    """A row of ones: each place sums the pixels that its window holds, the odd one of the padding last."""
    convolution = Convolution(1, 1, kernel, stride)
    with torch.no_grad():
        convolution.weight.fill_(1)
        found = convolution(torch.ones(1, 1, side, side))[0, 0]
    count = -(-side // stride)
    before = max(0, (count - 1) * stride + kernel - side) // 2
    starts = [stride * k - before for k in range(count)]
    row = torch.tensor([min(side, start + kernel) - max(0, start) for start in starts], dtype=torch.float32)
    assert torch.equal(found, torch.outer(row, row))


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Random weights under the published keys."""
    torch.manual_seed(0)
    modules = re.compile(r"([a-z]\w*)\.")  # all but the last part of a key begin with an underscore
    return {modules.sub(r"_\1.", name): value for name, value in EfficientNetLite().state_dict().items()}


def test_the_published_keys_are_read(state: dict[str, Tensor]) -> None:
    assert "_blocks.1._bn1.weight" in state
    assert build(state)(torch.zeros(2, 3, 32, 32)).shape == (2, 1280)
    with pytest.raises(GanatomyError, match="do not fit EfficientNet-Lite0"):
        build({**state, "_more": torch.zeros(1)})
    with pytest.raises(GanatomyError, match="1280 features"):
        build(state, features=2000)


def test_a_projection_keeps_distances_and_is_part_of_the_identity(state: dict[str, Tensor]) -> None:
    whole, some = build(state), build(state, features=256)
    images = torch.rand(6, 3, 40, 40) * 2 - 1
    a, b = whole(images), some(images)
    assert torch.allclose(b, a @ some.projection.weight.T, atol=1e-5)  # type: ignore[union-attr]
    directions = some.projection.weight  # type: ignore[union-attr]
    assert torch.allclose(directions @ directions.T, torch.eye(256), atol=1e-5)
    assert content_of(some) == content_of(build(state, features=256)) != content_of(whole)
    assert name_of(some) == "EfficientNet-Lite0 (ImageNet)"


def test_weights_that_are_not_here_or_damaged_are_named(tmp_path: Path) -> None:
    with pytest.raises(GanatomyError, match="not here yet"):
        efficientnet_lite.load(tmp_path)
    file = efficientnet_lite.weights_file(tmp_path)
    file.parent.mkdir()
    file.write_bytes(b"damaged")
    with pytest.raises(GanatomyError, match="is damaged"):
        efficientnet_lite.load(tmp_path)


@pytest.fixture(scope="module")
def models(pytestconfig: pytest.Config) -> Path:
    """Fetched once and kept in pytest's cache."""
    folder = pytestconfig.cache.mkdir("models")
    try:
        efficientnet_lite.fetch(folder)
    except GanatomyError as error:
        pytest.skip(f"the ImageNet weights cannot be fetched here: {error}")
    return folder


def drawing(number: int) -> Tensor:
    """A smooth picture (1, 3, 224, 224)."""
    a = torch.linspace(0, 1, 224)
    y, x = torch.meshgrid(a, a, indexing="ij")
    n = number + 1
    return torch.stack(
        [torch.sin(9 * n * x + 4 * y), torch.cos(7 * x * y * (n + 1)), torch.sin(12 * y - 5 * n * x)]
    )[None]


# Of the package efficientnet_lite_pytorch 0.1.0 with the same checkpoint: the five best classes, and scores.
KNOWN = {
    0: ([885, 772, 902, 473, 782], [5.10635, 4.938, 4.79086, 4.55759, 4.47126]),
    1: ([885, 604, 641, 906, 699], [6.48676, 4.2469, 4.13049, 4.09587, 3.93592]),
}


@pytest.mark.parametrize("number", KNOWN)
def test_scores_are_those_of_an_independent_implementation(models: Path, number: int) -> None:
    best = efficientnet_lite.load(models).logits(drawing(number))[0].topk(5)
    classes, scores = KNOWN[number]
    assert best.indices.tolist() == classes
    assert best.values.tolist() == pytest.approx(scores, abs=2e-3)


@pytest.mark.slow
def test_drawn_churches_are_told_from_noise(models: Path) -> None:
    network = efficientnet_lite.load(models, features=8)
    churches = features_of(network, reference("drawn:churches", 80)).numpy()
    noise = features_of(network, latents(0, 0, 40, (3, 64, 64)).clamp(-1, 1)).numpy()
    same, other = frechet(churches[::2], churches[1::2]), frechet(churches[::2], noise)
    assert frechet(churches, churches) == pytest.approx(0, abs=1e-4)
    assert same < 0.1 * other
    centres = torch.from_numpy(churches[::2].mean(0)), torch.from_numpy(noise[::2].mean(0))
    nearest = torch.cdist(torch.from_numpy(churches[1::2]), torch.stack(centres)).argmin(1)
    assert (nearest == 0).float().mean() > 0.9
