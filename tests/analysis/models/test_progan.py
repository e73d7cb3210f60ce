"""The progressive generator is read from its weights alone, at every size it has grown to."""

import pytest
import torch

from analysis.models import generators
from analysis.models.families.progan import PixelNorm, build, progan
from analysis.models.generator import Generator
from analysis.models.shipped import index
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents


@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_it_is_rebuilt_from_its_weights(blocks: int) -> None:
    torch.manual_seed(0)
    module = progan((12, 10, 8, 6, 4)[:blocks], latent=7)
    parts = build(module.state_dict())
    z = latents(1, 0, 3, parts.latent_shape)
    assert parts.latent_shape == (7,)
    assert torch.equal(parts.module(z), module(z))
    generator = Generator(parts.module, parts.layers, parts.latent_shape)
    assert [(layer.units, layer.height) for layer in generator.layers] == [
        (units, 4 * 2**k) for k, units in enumerate((12, 10, 8, 6, 4)[:blocks])
    ]
    assert generator.images(z).shape == (3, 3, 64, 64)
    cut = generator.cut(z, f"layer{blocks}")
    assert torch.equal(cut.tail(cut.r), generator.images(z))


def test_foreign_weights_are_refused() -> None:
    with pytest.raises(GanatomyError, match="progressive generator"):
        build({"main.0.weight": torch.zeros(2, 2)})


def test_pixels_are_normalised() -> None:
    x = PixelNorm()(torch.randn(2, 5, 3, 3))
    assert torch.allclose(x.square().mean(1), torch.ones(2, 3, 3), atol=1e-4)


@pytest.mark.parametrize("name", [name for name, facts in index().items() if "steps" in facts])
def test_shipped_generators_are_what_the_shelf_says(name: str) -> None:
    info, generator = generators.describe(name), generators.load(name, None)
    assert generator.layers == info.layers
    assert generator.latent_shape == info.latent_shape
    assert generator.image_shape == (3, *(info.image_size or ()))
    images = generator.images(latents(5, 0, 16, generator.latent_shape))
    assert images.abs().max() <= 1
    assert images.std(0).mean() > 0.1  # not one picture again and again
