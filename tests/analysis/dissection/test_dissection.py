"""Dissections from end to end: sharding, odd generators and bad input."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from analysis.counting.counts import Counts
from analysis.counting.passes import Source, check_finite, count, make_pictures, pilot
from analysis.counting.plan import Plan, blocks, partner_offsets
from analysis.counting.thresholds import Thresholds, choose
from analysis.dissection.dissection import describe, dissect, measure
from analysis.models import generators
from analysis.models.controls import random_twin, rotated, rotation, scales
from analysis.models.generator import Generator
from analysis.shared.bilinear import skipped
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents


class Halves:
    """Left and right, where the image is bright; one concept that never occurs, one that always does."""

    concepts: Sequence[Concept] = [
        Concept("left"),
        Concept("right"),
        Concept("never"),
        Concept("all", "ground"),
    ]

    def __init__(self) -> None:
        self.segmented = 0

    def labels(self, images: Tensor) -> Tensor:
        self.segmented += len(images)
        bright = (images.mean(1) > images.mean((1, 2, 3))[:, None, None]).long()
        middle = images.shape[3] // 2
        bright[:, :, middle:] *= 2
        return torch.stack([bright, torch.full_like(bright, 4)], dim=1)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return images.mean(1).sigmoid()


class Odd(nn.Module):
    """A generator of images 12 x 20 whose first layer is 1 x 1 and whose second returns a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.flat, self.pair = nn.Sequential(nn.Conv2d(8, 6, 1), nn.ReLU()), Pair()
        self.draw = nn.Sequential(nn.Conv2d(5, 3, 1), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        maps, _extra = self.pair(self.flat(z))
        return self.draw(nn.functional.interpolate(maps, (12, 20), mode="bilinear"))


class Pair(nn.Module):
    """A layer that returns its map and something else; unit 3 is constant, unit 4 is NaN in places."""

    def __init__(self) -> None:
        super().__init__()
        self.widen = nn.Conv2d(6, 5 * 15, 1)

    def forward(self, r: Tensor) -> tuple[Tensor, Tensor]:
        maps = torch.relu(self.widen(r)).view(-1, 5, 3, 5).clone()
        maps[:, 3] = 2.0
        return maps, r


def odd() -> Generator:
    torch.manual_seed(0)
    return Generator(Odd(), ["flat.1", "pair"], latent_shape=(8, 1, 1))


def equal(one: Counts, other: Counts) -> None:
    for name, layer in one.layers.items():
        for part, value in vars(layer).items():
            np.testing.assert_array_equal(getattr(other.layers[name], part), value, err_msg=f"{name} {part}")
        best, again = one.top_images.layers[name].ordered(), other.top_images.layers[name].ordered()
        np.testing.assert_array_equal(best.latents, again.latents)
        np.testing.assert_array_equal(best.maps, again.maps)
    for part in ("places", "areas", "shown", "overlap", "constant_replicas"):
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part))


def test_any_sharding_in_any_order_gives_the_same_counts(tmp_path: Path) -> None:
    generator, segmenter, plan = odd(), Halves(), Plan.make(images=150, calibration=70, seed=5)
    edges = pilot(generator, segmenter, plan)
    calibration = count(generator, segmenter, plan, plan.calibration, edges)
    thresholds = choose(calibration)
    first, last = plan.evaluation
    whole = count(generator, segmenter, plan, plan.evaluation, edges, thresholds)
    parts = [
        count(generator, segmenter, plan, span, edges, thresholds)
        for span in [(first + 128, last), (first, first + 64), (first + 64, first + 128)]
    ]
    for k, part in enumerate(parts):
        part.save(tmp_path / f"{k}.npz")
    loaded = [Counts.load(tmp_path / f"{k}.npz") for k in range(3)]
    merged = loaded[0].merge(loaded[1]).merge(loaded[2])
    equal(whole, merged)
    equal(whole, loaded[2].merge(loaded[0].merge(loaded[1])))
    assert merged.ranges == [plan.evaluation]
    assert merged.hash == whole.hash
    assert not merged.top_images.pictures  # no file holds pictures; they are made again
    make_pictures(Source(generator, segmenter, plan, None), merged)
    assert merged.top_images.pictures.keys() == whole.top_images.pictures.keys()
    for latent, picture in whole.top_images.pictures.items():
        assert np.abs(merged.top_images.pictures[latent].astype(int) - picture).max() <= 1
    with pytest.raises(GanatomyError, match="count each image once"):
        merged.merge(loaded[1])
    with pytest.raises(GanatomyError, match="pass"):
        merged.merge(calibration)


