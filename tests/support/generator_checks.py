"""What must hold of a generator that a family builds: pictures as the published code makes them, and cuts."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from analysis.models.families.family import Parts
from analysis.models.generator import Generator
from analysis.models.inputs import Inputs
from analysis.shared.latents import latents


def checked_generator(
    parts: Parts,
    theirs: Callable[..., Tensor],
    *,
    images: int = 2,
    tolerance: float = 1e-4,
    inputs: Inputs | None = None,
) -> Generator:
    """The generator of these parts, after these checks.

    Its images are those of `theirs`, called with the same latents (and class numbers). Each layer's map has
    the size that the layer says; put back it gives the same images, and set to zero other ones.
    """
    generator = Generator.of(parts, **({} if inputs is None else {"inputs": inputs}))
    z = latents(1, 0, images, generator.latent_shape)
    given = generator._given(z)  # latents of the model's own law and shape, and class numbers
    with torch.no_grad():
        wanted = theirs(*given)
    low, high = parts.output_range
    wanted = ((wanted - low) * (2 / (high - low)) - 1).clamp(-1, 1).expand(-1, 3, -1, -1)
    made = generator.images(z)
    assert made.shape == wanted.shape
    assert wanted.std() > 0.01  # a flat picture would prove nothing
    assert (made - wanted).abs().max() <= tolerance
    for layer in generator.layers:
        cut = generator.cut(z, layer.name)
        _images, maps = generator.features(z, [layer.name])
        assert cut.r.shape == (images, layer.units, layer.height, layer.width)
        assert torch.equal(cut.r, maps[layer.name])
        assert torch.equal(cut.images, made)
        assert torch.equal(cut.tail(cut.r), made)
        assert not torch.equal(cut.tail(0 * cut.r), made)
    return generator
