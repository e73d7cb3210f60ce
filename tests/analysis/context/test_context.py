"""Insertion context: places, edits at equal energy, and planted scenes whose veto is known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from analysis import insertion_context
from analysis.context import insertions
from analysis.context.cells import context_names, memberships, near
from analysis.context.context import Context
from analysis.context.forced_units import TAILS, best_units, measure_units, random_edits
from analysis.context.passes import Forced, forced
from analysis.models.families.planted_scenes import (
    BLOCKS,
    NAMES,
    NEEDS,
    build,
    scene,
    truth,
    weights,
)
from analysis.models.generator import Generator
from analysis.models.segmentation import scene_colours
from analysis.models.segmentation.scene_colours import carried
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents
from analysis.shared.unit_statistics import UnitStatistics

SEGMENTER = scene_colours.build(scene_colours.weights(0), {}, "scene-colours", "cpu")
CONCEPTS = [concept.name for concept in SEGMENTER.concepts]


def planted(seed: int) -> Generator:
    parts = build(weights(seed))
    return Generator(parts.module, parts.layers, parts.latent_shape, name="planted-scenes")


def causes(seed: int, thing: str) -> list[int]:
    return [t.unit for t in truth(seed) if t.concept == thing and t.role in ("sole", "either", "both")]


def measure(seed: int, thing: str, images: int = 16, **options: object) -> Context:
    settings: dict = {
        "strengths": ("k",),
        "controls": (),
        "measuring": 128,
        "traced": 0,
        "every": 8,
        "seed": seed,
    }
    return insertion_context(
        planted(seed),
        SEGMENTER,
        layer="layer1",
        concept=thing,
        units=causes(seed, thing),
        images=images,
        **(settings | options),
    )


def things(labels: Tensor) -> Tensor:
    """Which planted thing each pixel shows, by its place in NAMES; -1 for none. (N, 3, H, W) to (N, H, W)."""
    found = torch.full_like(labels[:, 0], -1)
    for number, name in enumerate(NAMES):
        wanted = [0 if c is None else CONCEPTS.index(c) + 1 for c in carried(name)]
        found[(labels == torch.tensor(wanted).view(1, 3, 1, 1)).all(1)] = number
    return found


def coded(seed: int, thing: str, context: Context) -> dict[str, float]:
    """The code's answer, from the scene's masks by the painter's stated rules: mean effect of each context.

    A cell is lit where what the thing needs is there and what keeps it away is not (`NEEDS`, `BLOCKS`), if
    that much of k still shows: enlarged, one lit cell is 0.5625 strong, and things are seen from 0.4 on. Of a
    lit cell those pixels count that no thing painted later covers.
    """
    z = latents(seed, *context.latents, planted(seed).latent_shape)
    masks = scene(torch.special.ndtr(z))
    allowed = torch.ones_like(masks["sky"])
    if thing in NEEDS:
        allowed = torch.stack([masks[name] for name in NEEDS[thing]]).amax(0)
    for name in (name for name, kept in BLOCKS.items() if thing in kept):
        allowed = allowed * (1 - masks[name])
    gain = weights(seed)["gain"]
    k = max(float(value / gain[unit]) for unit, value in zip(context.units, context.values["k"], strict=True))
    covered = things(SEGMENTER.labels(planted(seed).images(z))) >= NAMES.index(thing)
    free = 1 - torch.nn.functional.avg_pool2d(covered.float(), 2)
    cells = torch.where(0.5625 * min(k, 1) * allowed > 0.4, free, 0).numpy()
    m = context.measured
    assert np.mean(np.abs(m.effect[0] - cells)[m.eligible] < 1e-6) > 0.995  # cell for cell
    members = zip(m.contexts, m.members & m.eligible, strict=True)
    return {name: float(cells[inside].mean()) for name, inside in members if inside.sum() >= 15}


def agreement(seed: int, thing: str) -> float:
    """Spearman's correlation of measured with coded effects; they must also agree in size."""
    context = measure(seed, thing)
    expected = coded(seed, thing, context)
    frame = context.frame().set_index("context")
    measured = [float(frame.effect[name]) for name in expected]
    assert max(expected.values()) > 0.3  # it goes somewhere
    assert np.allclose(measured, list(expected.values()), atol=0.05)
    return float(spearmanr(np.round(measured, 2), np.round(list(expected.values()), 2)).statistic)