def test_the_size_of_a_generators_batch_does_not_change_counts() -> None:
    class Slow(Generator):
        """Makes images three at a time."""

        def features(self, z: Tensor, layers: Sequence[str]) -> tuple[Tensor, dict[str, Tensor]]:  # type: ignore[override]
            made = [super(Slow, self).features(part, layers) for part in z.split(3)]
            return torch.cat([images for images, _ in made]), {
                name: torch.cat([maps[name] for _, maps in made]) for name in layers
            }

    torch.manual_seed(0)
    slow = Slow(Odd(), ["flat.1", "pair"], latent_shape=(8, 1, 1))
    one = dissect(odd(), Halves(), images=64, calibration=64).evaluation_counts
    two = dissect(slow, Halves(), images=64, calibration=64).evaluation_counts
    for name, layer in one.layers.items():
        # The last bit of a convolution may depend on the batch: then a pixel may fall beyond an edge.
        moved = np.abs(layer.pixels - two.layers[name].pixels).sum() / layer.pixels.sum()
        assert moved < 1e-3


def test_shards_of_other_edges_or_thresholds_are_refused(tmp_path: Path) -> None:
    generator, segmenter, plan = odd(), Halves(), Plan.make(images=64, calibration=64, seed=5)
    edges = pilot(generator, segmenter, plan)
    calibration = count(generator, segmenter, plan, plan.calibration, edges)
    thresholds = choose(calibration)
    thresholds.save(tmp_path / "t.npz")
    assert Thresholds.load(tmp_path / "t.npz").hash == thresholds.hash
    others = choose(calibration, 0.01)
    one = count(generator, segmenter, plan, plan.evaluation, edges, thresholds)
    two = count(generator, segmenter, plan, plan.evaluation, edges, others)
    with pytest.raises(GanatomyError, match="thresholds"):
        one.merge(two)
    with pytest.raises(GanatomyError, match="other edges or thresholds"):
        measure(plan, describe(generator, segmenter), edges, others, calibration, one)
    with pytest.raises(GanatomyError, match="no shard"):
        count(generator, segmenter, plan, (64, 100), edges, thresholds)
    second = pilot(generator, segmenter, Plan.make(images=64, calibration=64, seed=6))
    with pytest.raises(GanatomyError, match="other bin edges"):
        count(generator, segmenter, plan, plan.evaluation, second, thresholds)


def test_odd_layers_absent_and_omnipresent_concepts() -> None:
    segmenter = Halves()
    result = dissect(odd(), segmenter, images=100, calibration=80, seed=2)
    assert segmenter.segmented == 180, "each image once: the pilot's block is not segmented again"
    frame = result.frame()
    assert set(frame["layer"]) == {"layer1", "layer2"}
    assert frame[frame["concept"].isin(["never", "all"])]["threshold"].isna().all()
    assert frame.query("layer == 'layer2' and unit == 3")["threshold"].isna().all()
    concept = result.tables()["concept"].set_index("concept")
    assert concept.loc["all", "frequency"] == 1.0
    assert concept.loc["never", "images"] == 0


def test_nan_and_infinite_activations_are_counted_as_lowest_and_highest() -> None:
    class Broken(Pair):
        def forward(self, r: Tensor) -> tuple[Tensor, Tensor]:
            maps, extra = super().forward(r)
            maps[:, 4], maps[:, 2] = torch.nan, torch.inf
            return maps, extra

    torch.manual_seed(0)
    module = Odd()
    module.pair = Broken()
    module.draw = nn.Sequential(nn.Conv2d(5, 3, 1), nn.Tanh())
    original = module.draw.forward
    module.draw.forward = lambda maps: original(maps.nan_to_num(0, 0, 0))  # type: ignore[method-assign]
    generator = Generator(module, ["pair"], latent_shape=(8, 1, 1))
    result = dissect(generator, Halves(), images=64, calibration=64)
    pixels = result.evaluation_counts.layers["layer1"].pixels
    assert pixels[4, 0] == pixels[4].sum()
    assert pixels[2, -1] == pixels[2].sum()
    assert result.frame().query("unit in (2, 4)")["threshold"].isna().all()


