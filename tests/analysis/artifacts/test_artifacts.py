"""Artifact units: distances against a kept library, ablations against whole edits, planted damage found."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from analysis import rank_artifacts
from analysis.artifacts import top_images
from analysis.artifacts.ablations import ablated_features, activity, kept_maps
from analysis.artifacts.artifacts import Artifacts
from analysis.artifacts.features import Extractor, as_extractor, features_of
from analysis.artifacts.planted_damage import FAR, disturbed, with_rare_unit
from analysis.artifacts.references import reference
from analysis.editing.edits import Edit
from analysis.editing.interventions import edited_images
from analysis.models import generators, segmenters
from analysis.models.families.progan import build
from analysis.models.generator import Generator
from analysis.shared.distances import Yardstick, frechet
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

RNG = np.random.default_rng(0)
IMAGES, STRENGTH = 100, 30.0  # damage that anybody sees
READER = {"layer3": "blocks.3.0.weight", "layer4": "blocks.4.0.weight"}  # who reads a layer of churches


def rough(images: Tensor) -> Tensor:
    """Eighteen features: colours of the four quarters, and how much neighbouring pixels differ, by colour."""
    colours = torch.nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)
    across, down = images.diff(dim=3).abs().mean((2, 3)), images.diff(dim=2).abs().mean((2, 3))
    return torch.cat([colours, across, down], 1)


def churches(
    damaged: list[int] | None = None, layer: str = "layer4", seed: int = 0, strength: float = STRENGTH
) -> Generator:
    state = {
        key: value.float() for key, value in generators.load("churches", None).module.state_dict().items()
    }
    if damaged:
        state = disturbed(state, READER[layer], damaged, seed, strength)
    parts = build(state)
    return Generator(parts.module.requires_grad_(False), parts.layers, parts.latent_shape, name="churches")


@cache
def clean(count: int = 400) -> list[Tensor]:
    return list(reference("generator:churches", count))


def find(damaged: list[int], layer: str = "layer4", seed: int = 0, **options: Any) -> Artifacts:
    settings: dict[str, Any] = {"images": IMAGES, "sets": 4, "counts": (len(damaged),), "seed": seed}
    return rank_artifacts(churches(damaged, layer, seed), rough, clean(), layer=layer, **(settings | options))


def planted_units(seed: int, units: int, count: int = 1) -> list[int]:
    return np.random.default_rng([seed, 77]).choice(units, count, replace=False).tolist()


def is_found_and_restored(damaged: list[int], layer: str, seed: int) -> None:
    found = find(damaged, layer, seed)
    assert set(found.rankings["ablation"].units[: len(damaged)]) == set(damaged)
    effects = found.effects().set_index(["ranking", "metric"])
    row, random = effects.loc[("ablation", "FID_inf")], effects.loc[("random", "FID_inf")]
    assert row.after < 0.4 * row.before
    assert row.fall > 4 * row.fall_error
    assert random.after > 0.7 * random.before
    # What is left is the distance of the undamaged generator without the same units: nothing else changed.
    rows = ablated_features(kept_maps(churches(), layer, seed, (600_000, 600_000 + IMAGES)), rough, [damaged])
    undamaged = frechet(features_of(rough, torch.cat(clean())[1::2]).numpy(), rows[0])
    assert effects.loc[("ablation", "FID")].after == pytest.approx(undamaged, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_a_damaged_unit_is_found_first_and_its_ablation_restores(seed: int) -> None:
    is_found_and_restored(planted_units(seed, 48), "layer4", seed)


def short_features() -> Extractor:
    """A network's features, on the forty axes along which they vary most in the reference."""
    parts = as_extractor(segmenters.load("church-parts", None))
    axes = torch.linalg.eigh(features_of(parts, clean()).T.cov()).eigenvectors[:, -40:]
    return lambda images: parts(images) @ axes


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12])
def test_weak_damage_is_found_first_by_ablation_and_its_ablation_restores(seed: int) -> None:
    short, damaged = short_features(), planted_units(seed, 48)
    settings: dict[str, Any] = {"layer": "layer4", "images": 200, "sets": 2, "seed": seed}
    found = rank_artifacts(churches(damaged, "layer4", seed, 5.0), short, clean(), counts=[1], **settings)
    assert found.rankings["ablation"].units[0] == damaged[0]
    row = found.effects().set_index(["ranking", "metric"]).loc[("ablation", "FID")]
    whole = ablated_features(kept_maps(churches(), "layer4", seed, (600_000, 600_200)), short, [damaged])[0]
    undamaged = frechet(features_of(short, torch.cat(clean())[1::2]).numpy(), whole)
    assert row.after == pytest.approx(undamaged, rel=1e-3)  # nothing of the damage is left
    assert row.fall > 0.1 * row.before