@pytest.mark.parametrize("thing", ["door", "cloud"])
def test_measured_contexts_are_the_coded_ones(thing: str) -> None:
    assert agreement(1, thing) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("thing", ["door", "window", "cloud", "path"])
def test_measured_contexts_are_the_coded_ones_in_ten_seeds(thing: str) -> None:
    assert min(agreement(seed, thing) for seed in range(1, 11)) >= 0.9


def test_the_trace_shows_where_the_veto_is(tmp_path: Path) -> None:
    context = measure(3, "door", images=8, traced=8, controls=("k",), keep=tmp_path)
    trace = context.tables()["context_trace"].set_index(["measured", "context"]).survival
    assert trace["layer1", "sky"] == 1
    assert trace["layer2", "sky"] < 0.02  # vetoed at once
    assert trace["image", "sky"] == 0
    assert trace["layer2", "building"] > 0.5
    summary = context.tables()["context_summary"].iloc[0]
    assert summary.context_beyond_row_share > 0.3 > summary.row_beyond_context_share
    assert abs(summary.random_effect) < 0.01 < summary.effect
    frame, m = context.frame().set_index("context"), context.measured
    door, random = m.effect[0], m.random[0]
    inside = m.members[m.contexts.index("building")] & m.eligible
    assert frame.over_random["building"] == pytest.approx(door[inside].mean() - random[inside].mean())
    parts = [frame.row_effect["building"], frame.random_row_effect["building"]]
    assert frame.row_over_random["building"] == pytest.approx(parts[0] - parts[1])
    again = measure(3, "door", images=8, traced=8, controls=("k",), keep=tmp_path)
    assert np.array_equal(again.measured.effect, context.measured.effect, equal_nan=True)
    with pytest.raises(GanatomyError, match="other settings"):
        measure(3, "door", images=8, traced=8, controls=("k",), keep=tmp_path, patch=2)


def test_effects_are_those_of_whole_edits() -> None:
    """The sweep's numbers beside images made one at a time through the edit's own text."""
    from analysis.editing.edits import Box, Edit
    from analysis.editing.interventions import edited_images

    context = measure(1, "cloud", images=3, every=8)
    assert context.measured.together.cells > 4
    assert not context.measured.together.spread.any()  # this segmenter looks at single pixels
    generator, label = planted(1), CONCEPTS.index("cloud") + 1
    values = dict(zip(context.units, context.values["k"], strict=True))
    tried = np.argwhere(np.isfinite(context.measured.effect[0, 2]))[::11]
    z = latents(1, context.latents[0] + 2, context.latents[0] + 3, generator.latent_shape)
    for row, column in tried:
        edit = Edit.insert("layer1", values, [Box(row, row, column, column)])
        pair = [SEGMENTER.labels(images) for images in edited_images(generator, edit, z)]
        before, after = [int((labels == label).any(1).sum()) for labels in pair]
        assert context.measured.effect[0, 2, row, column] == (after - before) / 4


