"""Cohen's kappa of two segmenters, against plain counting."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from analysis.dissection.segmenter_agreement import kappa, kappas
from analysis.models.generator import Generator
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_kappa_is_that_of_plain_counting(pixels: list[tuple[bool, bool]]) -> None:
    a, b = np.array(pixels).T
    counts = np.array([(a & b).sum(), (a & ~b).sum(), (~a & b).sum(), (~a & ~b).sum()])
    found = kappa(counts[None])[0]
    same = (a == b).mean()
    chance = a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean())
    if chance == 1 or not (a | b).any():
        assert np.isnan(found)
    else:
        assert found == pytest.approx((same - chance) / (1 - chance))


class Cut:
    """Marks what is brighter than `at`, as `names`."""

    def __init__(self, at: float, *names: str) -> None:
        self.at = at
        self.concepts: Sequence[Concept] = [Concept(name) for name in names]

    def labels(self, images: Tensor) -> Tensor:
        return (images[:, :1] > self.at).long() * len(self.concepts)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return images[:, 0]


def test_two_segmenters_of_planted_pictures() -> None:
    module = nn.Sequential(nn.ConvTranspose2d(8, 3, 8), nn.Tanh())
    torch.manual_seed(0)
    nn.init.normal_(module[0].weight)
    generator = Generator(module, ["0"], latent_shape=(8, 1, 1))
    first, second = Cut(0.0, "dark", "bright"), Cut(0.3, "bright")
    found = kappas(generator, first, second, 1, (64, 190))
    assert found.concept.tolist() == ["bright"]
    images = generator.images(latents(1, 64, 190, (8, 1, 1)))[:, 0]
    a, b = images > 0, images > 0.3
    same = float((a == b).float().mean())
    p, q = float(a.float().mean()), float(b.float().mean())
    chance = p * q + (1 - p) * (1 - q)
    assert found.kappa[0] == pytest.approx((same - chance) / (1 - chance), abs=1e-3)
    with pytest.raises(GanatomyError, match="no concept in common"):
        kappas(generator, first, Cut(0.0, "other"), 1, (64, 128))