def test_a_layer_without_any_finite_activation_is_refused() -> None:
    with pytest.raises(GanatomyError, match="'layer1' has no finite activation in the image of latent 7"):
        check_finite({"layer1": torch.full((3, 2, 4, 4), torch.nan)}, [7, 8, 9])
    r = torch.rand(3, 2, 4, 4)
    r[1] = torch.inf
    with pytest.raises(GanatomyError, match="latent 8"):
        check_finite({"layer1": r}, [7, 8, 9])
    r = torch.rand(3, 2, 4, 4)
    r[:, 1] = torch.nan  # one unit only
    check_finite({"layer1": r, "layer2": 1e38 * torch.ones(2, 9, 9, 9)}, [7, 8, 9])


def test_too_few_images_are_said(caplog: pytest.LogCaptureFixture) -> None:
    result = dissect(odd(), Halves(), images=8, calibration=64, layers=["layer1"])
    assert "8 evaluation images confirm no name and give no interval; 20 do" in caplog.text
    caplog.clear()

    class Never(Halves):
        def labels(self, images: Tensor) -> Tensor:
            return torch.zeros_like(super().labels(images))

    result = dissect(odd(), Never(), images=64, calibration=64, layers=["layer1"])
    assert result.frame()["iou"].isna().all()
    assert "No unit is scored: 0 of 64 calibration images show the most frequent concept" in caplog.text


def test_a_fixed_tail_is_what_was_asked_for() -> None:
    result = dissect(odd(), Halves(), images=400, calibration=400, threshold=0.05, seed=3)
    tails = result.frame().query("concept == 'left' and layer == 'layer2' and unit < 3")["tail"]
    assert tails.between(0.035, 0.068).all()


def test_names_chosen_on_evaluation_images_have_no_interval() -> None:
    result = dissect(odd(), Halves(), images=64, calibration=64, naming="evaluation")
    assert result.frame()[["iou_low", "lift_low"]].isna().all(axis=None)
    assert result.frame()["lift"].notna().any()


def test_rotated_units_are_another_basis_of_the_same_space() -> None:
    matrix = rotation(6, 1, "layer1")
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(6))
    result = dissect(odd(), Halves(), images=64, calibration=64, layers=["layer1"], rotation=1)
    plain = dissect(odd(), Halves(), images=64, calibration=64, layers=["layer1"])
    assert not np.allclose(result.frame()["iou"].to_numpy(), plain.frame()["iou"].to_numpy(), equal_nan=True)