def rarely(seed: int) -> Generator:
    """Churches with a 49th unit in layer4 that is on in a tenth of the images, and wrong there.

    What it follows is drawn among the units that are on in a tenth of the cells of such images.
    """
    whole = churches()
    r = whole.features(latents(seed, FAR, FAR + 200, whole.latent_shape), ["layer4"])[1]["layer4"]
    strongest = r.relu().mean((2, 3)).topk(20, 0).indices
    often = [float((r[strongest[:, unit], unit] > 0).float().mean()) for unit in range(48)]
    source = int(np.random.default_rng([seed, 78]).choice(np.flatnonzero(np.array(often) >= 0.1)))
    module, path = with_rare_unit(whole.module, "blocks.3.6", "blocks.4.0", source, r, seed, 50.0)  # type: ignore[arg-type]
    paths = [path if layer.name == "layer4" else layer.path for layer in whole.layers]
    return Generator(module.requires_grad_(False), paths, whole.latent_shape, name="churches")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12])
def test_a_unit_that_is_on_in_few_images_and_wrong_is_first_by_each_ranking(seed: int) -> None:
    generator, short = rarely(seed), short_features()
    settings: dict[str, Any] = {"images": 500, "sets": 2, "counts": (1,), "seed": seed}
    found = rank_artifacts(generator, short, clean(), layer="layer4", **settings)
    assert [found.rankings[name].units[0] for name in ("images", "ablation")] == [48, 48]
    # Without it the generator is the undamaged one, picture for picture, and so is the distance.
    row = found.effects().set_index(["ranking", "metric"]).loc[("ablation", "FID")]
    assert row.after < 0.9 * row.before
    span = (600_000, 600_050)
    rows = ablated_features(kept_maps(generator, "layer4", seed, span), rough, [[48]])
    whole = ablated_features(kept_maps(churches(), "layer4", seed, span), rough, [()])[0]
    np.testing.assert_allclose(rows[0], whole, atol=1e-4)  # processors round layers of other sizes otherwise


@pytest.mark.parametrize("activation", ["rms", "peak"])
def test_the_ranking_by_images_is_the_distance_of_those_in_which_a_unit_does_most(activation: str) -> None:
    """Beside a loop over units, with images picked one at a time, in a whitening by other means."""
    random = np.random.default_rng(1)
    mix, shift = 2 * np.eye(6) + random.normal(size=(6, 6)), random.normal(size=6)
    known, made = random.normal(size=(300, 6)) @ mix, random.normal(size=(200, 6)) @ (1.5 * mix) + shift
    order = random.permuted(np.tile(np.arange(200), (3, 1)), axis=1)
    found = top_images.distances(known, made, order[:, :50], 3, activation)
    if activation == "peak":
        both = np.vstack([known, made])
        axes = np.linalg.svd(both - both.mean(0))[2][:3].T
    else:
        centre, lower = known.mean(0), np.linalg.cholesky(np.linalg.inv(np.cov(known, rowvar=False)))
        known, made = (known - centre) @ lower, (made - centre) @ lower
        axes = np.linalg.svd(made)[2][:3].T
    for score, best in zip(found, order, strict=True):
        chosen = np.stack([made[i] for i in best[:50]])
        assert score == pytest.approx(frechet(known @ axes, chosen @ axes), rel=1e-6)


@pytest.mark.slow
def test_images_are_ordered_by_what_a_unit_does_in_them() -> None:
    generator = churches([9], "layer4", 1)
    found = find([9], seed=1)
    r = generator.features(latents(1, 500_000, 500_000 + IMAGES, generator.latent_shape), ["layer4"])[1]
    for unit in (0, 9, 47):
        does = [float(one[unit].pow(2).mean().sqrt()) for one in r["layer4"]]
        best = sorted(range(IMAGES), key=lambda i, does=does: -does[i])[:9]
        assert (found.top["latents"][unit] - 500_000).tolist() == best
    with pytest.raises(GanatomyError, match="choose rms or peak"):
        find([9], activation="mean")
    with pytest.raises(GanatomyError, match="no option 'pictures'; the options are images, sets"):
        find([9], pictures=100)