def test_places_are_those_of_a_loop() -> None:
    labels = torch.randint(0, 4, (2, 2, 12, 8), generator=torch.Generator().manual_seed(0))
    labels[:, 1] = torch.where(labels[:, 1] == 3, 3, 0)
    labels[:, :, :4] = 2
    found, close = memberships(labels, 3, (3, 2)), near(labels, 3, (3, 2))
    for n in range(2):
        for y in range(3):
            for x in range(2):
                cell = labels[n, :, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4]
                concepts = [float((cell == c).any(0).float().mean()) >= 0.5 for c in (1, 2, 3)]
                bare = float((cell == 0).all(0).float().mean()) >= 0.5 and not any(concepts)
                assert found[:, n, y, x].tolist() == [*concepts, bare, not any(concepts) and not bare]
                around = labels[n, :, max(4 * y - 4, 0) : 4 * y + 8, max(4 * x - 4, 0) : 4 * x + 8]
                assert bool(close[n, y, x]) == bool((around == 3).any())
    assert len(context_names(SEGMENTER.concepts)) == len(CONCEPTS) + 2


def test_units_are_measured_as_a_loop_would() -> None:
    generator = planted(1)
    facts, iou = measure_units(generator, SEGMENTER, "layer1", "tree", (0, 24), 5)
    images, maps = generator.features(latents(5, 0, 24, generator.latent_shape), ["layer1"])
    r = maps["layer1"].double()
    marks = (SEGMENTER.labels(images) == CONCEPTS.index("tree") + 1).any(1)[:, None].double()
    there = torch.nn.functional.avg_pool2d(marks, 2)
    assert np.allclose(facts.k, (r * there).sum((0, 2, 3)) / there.sum())
    assert np.allclose(facts.mean, r.mean((0, 2, 3)))
    assert np.allclose(facts.square, r.square().mean((0, 2, 3)))
    best = {t.unit for t in truth(1) if t.concept == "tree"}
    assert set(best_units(iou, 2)) == best


def test_random_edits_have_equal_energy() -> None:
    random = np.random.default_rng(0)
    mean, spread = random.normal(size=20), random.uniform(0.5, 1.5, 20)
    facts = UnitStatistics(mean + 2, mean + 3, mean, mean**2 + spread**2)
    units, values = [3, 7, 11], np.array([4.0, 5.0, 3.0])
    chosen, forced = random_edits(facts, units, values, 12, seed=1)
    assert not set(chosen.ravel()) & set(units)
    for numbers, constants in zip(chosen, forced, strict=True):
        samples = mean[numbers] + spread[numbers] * random.normal(size=(200_000, 3))
        assert facts.energy(constants, numbers).sum() == pytest.approx(
            facts.energy(values, units).sum(), rel=1e-9
        )
        assert np.mean(((constants - samples) ** 2).sum(1)) == pytest.approx(
            facts.energy(values, units).sum(), rel=0.02
        )
    assert len({tuple(sorted(row)) for row in chosen.tolist()}) > 6  # another set for each image


class Striped(torch.nn.Module):
    """Latents to maps of 32x32 cells whose odd columns are twenty times the even ones; images of the maps."""

    def forward(self, r: Tensor) -> Tensor:
        return r.mean(1, keepdim=True).clamp(max=1).expand(-1, 3, -1, -1)