class Scaled(nn.Module):
    """A layer whose units have other scales and offsets, which the rest of the generator takes back."""

    def __init__(self, scale: Sequence[float], offset: Sequence[float]) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Conv2d(8, 6 * 15, 1), nn.Unflatten(1, (6, 15)))
        self.scale, self.offset = (torch.tensor(x)[:, None, None] for x in (scale, offset))
        self.scaled, self.draw = nn.Identity(), nn.Conv2d(6, 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        maps = self.layer(z).view(-1, 6, 3, 5)
        maps = (self.scaled(maps * self.scale + self.offset) - self.offset) / self.scale
        return self.draw(nn.functional.interpolate(maps, (12, 20), mode="bilinear"))


def scaled(scale: Sequence[float], offset: Sequence[float]) -> Generator:
    torch.manual_seed(0)
    return Generator(Scaled(scale, offset), ["scaled"], latent_shape=(8, 1, 1))


class Coarse(Halves):
    """The same labels on a grid of a quarter of the image's side."""

    def labels(self, images: Tensor) -> Tensor:
        return super().labels(images)[:, :, ::4, ::4]


def test_a_layer_whose_cells_are_skipped_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """Twelve rows and twenty columns on label maps of 3 x 5: of 16 cells four have a weight."""
    torch.manual_seed(0)
    draw = nn.Sequential(nn.Upsample((12, 20)), nn.Conv2d(8, 6, 1), nn.Conv2d(6, 3, 1))
    generator = Generator(draw, ["0", "1"], latent_shape=(8, 1, 1))
    pilot(generator, Halves(), Plan.make(images=64, calibration=64))
    assert not caplog.records
    pilot(generator, Coarse(), Plan.make(images=64, calibration=64, layers=["layer2"]))
    (record,) = caplog.records
    assert "layer2 has 12 x 20 cells, and label maps 3 x 5 pixels: 75 %" in record.getMessage()
    for cells, pixels in ((12, 3), (10, 7), (8, 4), (5, 9), (7, 2)):  # beside torch, one cell at a time
        maps = torch.eye(cells)[:, None, :, None]
        read = nn.functional.interpolate(maps, (pixels, 1), mode="bilinear").abs().sum((1, 2, 3)) > 0
        assert skipped((cells, 1), (pixels, 1)) == pytest.approx(1 - float(read.float().mean()))


def test_a_rotation_mixes_units_of_all_scales_alike() -> None:
    """A unit of large values is in an axis as much as the rotation says, and no more."""
    scale, offset = (1000.0, 1.0, 0.01, 4.0, 0.5, 30.0), (5.0, 0.0, 100.0, -3.0, 0.0, 0.0)
    wide, plain = scaled(scale, offset), scaled([1.0] * 6, [0.0] * 6)
    z = torch.randn(500, 8, 1, 1, generator=torch.Generator().manual_seed(1))
    r, again = (g.features(z, ["layer1"])[1]["layer1"] for g in (wide, plain))
    found = rotated(r, 1, "layer1", scales(wide, ["layer1"], 4)["layer1"])
    other = rotated(again, 1, "layer1", scales(plain, ["layer1"], 4)["layer1"])
    torch.testing.assert_close(found, other, rtol=1e-3, atol=0.05)  # the unit at 100 +- .01 in float32
    # Against the definition, on numpy.
    values = again.double().numpy().transpose(1, 0, 2, 3).reshape(6, -1)
    reference = plain.features(latents(4, 0, 640, (8, 1, 1)), ["layer1"])
    known = reference[1]["layer1"].double().numpy().transpose(1, 0, 2, 3).reshape(6, -1)
    standard = (values - known.mean(1, keepdims=True)) / known.std(1, keepdims=True)
    expected = rotation(6, 1, "layer1").double().numpy() @ standard
    assert np.allclose(other.numpy().transpose(1, 0, 2, 3).reshape(6, -1), expected, atol=1e-4)
    one, two = (
        dissect(g, Halves(), images=64, calibration=64, rotation=1).frame()["iou"].to_numpy()
        for g in (wide, plain)
    )
    assert np.allclose(one, two, atol=0.02, equal_nan=True)
    assert np.isfinite(one).any()


def test_a_rotation_leaves_constant_units_constant() -> None:
    generator = odd()
    found = scales(generator, ["layer2"], 1)["layer2"]
    assert found.spread[3] == 1.0
    assert found.mean[3] == 2.0


def test_shards_of_a_rotated_run_add_up() -> None:
    generator, segmenter = odd(), Halves()
    plan = Plan.make(images=128, calibration=64, seed=5, layers=["layer1"], rotation=2)
    edges = pilot(generator, segmenter, plan)
    thresholds = choose(count(generator, segmenter, plan, plan.calibration, edges))
    first, last = plan.evaluation
    spans = [(first, last), (first + 64, last), (first, first + 64)]
    whole, late, early = (count(generator, segmenter, plan, span, edges, thresholds) for span in spans)
    equal(whole, late.merge(early))


def test_a_random_twin_has_other_weights_and_the_same_shape() -> None:
    generator = odd()
    before = generator.weights_sha256
    twin = random_twin(generator, seed=3)
    assert twin.weights_sha256 != before
    assert twin.layers == generator.layers
    assert random_twin(generator, seed=3).weights_sha256 == twin.weights_sha256
    assert generator.weights_sha256 == before


def test_a_random_twin_of_a_normalised_generator_makes_pictures_that_vary() -> None:
    """Eight layers with batch normalisation; a reset alone leaves pictures that are grey."""
    torch.manual_seed(0)
    blocks = [
        part
        for _ in range(8)
        for part in (nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    ]
    module = nn.Sequential(
        nn.ConvTranspose2d(8, 16, 8), *blocks, nn.Conv2d(16, 3, 3, padding=1), nn.Tanh()
    ).train()
    for _ in range(30):
        module(torch.randn(64, 8, 1, 1))  # its running statistics are those of its own activations
    for part in module:
        if isinstance(part, nn.Conv2d):
            nn.init.normal_(part.weight, std=0.2)
    for _ in range(60):
        module(torch.randn(64, 8, 1, 1))
    generator = Generator(module, latent_shape=(8, 1, 1))
    z = torch.randn(64, 8, 1, 1)
    twin = random_twin(generator)
    assert float(twin.images(z).std(0).mean()) > 0.3 * float(generator.images(z).std(0).mean())
    assert not any(part.training for part in twin.module.modules())
    assert random_twin(generator).weights_sha256 == twin.weights_sha256


def test_what_was_never_trained_has_no_random_twin() -> None:
    with pytest.raises(GanatomyError, match="no trained weights"):
        random_twin(generators.load("planted-scenes", None))


def test_tiny_runs_and_single_images() -> None:
    for images in (1, 2, 65):
        result = dissect(odd(), Halves(), images=images, calibration=5, threshold=0.1)
        assert result.evaluation_counts.images == images
        assert isinstance(result.frame(), pd.DataFrame)


def test_progress_counts_images() -> None:
    seen: list[tuple[int, int]] = []
    dissect(
        odd(), Halves(), images=70, calibration=64, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(64, 134), (128, 134), (134, 134)]


class WrongShape(Halves):
    def labels(self, images: Tensor) -> Tensor:
        return super().labels(images)[:, 0]


class WrongType(Halves):
    def labels(self, images: Tensor) -> Tensor:
        return super().labels(images).float()


class OutOfRange(Halves):
    def labels(self, images: Tensor) -> Tensor:
        return super().labels(images) + 1


@pytest.mark.parametrize("segmenter", [WrongShape(), WrongType(), OutOfRange()])
def test_a_segmenter_that_breaks_its_word_is_named(segmenter: Halves) -> None:
    with pytest.raises(GanatomyError, match="Segmenter"):
        dissect(odd(), segmenter, images=20, calibration=20)


@pytest.mark.parametrize(
    "bad",
    [{"images": 0}, {"calibration": 0}, {"calibration": 19}, {"threshold": 2.0}, {"bins": 3}, {"layers": []}],
)
def test_bad_requests_are_one_sentence(bad: dict[str, object]) -> None:
    with pytest.raises(GanatomyError):
        dissect(odd(), Halves(), **{"images": 20, "calibration": 20, **bad})  # type: ignore[arg-type]


def test_a_generator_that_ignores_its_latent_is_refused() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.ReLU()

        def forward(self, z: Tensor) -> Tensor:
            return self.layer(torch.linspace(-1, 1, 192).reshape(1, 3, 8, 8).expand(len(z), -1, -1, -1))

    with pytest.raises(GanatomyError, match="the same image for 64 latents"):
        Generator(Fixed(), ["layer"], latent_shape=(8, 1, 1))


def test_a_layer_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(GanatomyError, match="layer1, layer2"):
        dissect(odd(), Halves(), images=20, calibration=20, layers=["layer9"])


def test_partners_stay_in_the_block_and_are_balanced() -> None:
    for images in range(2, 65):
        partners = [
            (i + way * o) % images for i in range(images) for o in partner_offsets(images) for way in (1, -1)
        ]
        assert np.bincount(partners).tolist() == [8] * images
        assert all(o % images for o in partner_offsets(images))
    assert list(blocks(64, 200)) == [(64, 128), (128, 192), (192, 200)]
