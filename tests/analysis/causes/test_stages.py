"""Each number behind `ace`, against a loop that says the same slowly."""

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

from analysis import Generator, latents
from analysis.causes import alpha as learning
from analysis.causes import calibration, cells, effects
from analysis.causes.convergence import penalty
from analysis.causes.rankings import edit_values, measured
from analysis.causes.realism import NEIGHBOURS, Realism
from analysis.causes.sample import Sample
from analysis.causes.segmentation import ConceptSegmenter
from analysis.causes.settings import CausesSettings
from analysis.counting.agreement import HIGH, at_pairs
from analysis.counting.passes import count, pilot
from analysis.counting.plan import Plan
from analysis.counting.thresholds import choose
from analysis.editing.edits import Edit
from analysis.editing.interventions import edited, edited_images
from analysis.models.families import planted_causes, planted_shapes, progan
from analysis.models.segmentation import shape_colours as colours
from analysis.shared import latent_ranges
from analysis.shared.errors import GanatomyError
from analysis.shared.meter import Meter
from analysis.shared.unit_statistics import UnitSums

Small = tuple[Sample, ConceptSegmenter, Meter]
SEGMENTER = colours.build(colours.weights(0), {}, "planted", "cpu")


class Wrapped(nn.Module):
    """No plain chain, so that its tail is replayed."""

    def __init__(self, chain: nn.Module) -> None:
        super().__init__()
        self.chain = chain

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.chain(z)
        return images


class Choosing(Wrapped):
    """One whose tail cannot be kept, because what it does might depend on the numbers."""

    def forward(self, z: Tensor) -> Tensor:
        return super().forward(z if float(z.sum()) < 1e9 else -z)


MODULES: dict[str, type[Wrapped] | None] = {"chain": None, "kept": Wrapped, "made again": Choosing}


def generator(module: str = "chain") -> Generator:
    parts, wrapped = planted_causes.build(planted_causes.weights(1)), MODULES[module]
    if wrapped is None:
        return Generator(*parts[:3])
    return Generator(wrapped(parts.module), [f"chain.{path}" for path in parts.layers], parts.latent_shape)


def sample(module: str = "chain", images: int = 10) -> Small:
    meter = Meter()
    disc = ConceptSegmenter(SEGMENTER, "disc", meter)
    made = Sample(generator(module), "layer1", disc, 1, (7, 7 + images), meter, batch=4, keep_images=True)
    return made, disc, meter


@pytest.fixture(scope="module")
def small() -> Small:
    return sample()


def test_a_sample_is_its_latents_made_and_segmented_once(
    small: Small,
) -> None:
    made, _, _ = sample()
    z = latents(1, 7, 17, (planted_causes.LATENT,))
    images, maps = generator().features(z, ["layer1"])
    labels = SEGMENTER.labels(images)
    assert torch.allclose(made.maps(torch.arange(10)), maps["layer1"])
    assert torch.equal(made.mask, (labels == 1).any(1))
    for image, shares in zip(labels, made.shares, strict=True):
        assert shares.tolist() == pytest.approx([float((image == c + 1).float().mean()) for c in range(4)])
    cell = made.mask[3, 8:10, 20:22].float().mean()
    assert float(made.there[3, 4, 10]) == pytest.approx(float(cell))
    assert sample()[2].values()[:3] == (10, 10, 10)


@pytest.mark.parametrize(("need", "most", "drawn"), [(0, 0, 10), (1, 100, 10), (11, 100, 18), (99, 26, 26)])
def test_latents_are_drawn_until_enough_images_show_the_concept(need: int, most: int, drawn: int) -> None:
    """Blocks of four follow on ten latents, of which fewer than eleven show the disc."""
    disc, meter = ConceptSegmenter(SEGMENTER, "disc", Meter()), Meter()
    made = Sample(
        generator(), "layer1", disc, 1, (7, 17), meter, need=need, most=most, batch=4, keep_images=True
    )
    assert len(made) == len(made.there) == len(made.z) == drawn
    assert torch.equal(made.z, latents(1, 7, 7 + drawn, (planted_causes.LATENT,)))
    assert made.shown.tolist() == (made.shares[:, 0] > 0).tolist()
    assert made.shown.sum() >= need or drawn == most
    assert torch.equal(made.maps(torch.arange(10)), sample()[0].maps(torch.arange(10)))


SETTINGS = CausesSettings(steps=30, stop_images=8)
VALUES = {"ablate": np.zeros(18), "insert": np.ones(18)}


