"""The planted scenes are what their truth says: units agree, cause and are vetoed as written."""

import pytest
import torch
from torch import Tensor

from analysis.models.families.planted_scenes import NAMES, Truth, appears, build, truth, weights
from analysis.models.generator import Generator
from analysis.models.segmentation import scene_colours
from analysis.models.segmentation.scene_colours import SceneColours, carried
from analysis.shared.latents import latents

SEED = 1


@pytest.fixture(scope="module")
def generator() -> Generator:
    parts = build(weights(SEED))
    return Generator(parts.module, parts.layers, parts.latent_shape, name="planted-scenes")


@pytest.fixture(scope="module")
def segmenter() -> SceneColours:
    return scene_colours.build(scene_colours.weights(0), {}, "scene-colours", "cpu")


@pytest.fixture(scope="module")
def z(generator: Generator) -> Tensor:
    return latents(SEED, 0, 128, generator.latent_shape)


def units(**wanted: str) -> list[Truth]:
    return [t for t in truth(SEED) if all(getattr(t, k) == v for k, v in wanted.items())]


def share(segmenter: SceneColours, images: Tensor, concept: str) -> float:
    number = [c.name for c in segmenter.concepts].index(concept) + 1
    return float((segmenter.labels(images) == number).any(1).float().mean())


def without(generator: Generator, z: Tensor, gone: list[Truth]) -> Tensor:
    cut = generator.cut(z, "layer1")
    r = cut.r.clone()
    r[:, [t.unit for t in gone]] = 0
    return cut.tail(r)


def test_every_thing_is_seen(generator: Generator, segmenter: SceneColours, z: Tensor) -> None:
    images = generator.images(z)
    assert images.shape == (128, 3, 64, 64)
    for concept in segmenter.concepts:
        assert share(segmenter, images, concept.name) > 0.002, concept


@pytest.mark.parametrize("thing", ["cloud", "window", "path", "roof", "brick"])
def test_a_sole_unit_agrees_with_its_concept_and_causes_it(
    generator: Generator, segmenter: SceneColours, z: Tensor, thing: str
) -> None:
    (unit,) = units(concept=thing, role="sole")
    images, maps = generator.features(z, ["layer1"])
    on = torch.nn.functional.interpolate(maps["layer1"], size=64, mode="bilinear")[:, unit.unit]
    labels = (segmenter.labels(images) == [c.name for c in segmenter.concepts].index(thing) + 1).any(1)
    mask = on > 0.4 * on.max()
    agreement = (mask & labels).sum() / (mask | labels).sum()
    assert agreement > 0.5
    assert share(segmenter, without(generator, z, [unit]), thing) == 0


def test_copies_and_noise_cause_nothing(generator: Generator, z: Tensor) -> None:
    idle = [t for t in truth(SEED) if not t.causes]
    assert torch.equal(without(generator, z, idle), generator.images(z))


def test_either_of_two_suffices_and_both_are_needed(
    generator: Generator, segmenter: SceneColours, z: Tensor
) -> None:
    pair = units(concept="tree", role="either")
    images = generator.images(z)
    assert torch.allclose(without(generator, z, pair[:1]), images, atol=1e-4)
    assert share(segmenter, without(generator, z, pair), "tree") == 0
    for one in units(concept="dome", role="both"):
        assert share(segmenter, without(generator, z, [one]), "dome") == 0


def test_no_door_without_the_gate(generator: Generator, segmenter: SceneColours, z: Tensor) -> None:
    (gate,) = units(role="gate")
    assert share(segmenter, without(generator, z, [gate]), "door") == 0