def test_too_few_pictures_are_refused() -> None:
    with pytest.raises(GanatomyError, match="take 60 or more"):
        Yardstick(RNG.normal(size=(59, 12)))
    with pytest.raises(GanatomyError, match="take 90 or more"):
        find([3], images=89)
    with pytest.raises(GanatomyError, match="at most 100,000"):
        find([3], images=100_001)


def test_features_are_those_of_whole_edits() -> None:
    generator, lists = churches(), [(), (3,), (5, 40)]
    kept = kept_maps(generator, "layer4", 7, (10, 31))
    found = ablated_features(kept, rough, lists)
    z = latents(7, 10, 31, generator.latent_shape)
    for row, units in zip(found, lists, strict=True):
        images = edited_images(generator, Edit.ablate("layer4", units) if units else Edit(), z)[1]
        assert np.allclose(row, rough(images), atol=1e-5)
    r = generator.features(z, ["layer4"])[1]["layer4"]
    assert np.allclose(activity(kept, "peak"), r.amax((2, 3)).T)


def test_images_in_which_units_are_off_are_not_made_again() -> None:
    """A unit that is on in few images: its ablation is made in those, and equals that of whole edits."""
    torch.manual_seed(0)
    start, end = nn.ConvTranspose2d(5, 4, 4), nn.Conv2d(4, 3, 3, padding=1)
    start.bias = nn.Parameter(torch.tensor([2.0, -0.3, -9.0, 0.5]))
    steps = nn.Sequential(start, nn.ReLU(), nn.Upsample(scale_factor=4), end, nn.Tanh())
    generator = Generator(steps, ["1"], (5, 1, 1))
    kept, seen = kept_maps(generator, "layer1", 1, (0, 40)), []

    def counted(images: Tensor) -> Tensor:
        seen.append(len(images))
        return rough(images)

    lists: list[tuple[int, ...]] = [(), (0,), (1,), (2,), (1, 2)]
    z = latents(1, 0, 40, (5, 1, 1))
    on = (generator.features(z, ["layer1"])[1]["layer1"] > 0).flatten(2).any(2)
    assert on[:, 0].all()
    assert 0 < on[:, 1].sum() < 30
    assert not on[:, 2].any()
    found = ablated_features(kept, counted, lists)
    assert sum(seen) == 40 + 40 + 2 * int(on[:, 1].sum())  # plain, unit 0, and unit 1 twice
    assert np.array_equal(found[3], found[0])
    for row, units in zip(found, lists, strict=True):
        images = edited_images(generator, Edit.ablate("layer1", units) if units else Edit(), z)[1]
        assert np.allclose(row, rough(images), atol=1e-6)


def test_lists_of_the_same_units_are_measured_once(tmp_path: Path) -> None:
    seen: list[int] = []

    def counted(images: Tensor) -> Tensor:
        seen.append(len(images))
        return rough(images)

    # Of 30 random sets of one unit some of 48 are the same, and the one by hand is among the lists twice.
    settings: dict[str, Any] = {"images": 90, "sets": 30, "counts": (1,), "random_counts": (1,)}
    found = rank_artifacts(churches(), counted, clean(200), layer="layer4", by_hand=[4], **settings)
    lists = {scored.units for scored in [*found.lists, *found.random]}
    assert len(lists) < len(found.random)
    assert found.about["tail_passes"] == 90 * (1 + 48 + 1 + len(lists))
    assert sum(seen) == found.about["tail_passes"] + 200  # and the reference
    for scored in found.random:
        twins = [other for other in found.random if other.units == scored.units]
        assert all(other.after["FID"].value == scored.after["FID"].value for other in twins)