class Stripes(torch.nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        columns = torch.arange(1024).view(32, 32)
        waves = (z[:, :, None, None] * 9 + columns).sin().abs()
        return waves * torch.where(columns % 2 == 1, 20, 1)


class Bright:
    """Sees one concept, where a picture is bright."""

    concepts = (Concept("bright", "object"),)

    def labels(self, images: Tensor) -> Tensor:
        return (images[:, :1] > 0.5).long()


def test_quantiles_of_large_maps_leave_no_column_out() -> None:
    module = torch.nn.Sequential(Stripes(), Striped())
    generator = Generator(module, ["0"], (5,), name="stripes")
    facts, iou = measure_units(generator, Bright(), "layer1", "bright", (0, 40), 5)
    images, maps = generator.features(latents(5, 0, 40, (5,)), ["layer1"])
    r, there = maps["layer1"], Bright().labels(images) == 1
    for unit in range(5):
        cells = np.sort([float(value) for value in r[:, unit].flatten()])
        places = [int((1 - tail) * len(cells)) for tail in TAILS]
        assert facts.q99[unit] == pytest.approx(cells[places[0]], rel=0.01)
        scores = []
        for place in places:
            on = r[:, unit] >= float(cells[place])
            both, either = (on & there[:, 0]).sum(), (on | there[:, 0]).sum()
            scores.append(float(both / either))
        assert iou[unit] == pytest.approx(max(scores), rel=0.02)


def test_the_energy_of_what_is_forced_is_the_one_that_was_reckoned() -> None:
    """Random and own edits, applied to maps that measured nothing: what they change, cell by cell."""
    generator, units = planted(1), causes(1, "tree")
    facts, _ = measure_units(generator, SEGMENTER, "layer1", "tree", (0, 128), 5)
    values = facts.constant("k")[units]
    r = generator.features(latents(5, 600, 632, generator.latent_shape), ["layer1"])[1]["layer1"]
    realised = []
    for edit in (
        Forced.same(units, values, 32),
        Forced(*random_edits(facts, units, values, 32, seed=1)),
    ):
        cells = insertions.tried_cells(generator.layer("layer1"), r.shape[2], 0)
        changes = [(forced(r, edit, [[cell]] * 32) - r).square().sum((1, 2, 3)) for cell in cells]
        realised.append(float(torch.stack(changes).mean()))
    assert realised[0] == pytest.approx(float(facts.energy(values, units).sum()), rel=0.1)
    assert realised[1] == pytest.approx(realised[0], rel=0.15)


def test_an_energy_out_of_reach_is_told() -> None:
    facts = UnitStatistics(np.ones(9), np.ones(9), np.ones(9), np.full(9, 6.0))
    quiet = UnitStatistics(facts.k, facts.q99, facts.mean, np.r_[1.1, np.full(8, 6.0)])
    for known, reached in ((facts, 1.0), (quiet, 5.0 / 0.35)):  # at least 5, at the mean; wanted: .35
        chosen, forced = random_edits(known, [0], np.array([1.5]), 4, seed=1)
        ratio = known.energy(forced, chosen).sum(1) / known.energy(np.array([1.5]), [0])
        assert np.allclose(ratio, reached)


@pytest.mark.parametrize("patch", [1, 2, 3])
def test_a_square_of_cells_is_forced(patch: int) -> None:
    r = torch.zeros(2, 5, 6, 6)
    edit = Forced(np.array([[1, 2], [3, 4]]), np.array([[1.0, 2.0], [3.0, 4.0]]), patch)
    changed = forced(r, edit, [[(2, 3)], [(2, 3)]])
    assert changed.sum() == patch**2 * 10
    assert changed[1, 3, 2, 3] == 3
    corner = forced(r, edit, [[(0, 0)], [(0, 0), (5, 5)]])
    assert corner[0, 1].sum() == (1 if patch == 1 else 4)
    assert corner[1, 3].sum() == 3 * ((1 if patch == 1 else 4) + (4 if patch == 3 else 1))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"strengths": ("3k",)}, "no strength"),
        ({"units": [99]}, "units 0 to 31"),
        ({"concept": "ship"}, "no concept 'ship'"),
        ({"layer": "layer9"}, "no layer"),
        ({"values": [1.0, 2.0, 3.0]}, "do not fit"),
        ({"images": 0}, "1 or more"),
        ({"controls": ("q99",), "strengths": ("k",)}, "no strength"),
        ({"depth": 3}, "no option 'depth'"),
        ({"images": 50_001}, "at most 50,000"),
        ({"measuring": 60_000}, "at most 50,000"),
    ],
)
def test_what_cannot_be_is_refused(asked: dict, sentence: str) -> None:
    settings = {
        "layer": "layer1",
        "concept": "cloud",
        "units": causes(1, "cloud"),
        "images": 2,
        "measuring": 16,
    }
    with pytest.raises(GanatomyError, match=sentence):
        insertion_context(planted(1), SEGMENTER, **(settings | {"every": 64} | asked))