@pytest.mark.parametrize("thing", ["door", "cloud", "tree", "path"])
def test_the_veto_lets_a_thing_appear_only_where_it_says(
    generator: Generator, segmenter: SceneColours, z: Tensor, thing: str
) -> None:
    cut = generator.cut(z, "layer1")
    forced = cut.r.clone()
    for unit in (t.unit for t in truth(SEED) if t.concept == thing and t.role in ("sole", "either")):
        forced[:, unit] = cut.r[:, unit].amax()
    number = [c.name for c in segmenter.concepts].index(thing) + 1
    before = segmenter.labels(cut.images)
    after = (segmenter.labels(cut.tail(forced)) == number).any(1)
    for on in NAMES:
        if on == thing:
            continue
        there = inside(before, on, segmenter)
        if there.sum() > 50:
            assert float(after[there].float().mean()) == pytest.approx(float(appears(thing, on)), abs=0.05), (
                on
            )


def shown(segmenter: SceneColours, labels: Tensor, concept: str) -> Tensor:
    """Where a concept is seen, (N, h, w), of label maps."""
    return (labels == [c.name for c in segmenter.concepts].index(concept) + 1).any(1)


@pytest.mark.parametrize("ground", ["brick", "plaster", "stone", "sky", "grass"])
def test_what_a_thing_bears_goes_with_it_and_only_that(
    generator: Generator, segmenter: SceneColours, z: Tensor, ground: str
) -> None:
    (unit,) = units(concept=ground, role="sole")
    before, after = map(segmenter.labels, (generator.images(z), without(generator, z, [unit])))
    near = torch.nn.functional.max_pool2d(shown(segmenter, before, ground).float(), 17, 1, 8) > 0
    for thing in unit.bears:
        there = shown(segmenter, before, thing)
        assert there.any()
        assert all(ground in t.needs for t in units(concept=thing) if t.causes)
        assert not (shown(segmenter, after, thing) & near).any()
        assert (shown(segmenter, after, thing) == there)[~near].all()
    for name in ("door", "window", "path", "cloud"):
        if name not in unit.bears and name not in unit.blocks:
            kept = shown(segmenter, after, name) | ~shown(segmenter, before, name)
            assert kept.all(), name


def test_without_hills_clouds_appear_where_they_were_kept_away(
    generator: Generator, segmenter: SceneColours, z: Tensor
) -> None:
    (hill,) = units(concept="hill", role="sole")
    assert hill.blocks == ("cloud",)
    before, after = map(segmenter.labels, (generator.images(z), without(generator, z, [hill])))
    new = shown(segmenter, after, "cloud") & ~shown(segmenter, before, "cloud")
    around = torch.nn.functional.max_pool2d(shown(segmenter, before, "hill").float(), 5, 1, 2) > 0
    assert new.any()
    assert not (new & ~around).any()


@pytest.mark.parametrize("thing", ["hill", "grass"])
def test_a_forced_hill_or_meadow_leaves_no_cloud(generator: Generator, z: Tensor, thing: str) -> None:
    (unit,) = units(concept=thing, role="sole")
    r = generator.cut(z, "layer1").r.clone()
    cloud = NAMES.index("cloud")
    assert generator.module.placed(r)[:, cloud].any()
    r[:, unit.unit] = r[:, unit.unit].amax()
    assert not generator.module.placed(r)[:, cloud].any()


def test_a_copy_bears_and_blocks_nothing() -> None:
    idle = [t for t in truth(SEED) if not t.causes]
    assert not any(t.needs or t.bears or t.blocks for t in idle)


def inside(labels: Tensor, thing: str, segmenter: SceneColours) -> Tensor:
    """Pixels that show a thing and are not at its edge."""
    names = [c.name for c in segmenter.concepts]
    wanted = [0 if name is None else names.index(name) + 1 for name in carried(thing)]
    there = (labels == torch.tensor(wanted).view(1, 3, 1, 1)).all(1).float()
    return -torch.nn.functional.max_pool2d(-there, 5, 1, 2) > 0


def test_probability_has_a_gradient(generator: Generator, segmenter: SceneColours, z: Tensor) -> None:
    images = generator.images(z[:2]).requires_grad_()
    probability = segmenter.probability(images, "door")
    probability.sum().backward()
    assert probability.shape == (2, 64, 64)
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
