import pytest
import torch
from torch import Tensor, nn

from analysis.models.generator import Generator
from analysis.models.layer import Layer
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents


def small(end: nn.Module | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.ConvTranspose2d(5, 8, 4),
        nn.BatchNorm2d(8),
        nn.ReLU(True),
        nn.ConvTranspose2d(8, 6, (4, 3), 2, (1, 0)),
        nn.LeakyReLU(0.2, True),
        end or nn.Conv2d(6, 3, 1),
        nn.Tanh(),
    )


def test_layers_are_found_named_and_measured() -> None:
    generator = Generator(small().train(), latent_shape=(5, 1, 1))
    assert generator.layers == (Layer("layer1", "2", 8, 4, 4), Layer("layer2", "4", 6, 8, 9))
    assert generator.image_shape == (3, 8, 9)
    assert generator.layer("layer2") == generator.layer("4")
    assert not generator.module.training
    chosen = Generator(small(), ["3", "0"], (5, 1, 1))
    assert [layer.path for layer in chosen.layers] == ["3", "0"]


def test_one_pass_gives_images_and_maps() -> None:
    generator = Generator(small(), latent_shape=(5, 1, 1))
    z = latents(1, 0, 3, (5, 1, 1))
    images, maps = generator.features(z, ["layer2", "layer1"])
    assert torch.equal(images, generator.images(z))
    assert list(maps) == ["layer2", "layer1"]
    assert maps["layer1"].shape == (3, 8, 4, 4)
    assert (maps["layer1"] >= 0).all()
    assert not images.requires_grad
    assert torch.equal(generator.tail(z, "layer1", maps["layer1"]), images)
    cut = generator.cut(z, "layer1")
    assert torch.equal(cut.images, images)
    assert not torch.equal(cut.tail(0 * cut.r), images)


def test_grey_images_become_three_channels() -> None:
    generator = Generator(small(nn.Conv2d(6, 1, 1)), latent_shape=(5, 1, 1))
    images = generator.images(latents(1, 0, 2, (5, 1, 1)))
    assert images.shape == (2, 3, 8, 9)
    assert torch.equal(images[:, 0], images[:, 2])


def test_the_hash_follows_the_weights() -> None:
    a, b = Generator(small(), latent_shape=(5, 1, 1)), Generator(small(), latent_shape=(5, 1, 1))
    assert a.weights_sha256 == b.weights_sha256
    assert a.parameters == sum(weight.numel() for weight in small().parameters())
    module = small()
    with torch.no_grad():
        module[0].weight[0, 0, 0, 0] += 1e-4
    assert Generator(module, latent_shape=(5, 1, 1)).weights_sha256 != a.weights_sha256


class Reused(nn.Module):
    """One nonlinearity in two places: which of the two is meant cannot be said by a path."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.act = nn.ConvTranspose2d(5, 6, 4), nn.Conv2d(6, 3, 1), nn.ReLU()
        self.idle = nn.ReLU()

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.act(self.two(self.act(self.one(z)))))


class Noisy(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return torch.rand(len(z), 3, 4, 4)


class Flat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.shape = nn.Linear(5, 3 * 16), nn.Unflatten(1, (3, 4, 4))

    def forward(self, z: Tensor) -> Tensor:
        return self.shape(self.linear(z))


@pytest.mark.parametrize(
    ("module", "layers", "latent_shape", "words"),
    [
        (small(), ["2", "9"], (5, 1, 1), "no module '9'"),
        (small(), [], (5, 1, 1), "No layer was named"),
        (small(), None, (7, 1, 1), "does not accept latents of shape"),
        (small(nn.Conv2d(6, 4, 1)), None, (5, 1, 1), "red, green, blue and alpha"),
        (Reused(), ["act"], (5, 1, 1), "runs 2 times in one pass"),
        (Reused(), ["idle"], (5, 1, 1), "runs 0 times in one pass"),
        (Reused(), None, (5, 1, 1), "runs 2 times in one pass.*return maps once are one"),
        (Noisy(), None, (5, 1, 1), "another image each time"),
        (Flat(), ["linear"], (5,), "returns no featuremap"),
    ],
)
def test_what_cannot_be_dissected_is_one_sentence(
    module: nn.Module, layers: list[str] | None, latent_shape: tuple[int, ...], words: str
) -> None:
    with pytest.raises(GanatomyError, match=words) as caught:
        Generator(module, layers, latent_shape)
    assert "\n" not in str(caught.value)


def test_an_unknown_layer_names_those_that_exist() -> None:
    with pytest.raises(GanatomyError, match="no layer 'layer9'; choose one of layer1, layer2"):
        Generator(small(), latent_shape=(5, 1, 1)).layer("layer9")