def learnings(seed: int, starts: list[float], module: str = "chain") -> list[learning.Learning]:
    """Learnings of one sample, from flat starts."""
    made, disc, _ = sample(module, images=16)
    stop = learning.StopEffect(made, disc, VALUES, SETTINGS, seed)
    return [learning.Learning(made, stop, np.full(18, start), SETTINGS, 0.05, seed) for start in starts]


def run(chosen: list[learning.Learning], together: int = 64) -> list[int]:
    """Run learnings to the end, and return the progress that was told."""
    told: list[int] = []
    disc = ConceptSegmenter(SEGMENTER, "disc", Meter())
    learning.run(chosen, disc, VALUES, 30, 10, together, lambda done, total: told.append(done))
    return told


@pytest.mark.parametrize("module", MODULES)
def test_learnings_that_step_together_learn_what_each_learns_alone(module: str) -> None:
    """Two samples, three starts each; and so few images at once that they go in parts."""

    def of_both() -> list[learning.Learning]:
        return [each for seed in (3, 5) for each in learnings(seed, [0.3, 0.6, 1.0], module)]

    whole, parts, alone = of_both(), of_both(), of_both()
    told = run(whole)
    assert told == sorted(told)
    assert told[-1] == 180
    run(parts, together=9)
    for each in alone:
        run([each])
    for one, two, three in zip(whole, parts, alone, strict=True):
        assert np.ptp(three.result()["alpha"]) > 0.2
        for other in (one, two):
            for name in ("alpha", "stop_loss", "train_loss"):
                assert other.result()[name] == pytest.approx(three.result()[name], abs=0.011, nan_ok=True), (
                    name
                )


def test_the_better_start_is_kept() -> None:
    chosen = dict(zip(("off", "half", "most"), learnings(3, [0.0, 0.5, 1.0]), strict=True))
    run(list(chosen.values()))
    found = learning.learn_best(chosen)
    losses = {name: each.losses.best for name, each in chosen.items()}
    assert found["start_names"].tolist() == sorted(losses, key=lambda name: losses[name])
    assert found["start_losses"].tolist() == sorted(losses.values())
    assert str(found["start"]) == found["start_names"][0]
    assert np.array_equal(found["alpha"], chosen[str(found["start"])].result()["alpha"])
    assert np.array_equal(found["alpha"], found["start_alphas"][0])
    assert found["start_losses"][0] == found["stop_loss"].min()


def test_a_learning_goes_on_from_its_alpha_when_its_penalty_grows() -> None:
    (each,) = learnings(3, [0.5])
    run([each])
    before, alpha = each.result()["alpha"], each.alpha.detach().clone()
    assert each.losses.gain > 0.2
    each.weigh(50.0)
    assert torch.equal(each.alpha.detach(), alpha)
    assert each.steps == 0
    run([each])
    assert before.max() > 0.5
    assert each.result()["alpha"].max() < 0.1
    assert each.losses.gain < 0.1


def test_an_alpha_is_measured_once_on_the_stopping_images() -> None:
    made, disc, meter = sample(images=16)
    stop = learning.StopEffect(made, disc, VALUES, SETTINGS, 3)
    first, before = stop(torch.full((18,), 0.5)), meter.tail
    assert stop(torch.full((18,), 0.5)) == first
    assert meter.tail == before
    assert stop(torch.zeros(18)) != first
    assert meter.tail == before + 16


def test_only_wanted_images_are_scored(small: Small) -> None:
    made, disc, meter = small
    rows = np.array([[0, 3, 5, 9]])
    wanted = np.array([[True, True, False, False], [False] * 4, [False, True, True, True]])
    whole = effects.score_sets(made, disc, [(0,), (1,), (2, 3)], np.ones(18), rows)
    before = meter.tail
    some = effects.score_sets(made, disc, [(0,), (1,), (2, 3)], np.ones(18), rows, wanted=wanted)
    assert meter.tail - before == 5
    for name in ("after", "created", "distance"):
        found = getattr(some, name)
        # In other batches, so that a pixel between two labels may fall on the other side.
        assert np.allclose(found[wanted], getattr(whole, name)[wanted], atol=1e-3)
        assert np.isnan(found[~wanted]).all()


def test_the_off_state_is_the_mean_where_every_cell_holds_the_concept() -> None:
    sums = UnitSums(images=1)
    sums.add(torch.tensor([[[[1.0, 3.0]]]]), torch.ones(1, 1, 2))
    assert sums.off().tolist() == [2]


