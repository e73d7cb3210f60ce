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
    return enlarged(z) / SPREAD


def enlarged(z: Tensor) -> Tensor:
    return nn.functional.interpolate(z[:, :16].reshape(-1, 1, 4, 4), SIDE, mode="bicubic")[:, 0]


# Of many images, and not of a batch: the image of a latent is the same in any batch.
SPREAD = float(enlarged(latents(0, 0, 4096, (17,))).std())


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

    assert found(lambda z: smooth(z) - 0.8, spiked).frame().iou[0] > 0.92


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
    row = found(smooth, noisy).frame().iloc[0]
    assert row.detector
    assert row.lift == pytest.approx((row.iou - row.mask_iou) / (1 - row.mask_iou))
    assert 0 < row.lift_low < row.lift < row.lift_high
    assert row.correlation > 0.5
    assert row.average_precision > row.always_on + 0.3


def test_a_unit_that_is_low_on_its_concept_is_a_detector_on_the_low_side() -> None:
    """It inhibits: high everywhere but on the concept. Its twin with the opposite sign scores the same."""

    def both(field: Tensor) -> Tensor:
        return torch.stack([torch.sigmoid(3 * field), 1 - torch.sigmoid(3 * field)], 1)

    made = found(lambda z: smooth(z) - 0.5, both)
    high, low = (row for _, row in made.frame().iterrows())
    assert (high.side, low.side) == ("high", "low")
    assert high.detector
    assert low.detector
    assert low.iou == pytest.approx(high.iou, abs=0.04)
    assert low.lift_low == pytest.approx(high.lift_low, abs=0.06)
    assert low.correlation == pytest.approx(-high.correlation, abs=1e-4)
    assert low.average_precision == pytest.approx(high.average_precision, abs=0.01)
    images = made.tables()["unit_image"].set_index("unit").activation
    assert images[0].min() > 0.9, "the images that activate it most"
    assert images[1].max() < 0.1, "the images that activate it least: there is the concept"
    assert images[1].is_monotonic_increasing
    units = made.tables()["unit"]
    assert units.nearest_correlation.tolist() == pytest.approx([-1, -1], abs=1e-3)
    only_high = dissect(
        Generator(Drawn(lambda z: smooth(z) - 0.5, both), ["draw"], latent_shape=(17, 1, 1)),
        Signs(),
        images=192,
        calibration=192,
        seed=1,
        sides="high",
    ).frame()
    assert only_high.iloc[1].isna().iou


@pytest.mark.parametrize("share", [0.005, 0.02, 0.1, 0.4])
def test_a_unit_and_its_opposite_score_the_same(share: float) -> None:
    shift = torch.distributions.Normal(0, 1).icdf(torch.tensor(share))
    made = found(
        lambda z: smooth(z) + shift,
        lambda field: torch.stack([torch.sigmoid(3 * field), -torch.sigmoid(3 * field)], 1),
        calibration=640,
    )
    high, low = (row for _, row in made.frame().iterrows())
    assert low.iou == pytest.approx(high.iou, abs=0.12)
    assert low.iou > 0.75
    assert low.average_precision == pytest.approx(high.average_precision, abs=0.1)


class Two:
    """Marks a large concept, what is not dark, and a small one, what is bright."""

    concepts: Sequence[Concept] = [Concept("large"), Concept("small")]

    def labels(self, images: Tensor) -> Tensor:
        value = images[:, :1]
        return torch.cat([(value > -0.5).long(), 2 * (value > 0.5).long()], 1)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return images[:, 0]


class Levels(Drawn):
    """Draws dark, grey and bright: bright is always within what is not dark."""

    def forward(self, z: Tensor) -> Tensor:
        field = self._field(z.flatten(1))
        self.draw(self._units(field))
        shade = (field > -1.2).float() + (field > 0.9).float() - 1
        return shade[:, None].expand(-1, 3, -1, -1)


def leveled(units: Callable[[Tensor], Tensor], **options: object) -> Dissection:
    generator = Generator(Levels(smooth, units), ["draw"], latent_shape=(17, 1, 1))
    return dissect(generator, Two(), images=256, calibration=256, seed=1, **options)  # type: ignore[arg-type]


def noisy(field: Tensor) -> Tensor:
    """A unit for the small concept, with noise; on the high side it also marks some of the large one."""
    noise = torch.randn(field.shape, generator=torch.Generator().manual_seed(len(field)))
    return (field + 0.8 * noise)[:, None]


def test_the_name_is_the_concept_of_the_largest_lift_and_not_the_largest_one() -> None:
    frame = leveled(noisy).frame().set_index("concept")
    assert frame.loc["large", "iou"] > 0.8 > frame.loc["small", "iou"]
    assert frame.loc["large", "largest_iou"]
    assert frame.loc["small", "lift"] > frame.loc["large", "lift"]
    assert frame.loc["small", "label"]
    assert frame.loc["small", "detector"]
    named = leveled(noisy, naming="iou").frame().set_index("concept")
    assert named.loc["large", "label"]


def test_a_unit_that_follows_two_concepts_keeps_both() -> None:
    made = leveled(lambda field: (0.5 * (field > 0.9) + 1.0 * (field > -1.2) + 0.01 * field)[:, None])
    assert made.frame().detector.all()
    unit = made.tables()["unit"].iloc[0]
    assert unit.detected == 2
    assert unit.name_share > 0.9


def test_a_unit_that_knows_nothing_has_no_name_that_holds() -> None:
    made = leveled(
        lambda field: torch.randn(len(field), 24, 16, 16, generator=torch.Generator().manual_seed(len(field)))
    )
    assert not made.frame().detector.any()
    units = made.tables()["unit"]
    assert units.concept.isna().mean() > 0.8, "its lift on calibration images is not over 0"
    assert (units.detected == 0).all()
    assert units.likely_names.str.contains("no name").mean() > 0.8


def test_dead_constant_and_like_units_are_flagged() -> None:
    def some(field: Tensor) -> Tensor:
        zero = torch.zeros_like(field)
        return torch.stack([field, 2 * field + 1, zero, zero + 3, torch.roll(field, 7, 1)], 1)

    units = found(smooth, some).tables()["unit"]
    assert units.activity.tolist() == ["varies", "varies", "dead", "constant", "varies"]
    assert units.alike.tolist() == [0, 0, 2, 3, 4]
    assert units.nearest_unit.tolist()[:2] == [1, 0]
    assert units.nearest_correlation[0] == pytest.approx(1, abs=1e-4)
    assert units.nearest_unit.isna().tolist() == [False, False, True, True, False]


def test_the_pilot_spreads_over_the_calibration() -> None:
    assert pilot_latents(0, 40) == list(range(40))
    assert pilot_latents(64, 128) == list(range(64, 128))
    spread = pilot_latents(0, 500)
    assert len(spread) == 175
    assert spread[0] == 0
    assert max(spread) >= 496
    assert len(pilot_latents(0, 10**6)) == 1024
