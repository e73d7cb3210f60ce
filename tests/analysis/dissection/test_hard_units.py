"""Units whose truth is known and whose values are awkward: large concepts, rare ones, outliers, constants."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from analysis.counting.passes import pilot_latents
from analysis.dissection.dissection import Dissection, dissect
from analysis.models.generator import Generator
from analysis.shared.concepts import Concept
from analysis.shared.latents import latents

SIDE = 16


class Drawn(nn.Module):
    """Draws a concept as the sign of a field: the field is `field(z)`, (N, 16, 16), over 0 on the concept.

    Its one layer has the unit that `units` makes of the field, at the picture's own size.
    """

    def __init__(self, field: Callable[[Tensor], Tensor], units: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.draw = nn.Identity()
        self._field, self._units = field, units

    def forward(self, z: Tensor) -> Tensor:
        field = self._field(z.flatten(1))
        self.draw(self._units(field))
        return torch.where(field > 0, 1.0, -1.0)[:, None].expand(-1, 3, -1, -1)


class Signs:
    """Marks what is bright."""

    concepts: Sequence[Concept] = [Concept("shape")]

    def labels(self, images: Tensor) -> Tensor:
        return (images[:, :1] > 0).long()

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return images[:, 0]


def smooth(z: Tensor) -> Tensor:
    """A smooth random field (N, 16, 16) with mean 0 and spread 1."""
    coarse = nn.functional.interpolate(z[:, :16].reshape(-1, 1, 4, 4), SIDE, mode="bicubic")[:, 0]
    return coarse / coarse.flatten(1).std()


def found(
    field: Callable[[Tensor], Tensor],
    units: Callable[[Tensor], Tensor],
    calibration: int = 192,
    seed: int = 1,
) -> Dissection:
    generator = Generator(Drawn(field, units), ["draw"], latent_shape=(17, 1, 1))
    return dissect(generator, Signs(), images=192, calibration=calibration, seed=seed)


@pytest.mark.parametrize("share", [0.2, 0.52, 0.61, 0.7, 0.87, 0.95])
def test_a_perfect_unit_scores_whatever_the_size_of_its_concept(share: float) -> None:
    shift = torch.distributions.Normal(0, 1).icdf(torch.tensor(share))
    made = found(lambda z: smooth(z) + shift, lambda field: torch.sigmoid(4 * field)[:, None])
    row = made.frame().iloc[0]
    assert row.always_on == pytest.approx(share, abs=0.06)
    assert row.iou > max(0.93, row.always_on)


@pytest.mark.parametrize("size", [10.0, 100.0, 1e4, -1e4])
def test_a_few_outliers_take_little_from_a_perfect_unit(size: float) -> None:
    def spiked(field: Tensor) -> Tensor:
        spikes = torch.rand(field.shape, generator=torch.Generator().manual_seed(len(field))) < 0.0024
        return torch.where(spikes, size, 3 + field)[:, None]

    assert found(lambda z: smooth(z) - 0.8, spiked).frame().iou[0] > 0.93


def test_a_perfect_unit_for_a_concept_in_few_images_scores() -> None:
    """It is in one image of sixteen, and in none of the first 64."""

    def rare(z: Tensor) -> Tensor:
        return torch.where(z[:, 16, None, None] > 1.55, smooth(z), smooth(z) - 9)

    def graded(field: Tensor) -> Tensor:
        """3 and more on the concept, 1 in the rest of its images, 0 in all others."""
        return torch.where(field > 0, 3 + field, (field > -5).float())[:, None]

    late = [seed for seed in range(300) if latents(seed, 0, 64, (17, 1, 1))[:, 16].max() < 1.55]
    for seed in late[:3]:
        made = found(rare, graded, 640, seed)
        assert made.calibration_counts.shown[0] >= 20
        assert made.frame().iou[0] > 0.9


@pytest.mark.parametrize("value", [0.1, 123.456, -7.3])
@pytest.mark.parametrize("cells", [3, 5, 7])
def test_a_constant_unit_has_no_threshold(value: float, cells: int) -> None:
    """Interpolation rounds it, and differently from pixel to pixel; the concept is more in some places."""
    places = torch.linspace(-1, 1, SIDE).expand(SIDE, SIDE)
    made = found(lambda z: smooth(z) + places, lambda f: torch.full((len(f), 1, cells, cells), value))
    assert made.frame().iou.isna().all()
    assert not made.frame().label.any()


@pytest.mark.parametrize("calibration", [64, 192])
def test_a_unit_that_is_the_same_in_every_image_is_no_detector(calibration: int) -> None:
    """It is the true map of where the concept is, so it often scores more than the mask that was fitted."""
    line = torch.linspace(-1.5, 1.5, SIDE)
    disc = 1.2 - line[:, None] ** 2 - line[None] ** 2
    scores_more = []
    for seed in range(6):
        made = found(
            lambda z: smooth(z) + disc - 1,
            lambda field: disc.expand(len(field), 1, SIDE, SIDE),
            calibration,
            seed,
        )
        row = made.frame().iloc[0]
        scores_more.append(row.iou > row.mask_iou)
        assert not row.detector  # its q-value says that it follows no image
    assert sum(scores_more) >= 3


def test_a_unit_that_follows_its_concept_is_a_detector() -> None:
    row = found(smooth, lambda field: torch.relu(field)[:, None]).frame().iloc[0]
    assert row.detector
    assert 0 < row.over_mask_low < row.iou - row.mask_iou < row.over_mask_high


def test_the_pilot_spreads_over_the_calibration() -> None:
    assert pilot_latents(0, 40) == list(range(40))
    assert pilot_latents(64, 128) == list(range(64, 128))
    spread = pilot_latents(0, 500)
    assert len(spread) == 175
    assert spread[0] == 0
    assert max(spread) >= 496
    assert len(pilot_latents(0, 10**6)) == 1024