def test_constants_are_the_loops(small: Small) -> None:
    made = small[0]
    sums = measured([made])
    found, off = sums.statistics(), sums.off()
    r, there = made.maps(torch.arange(10)).double().numpy(), made.there.double().numpy()
    for unit in (0, 5, 9):
        part = total = square = absent = free = 0.0
        for image in range(10):
            for row in range(16):
                for column in range(16):
                    part += r[image, unit, row, column] * there[image, row, column]
                    total += there[image, row, column]
                    square += r[image, unit, row, column] ** 2
                    if there[image, row, column] == 0:
                        absent += r[image, unit, row, column]
                        free += 1
        assert found.k[unit] == pytest.approx(part / total, rel=1e-5)
        assert off[unit] == pytest.approx(absent / free, rel=1e-5)
        assert found.square[unit] == pytest.approx(square / 2560, rel=1e-5)
        assert found.mean[unit] == pytest.approx(r[:, unit].mean(), rel=1e-5)
        assert (r[:, unit] > found.q99[unit]).mean() == pytest.approx(0.01, abs=0.004)
        changed = np.square(1.5 - r[:, unit]).mean()  # what setting the unit to 1.5 everywhere changes
        assert found.energy(np.full(18, 1.5))[unit] == pytest.approx(changed, rel=1e-5)
    plain = edit_values(found, off, CausesSettings())
    other = edit_values(found, off, CausesSettings(ablate="mean", insert="double"))
    assert np.allclose(plain["ablate"], off, rtol=1e-3)
    assert not edit_values(found, off, CausesSettings(ablate="zero"))["ablate"].any()
    assert np.allclose(plain["insert"], found.k, rtol=1e-3)
    assert np.allclose(other["insert"], 2 * found.k, rtol=1e-3)
    assert np.allclose(other["ablate"], found.mean, rtol=1e-3)
    with pytest.raises(GanatomyError, match="no constant 'most'"):
        found.constant("most")


def test_strata_are_the_images_with_and_without_a_free_cell() -> None:
    there = torch.tensor([[[0.0, 0.0]], [[0.5, 0.0]], [[1.0, 0.1]]])
    assert [rows.tolist() for rows in cells.strata(there)] == [[1, 2], [0, 1]]


def test_proposals_mix_histogram_and_uniform() -> None:
    there = torch.rand(6, 4, 4) * (torch.rand(6, 4, 4) > 0.6)
    histogram = there.sum(0) / there.sum()
    assert torch.allclose(cells.proposals(there), 0.9 * histogram + 0.1 / 16)
    assert torch.allclose(cells.proposals(torch.zeros(2, 4, 4)), torch.full((4, 4), 1 / 16))


@given(st.integers(0, 10_000), st.integers(1, 20))
@settings(max_examples=40)
def test_cells_are_drawn_from_their_stratum(seed: int, wanted: int) -> None:
    random = torch.Generator().manual_seed(seed)
    there = torch.rand(5, 4, 4, generator=random) * (torch.rand(5, 4, 4, generator=random) > 0.5)
    inserted = cells.insertion_cells(there, cells.proposals(there), wanted, random)
    free = (there <= 0).flatten(1).sum(1)
    assert not (inserted & (there > 0)).any()
    assert inserted.flatten(1).sum(1).tolist() == free.clamp(max=wanted).tolist()
    ablated = cells.ablation_cells(there, wanted, random)
    assert not (ablated & (there <= 0)).any()
    assert torch.equal(cells.ablation_cells(there, None, random), there > 0)


def test_single_cells_are_drawn_as_often_as_their_weight() -> None:
    weights = torch.tensor([[[1.0, 2.0], [0.0, 5.0]]]).expand(20_000, 2, 2)
    drawn = cells.draw(weights, 1, torch.Generator().manual_seed(1)).float().mean(0).flatten()
    assert drawn.tolist() == pytest.approx([1 / 8, 2 / 8, 0, 5 / 8], abs=0.012)