@pytest.mark.slow
def test_results_go_on_from_what_is_kept_and_can_be_applied(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    settings: dict[str, Any] = {
        "images": 90, "sets": 3, "counts": (1, 2), "by_hand": [9, 4, 30], "keep": tmp_path,
        "progress": lambda *facts: told.append(facts),
    }  # fmt: skip
    network = churches([11], "layer4", 1)
    first = rank_artifacts(network, rough, clean(200), layer="layer4", **settings)
    assert {stage for stage, _, _ in told} == {"reference", "images", "units", "lists"}
    assert all(0 <= done <= total for _, done, total in told)
    told.clear()
    again = rank_artifacts(network, rough, clean(200), layer="layer4", **settings)
    assert {stage for stage, _, _ in told} == {"reference"}
    assert again.effects().equals(first.effects())
    # The time of the finished stages is an earlier call's; only what lies between stages is done again.
    assert again.about["seconds"] == pytest.approx(first.about["seconds"], rel=0.1)
    assert Edit.parse(str(first.edit("hand", 2))) == Edit.ablate("layer4", [9, 4])
    units, effects = first.frame(), first.effects()
    assert units.query("ranking == 'hand'").unit.tolist() == [9, 4, 30]
    assert len(effects) == 3 * (2 * 2 + 3 + 3)  # the three marked units together too, and random sets
    whole = effects.set_index(["ranking", "metric", "units"]).loc[("hand", "FID", 3)]
    z = latents(1, 600_000, 600_090, network.latent_shape)
    images = edited_images(network, Edit.ablate("layer4", [9, 4, 30]), z)[1]
    other = torch.cat(clean(200))[1::2]  # the half that ranked nothing
    assert whole.after == pytest.approx(frechet(rough(other).numpy(), rough(images).numpy()), rel=1e-3)
    assert whole.after_high - whole.after == pytest.approx(2.2622 * whole.after_error, rel=1e-4)  # t of 9
    table = effects.set_index(["ranking", "metric", "units"])
    yardstick = Yardstick(rough(other).numpy())
    z0 = latents(1, 600_000, 600_090, network.latent_shape)
    plain, without = (yardstick.fid(rough(x).numpy()).extrapolated() for x in (network.images(z0), images))
    limit = table.loc[("hand", "FID_inf", 3)]
    assert [limit.before, limit.after, limit.fall, limit.fall_error] == pytest.approx(
        [plain.value, without.value, plain.minus(without).value, plain.minus(without).error], rel=1e-3
    )
    assert limit.before < whole.before
    assert whole.as_good <= 1
    assert effects[effects.ranking != "random"].as_good.between(1 / 4, 1).all()
    random = effects[(effects.ranking == "random") & (effects.units == 1) & (effects.metric == "FID")].iloc[0]
    values = [s.after["FID"].value for s in first.random if len(s.units) == 1]
    assert random.after == pytest.approx(np.mean(values))
    assert random.after_low == pytest.approx(np.quantile(values, 0.025))
    arrays = first.arrays()
    assert arrays["top"]["pictures"].shape == (48, 9, 64, 64, 3)
    assert arrays["sheets"]["before"].shape == arrays["sheets"]["hand"].shape == (12, 64, 64, 3)
    with pytest.raises(GanatomyError, match="other settings"):
        rank_artifacts(network, rough, clean(220), layer="layer4", **settings)


def test_references(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(RNG.integers(0, 255, (20, 30, 3), np.uint8)).save(tmp_path / f"{number}.png")
    (images,) = reference(f"folder:{tmp_path}", 3, size=(16, 16))
    assert images.shape == (3, 3, 16, 16)
    assert -1 <= float(images.min()) < float(images.max()) <= 1
    assert next(reference("drawn:churches", 2, size=(32, 32))).shape == (2, 3, 32, 32)
    assert next(reference("drawn:rooms", 2)).shape == (2, 3, 64, 64)
    for name, sentence in (
        ("churches", "names no reference"),
        ("drawn:moon", "no drawn world"),
        (f"folder:{tmp_path}", "3 pictures"),
    ):
        with pytest.raises(GanatomyError, match=sentence):
            list(reference(name, 9))


def test_any_network_gives_features() -> None:
    images = RNG.normal(size=(5, 3, 64, 64)).astype(np.float32)
    for name, count in (("church-parts", 160), ("scene-colours", 14 + 48)):
        segmenter = segmenters.load(name, None)
        assert features_of(as_extractor(segmenter), torch.from_numpy(images)).shape == (5, count)
    unet = segmenters.load("church-parts", None)
    direct = unet.network.features(torch.from_numpy(images))  # type: ignore[attr-defined]
    assert torch.allclose(features_of(as_extractor(unet), torch.from_numpy(images)), direct, atol=1e-4)
    module = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Dropout(0.9))
    kept = features_of(as_extractor(module.train()), torch.from_numpy(images))
    assert torch.allclose(kept, torch.from_numpy(images).mean((2, 3)), atol=1e-6)  # as when it is used


def test_pictures_go_where_a_module_is() -> None:
    class Elsewhere(torch.nn.Linear):
        def forward(self, images: Tensor) -> Tensor:
            assert images.device == self.weight.device
            return images.flatten(1)

    module = Elsewhere(1, 1).to("meta")
    assert as_extractor(module)(torch.zeros(2, 3, 4, 4)).shape == (2, 48)