def test_the_relaxed_edit_and_its_effect_are_the_loops(small: Small) -> None:
    made, disc, _ = small
    units = made.layer.units
    alpha, gone, k = torch.rand(units), torch.rand(units), torch.rand(units) * 2
    batch = learning.Batches(made, CausesSettings(), 3).draw(3)
    assert batch.ablate.tolist() == [True] * 3 + [False] * 3
    held = made.there[batch.rows] > 0
    assert (batch.where[:3] == held[:3]).all()
    assert not (batch.where[3:] & held[3:]).any()
    means = []
    for row, ablate, where in zip(batch.rows, batch.ablate, batch.where, strict=True):
        r = made.maps(row[None])[0].clone()
        for i, j in where.nonzero().tolist():
            for unit in range(units):
                target = float((gone if ablate else k)[unit])
                r[unit, i, j] = (1 - alpha[unit]) * r[unit, i, j] + alpha[unit] * target
        seen = SEGMENTER.probability(made.tail(row[None], r[None]), "disc")[0]
        inside = [
            float(seen[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean()) for i, j in where.nonzero().tolist()
        ]
        means.append(np.mean(inside))
    expected = np.mean(means[3:]) - np.mean(means[:3])
    to = learning.Targets(gone, k)
    act = learning.Act(made, alpha, batch)
    other = act._replace(alpha=torch.zeros(units))
    both = learning.effects([act, other], disc, to)
    assert float(both[0]) == pytest.approx(expected, abs=1e-5)
    assert float(both[1]) == pytest.approx(learning.effect_of(other, disc, to), abs=1e-5)
    assert learning.effect_of(act, disc, to) == pytest.approx(expected, abs=1e-5)


def test_the_penalties_and_the_start() -> None:
    alpha = torch.tensor([0.6, 0.0, 0.8])
    assert float(penalty(alpha, CausesSettings(), 0.5)) == pytest.approx(0.5)
    squared = CausesSettings(penalty="squared")
    assert float(penalty(2 * alpha, squared, 0.5)) == pytest.approx(2.0)
    starts = learning.starts(np.array([-3.0, 1.0, 2.0]), 1)
    assert starts["single"].tolist() == pytest.approx([0.25, 0.5, 1])
    assert ((starts["drawn"] > 0.4) & (starts["drawn"] < 0.6)).all()
    assert not np.array_equal(starts["drawn"], learning.starts(np.zeros(3), 2)["drawn"])
    assert learning.starts(np.zeros(2), 1)["single"].tolist() == [0.5, 0.5]
    with pytest.raises(GanatomyError, match="no penalty 'cube'"):
        CausesSettings(penalty="cube")  # type: ignore[arg-type]


@pytest.mark.parametrize("module", MODULES)
def test_sets_are_scored_as_edits_of_the_whole_generator(module: str) -> None:
    made, disc, meter = sample(module)
    values = np.linspace(0, 1.5, made.layer.units)
    sets, rows = [(0, 4), (9,), tuple(range(18))], np.array([[0, 5, 9], [1, 5, 2], [3, 4, 0]])
    before = meter.values()
    realism = Realism(torch.rand(20, 5), lambda images: images.flatten(1)[:, :5])
    for strengths, operation in ((np.zeros(18), "ablate"), (values, "insert")):
        found = effects.score_sets(made, disc, sets, strengths, rows, realism)
        for number, (units, chosen) in enumerate(zip(sets, rows, strict=True)):
            edit = (
                Edit.ablate("layer1", units)
                if operation == "ablate"
                else Edit.insert("layer1", {u: float(np.float32(values[u])) for u in units})
            )
            for place, row in enumerate(chosen.tolist()):
                z = latents(1, 7 + row, 8 + row, (planted_causes.LATENT,))
                plain, after = edited_images(made.generator, edit, z)
                with edited(made.generator, edit):
                    assert torch.allclose(after, made.generator.images(z), atol=1e-6)
                was, now = SEGMENTER.labels(plain)[0], SEGMENTER.labels(after)[0]
                shares = [float((now == c + 1).float().mean()) for c in range(4)]
                assert found.after[number, place].tolist() == pytest.approx(shares, abs=0.002)
                created = float(((now == 1) & (was != 1)).float().mean())
                assert found.created[number, place] == pytest.approx(created, abs=0.002)
                distance = float((after - plain).square().mean().sqrt())
                assert found.distance[number, place] == pytest.approx(distance, abs=1e-5)
                assert found.realism[number, place] == pytest.approx(float(realism(after)[0]), rel=1e-4)
    assert meter.tail - before[1] == 18
    assert meter.segmenter - before[2] == 18
    assert (meter.generator > before[0]) == (module == "made again")


def test_no_units_change_nothing(small: Small) -> None:
    made, disc, _ = small
    found = effects.score_sets(made, disc, [()], np.ones(18))
    assert np.array_equal(found.before, found.after)
    assert not found.created.any()
    assert not found.distance.any()


def test_the_tail_is_the_edited_generator_at_every_layer() -> None:
    torch.manual_seed(0)
    parts = progan.build(progan.progan((8, 8, 6, 5, 4), 12).state_dict())
    whole = Generator(*parts[:3])
    z = latents(1, 0, 3, whole.latent_shape)
    for layer in whole.layers:
        meter = Meter()
        made = Sample(
            whole, layer.name, ConceptSegmenter(SEGMENTER, "disc", meter), 1, (0, 3), meter, keep_images=True
        )
        rows, values = torch.tensor([0, 1, 2]), torch.full((layer.units,), 0.7)
        members = effects.membership([(0, 3)] * 3, layer.units, torch.device("cpu"))
        tail = made.tail(rows, effects.edited_maps(made.maps(rows), members, values))
        with edited(whole, Edit.insert(layer.name, {0: 0.7, 3: 0.7})):
            # Channels last rounds otherwise, and this normalisation enlarges it.
            assert torch.allclose(tail, whole.images(z), atol=1e-3)
        with torch.no_grad():
            plain = made.tail(rows, made.maps(rows))
        assert torch.equal(plain, made.images)
        assert torch.allclose(plain, whole.images(z), atol=1e-3)


def test_realism_is_the_loop() -> None:
    torch.manual_seed(0)
    reference, other = torch.rand(21, 3).double(), torch.rand(5, 3).double()
    radius = [sorted(float((a - b).norm()) for b in reference)[NEIGHBOURS] for a in reference]
    median = sorted(radius)[10]
    for features, score in zip(other, Realism(reference, lambda x: x)(other), strict=True):
        best = max(
            r / float((a - features).norm()) for r, a in zip(radius, reference, strict=True) if r <= median
        )
        assert float(score) == pytest.approx(best)


def test_calibration_iou_is_the_engines() -> None:
    parts = planted_shapes.build(planted_shapes.weights(1))
    made, meter = Generator(*parts[:3]), Meter()
    disc = ConceptSegmenter(SEGMENTER, "disc", meter)
    lanes = [latent_ranges.lane(latent_ranges.TRAINING, number, 96) for number in (0, 1)]
    samples = {a: Sample(made, "layer2", disc, 1, (a, b), meter, keep_images=True) for a, b in lanes}
    found = calibration.calibration_iou(made, disc, 1, samples)
    later = (latent_ranges.TESTING, latent_ranges.TESTING + 64)
    plans = [Plan(seed=1, layers=("layer2",), calibration=lane, evaluation=later) for lane in lanes]
    edges = pilot(made, SEGMENTER, plans[0])
    shards = [count(made, SEGMENTER, p, p.calibration, edges) for p in plans]
    counts = shards[0].merge(shards[1])
    chosen = choose(counts, sides="high", compositions=False).layers["layer2"]
    pair, side = chosen.pair, chosen.side
    assert (side == HIGH).all()
    both = at_pairs(counts.layers["layer2"].joint, pair, side)
    union = at_pairs(counts.layers["layer2"].pixels, pair, side) + counts.areas - both
    assert np.nanmax(found) > 0.5
    assert np.allclose(found, np.where(pair >= 0, both / union, np.nan), equal_nan=True)


@pytest.mark.parametrize(
    ("images", "calibration", "evaluated"),
    [
        (1000, 500, (512, 1512)),  # as ever
        (99_520, 512, (512, 100_032)),  # the last that fits
        (99_521, 512, (1_000_000, 1_099_521)),
        (1_000_000, 500, (1_000_000, 2_000_000)),
        (1000, 100_032, (1_000_000, 1_001_000)),
        (1000, 200_000, (1_200_000, 1_201_000)),
        (1_000_000, 1_000_000, (2_000_000, 3_000_000)),
    ],
)
def test_no_dissection_meets_another_study(images: int, calibration: int, evaluated: tuple[int, int]) -> None:
    plan = Plan.make(images, calibration)
    assert plan.evaluation == evaluated
    for start, stop in (plan.calibration, plan.evaluation):
        assert stop <= latent_ranges.TRAINING or start >= latent_ranges.LARGE
    assert plan.calibration[1] - plan.calibration[0] == calibration


def test_streams_do_not_meet() -> None:
    starts = (latent_ranges.TRAINING, latent_ranges.STOPPING, latent_ranges.TESTING, latent_ranges.MEASURING)
    ends = [latent_ranges.lane(start, 14, latent_ranges.LANE)[1] for start in starts]
    assert all(end <= later for end, later in zip(ends, starts[1:], strict=False))
    assert all(start % 64 == 0 for start in (*starts, latent_ranges.LANE))
    later = (
        latent_ranges.MEASURING,
        latent_ranges.FORCING,
        latent_ranges.RANKING,
        latent_ranges.SCORING,
        latent_ranges.OTHER,
    )
    spans = [latent_ranges.span(start, latent_ranges.room(start)) for start in later[:-1]]
    assert [stop for _, stop in spans] == list(later[1:])
    for images in (0, 50_001):
        with pytest.raises(GanatomyError, match="at most 50,000"):
            latent_ranges.span(latent_ranges.MEASURING, images)
    with pytest.raises(GanatomyError, match="at most 15 seeds"):
        latent_ranges.lane(latent_ranges.TRAINING, 15, 1)
