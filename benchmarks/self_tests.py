"""Does each score do what it says? Cases whose answer is known; prints docs/self-tests.md.

    python -m benchmarks.self_tests > docs/self-tests.md

Everything is drawn from fixed seeds. It takes some minutes on two cores.
"""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor, nn

from analysis import Generator, ace, dissect
from analysis.causes import statistics as effects
from analysis.comparison.trainings import interval
from analysis.counting import agreement, values
from analysis.counting.moment_names import MOMENTS
from analysis.dissection import significance
from analysis.editing.edits import Edit
from analysis.editing.interventions import edited_images
from analysis.models import generators, segmenters
from analysis.models.families import planted_causes
from analysis.models.segmentation import shape_colours
from analysis.shared.concepts import Concept
from analysis.shared.latents import latents

FREQUENCIES = (0.5, 0.1, 0.01, 0.001, 0.0001)
PIXELS = 10_000_000
NEEDED = 0.1  # of a score, that wrong labels must take
SIDE = 16
LAYERS = ("layer2", "layer3", "layer4")  # of the generators of churches
Row = dict[str, object]


def wrong_labels() -> list[Row]:
    """What is left of a perfect unit's scores when half of the labels lack / half as many are added.

    A score that notices neither cannot tell a unit for a concept from one for a part of it, or for more
    than it (Oikarinen et al., ICML 2025, Neuron_Eval). Columns are the concept's share of the pixels. A score
    notices if at least a tenth of it is gone.
    """
    found: dict[str, Row] = {}
    for frequency in FREQUENCIES:
        area = round(frequency * PIXELS)
        perfect = scores(area, area, area)
        lacking, added = scores(area, area // 2, area // 2), scores(area, area * 3 // 2, area)
        for name, whole in perfect.items():
            left = (lacking[name] / whole, added[name] / whole)
            row = found.setdefault(name, {"score": name, "notices both": True})
            row["notices both"] = bool(row["notices both"]) and max(left) <= 1 - NEEDED
            row[f"{frequency}"] = f"{left[0]:.2f} / {left[1]:.2f}"
    return list(found.values())


def scores(mask: int, area: int, both: int) -> dict[str, float]:
    """Every score of a unit that is 1 on `mask` pixels and else 0, for a concept that lies anywhere."""
    total = PIXELS
    measured = {
        name: float(value)
        for name, value in agreement.measures(np.array(both), np.array(mask), np.array(area), total).items()
    }
    joint, pixels = np.array([[[area - both, both]]]), np.array([[total - mask, mask]])
    sums, share = np.array([[both, mask, mask]], float), np.array(area / total)
    ranked = significance.average_precision(joint, pixels, np.array([area]))[0, 0]
    hit, false = both / area, (mask - both) / max(total - area, 1)
    return {
        "IoU": measured["iou"],
        "lift": float(agreement.lift(np.array(measured["iou"]), share)),
        "information quality": measured["iqr"],
        "average precision over frequency": float(agreement.lift(ranked, share)),
        "correlation": float(values.correlations(sums, np.array([area]), total)[0, 0]),
        "precision": measured["precision"],
        "recall": measured["recall"],
        "accuracy": measured["accuracy"],
        "balanced accuracy (not offered)": (hit + 1 - false) / 2,
        "AUROC (not offered)": (hit * (1 - false)) + (hit * false + (1 - hit) * (1 - false)) / 2,
    }


def precision_of_ranking(score: NDArray[np.float64], true: NDArray[np.bool_]) -> float:
    """Average precision of the true cases when all are ranked by a score; NaN comes last."""
    order = np.argsort(-np.nan_to_num(score, nan=-np.inf), kind="stable")
    hits = true[order]
    return float((np.cumsum(hits)[hits] / (np.flatnonzero(hits) + 1)).mean())


def planted_pairs(images: int = 300) -> list[Row]:
    """Do true pairs of unit and concept rank first, among all pairs of a planted generator?

    24 units follow one of three concepts each, on .5, .16 and .02 of the pixels, with more and more noise.
    """
    made = dissect(
        Generator(_Follows(), ["draw"], latent_shape=(27 * 16, 1, 1)),
        _Shades(),
        images=images,
        calibration=images,
    )
    frame = made.frame()
    names = [concept.name for concept in _Shades.concepts]
    true = (frame["unit"] // 8 == frame["concept"].map(names.index)).to_numpy(bool)
    columns = ("lift", "iou", "calibrated", "average_precision_lift", "correlation", "precision", "accuracy")
    return [
        {
            "score": name,
            "average precision of true pairs": precision_of_ranking(frame[name].to_numpy(float), true),
            "share of true pairs": true.mean(),
        }
        for name in columns
    ]


def planted_effects(seeds: Sequence[int] = (1, 2, 3)) -> list[Row]:
    """Do true causes rank first, among the units of planted generators?"""
    segmenter = shape_colours.build(shape_colours.weights(0), {}, "planted", "cpu")
    found: dict[str, list[float]] = {}
    for seed in seeds:
        parts = planted_causes.build(planted_causes.weights(seed))
        generator = Generator(parts.module, parts.layers, parts.latent_shape, name="planted-causes")
        causes = ace(
            generator,
            segmenter,
            layer="layer1",
            concept="disc",
            seed=seed,
            images=16,
            random_sets=0,
            amounts={"cell_images": 0},
        )
        true = planted_causes.truth(seed) > 0
        for name, score in (("alpha", causes.alpha), ("IoU", causes.iou)):
            found.setdefault(name, []).append(precision_of_ranking(np.asarray(score, float), true))
    return [
        {"ranking": name, "average precision of true causes": np.mean(each), "seeds": len(each)}
        for name, each in found.items()
    ]


class _Apart(nn.Module):
    """Units and picture from separate halves of the latent: no unit knows anything of its image."""

    def __init__(self) -> None:
        super().__init__()
        self.draw = nn.Identity()

    def forward(self, z: Tensor) -> Tensor:
        flat = z.flatten(1)
        self.draw(_field(flat[:, : 24 * 16].reshape(-1, 24, 4, 4)))
        return torch.tanh(2 * _field(flat[:, 24 * 16 :].reshape(-1, 3, 4, 4)))


class _Follows(nn.Module):
    """Eight units for each colour of the picture, with more and more noise."""

    def __init__(self) -> None:
        super().__init__()
        self.draw = nn.Identity()
        self.noise = torch.linspace(0.3, 3.0, 8).repeat(3).view(24, 1, 1)

    def forward(self, z: Tensor) -> Tensor:
        flat = z.flatten(1)
        picture = _field(flat[:, 24 * 16 :].reshape(-1, 3, 4, 4))
        noise = _field(flat[:, : 24 * 16].reshape(-1, 24, 4, 4))
        self.draw(picture.repeat_interleave(8, 1) + self.noise * noise)
        return torch.tanh(2 * picture)


def _field(coarse: Tensor) -> Tensor:
    return nn.functional.interpolate(coarse, SIDE, mode="bicubic")


class _Shades:
    """Marks where each colour is strong: concepts on .5, .16 and .02 of the pixels or so."""

    concepts: Sequence[Concept] = [Concept("large"), Concept("middle"), Concept("small")]

    def labels(self, images: Tensor) -> Tensor:
        cuts = torch.tensor([0.0, 0.9, 0.99]).view(3, 1, 1)
        return (images > cuts).long() * torch.arange(1, 4).view(3, 1, 1)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return images[:, 0]


def true_nulls(runs: int = 40) -> list[Row]:
    """Units that know nothing of their image: how many get a name that holds?"""
    generator = Generator(_Apart(), ["draw"], latent_shape=(27 * 16, 1, 1))
    found: list[Row] = []
    for images in (64, 128, 300):
        detected, named, falsely = 0, 0, 0
        for seed in range(runs):
            made = dissect(generator, _Shades(), images=images, calibration=128, seed=seed)
            unit = made.tables()["unit"]
            detected += int((unit["detected"] > 0).sum())
            named += int(unit["concept"].notna().sum())
            falsely += bool((unit["detected"] > 0).any())
        units = 24 * runs
        found.append(
            {
                "images": images,
                "units": units,
                "with a name": named / units,
                "detectors": detected / units,
                "runs with a false detector": falsely / runs,
            }
        )
    return found


def coverage(draws: int = 600) -> list[Row]:
    """How often do the 95 % intervals that pages show hold the truth?"""
    found = []
    for label, images, presence in (
        ("50 images", 50, 1.0),
        ("200 images", 200, 1.0),
        ("1,000 images", 1000, 1.0),
        ("1,000 images, 5 % with the concept", 1000, 0.05),
        ("400 images, 5 % with the concept", 400, 0.05),
    ):
        truth = _intervals(np.random.default_rng(1), 400_000, presence)[0]
        random = np.random.default_rng(2)
        held: dict[str, list[float]] = {name: [] for name in truth}
        for _ in range(draws):
            for name, (low, high) in _intervals(random, images, presence)[1].items():
                held[name].append(np.nan if np.isnan(low) else low <= truth[name] <= high)
        row: Row = {"sample": label}
        for name, each in held.items():
            known = np.isfinite(each)
            row[name] = float(np.nanmean(each)) if known.mean() > 0.5 else None
        found.append(row)
    return found


def _intervals(
    random: np.random.Generator, images: int, presence: float
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """One sample with skewed areas: the value and the interval of each statistic."""
    shown = random.random(images) < presence
    area = np.where(shown, np.minimum(np.exp(4 + random.normal(size=images)), 3000), 0)
    hits = [area * random.beta(4, 3, images), area + 40 * random.random(images)]
    hits += [area * random.beta(3, 3, images), area + 45]
    a, b, c, d = (np.floor(x).astype(np.int64) for x in hits)
    removed = area * random.beta(2, 1, images)
    moments = dict.fromkeys(MOMENTS, 0) | dict(zip(MOMENTS, _spread(a, b), strict=False))
    moments |= {"ac": (a * c).sum(), "ad": (a * d).sum(), "bc": (b * c).sum(), "bd": (b * d).sum()}
    sums, mask = np.array([[list(moments.values())]]), np.array([_spread(c, d)])
    there = np.array([shown.sum()])
    iou, control = a.sum() / b.sum(), c.sum() / d.sum()
    low, high = significance.interval(sums, there)
    _, under, over, _p = significance.lift(sums, mask, np.array([[iou]]), np.array([[control]]), there)
    lost, share = effects.mean(removed[:, None], shown.sum()), effects.ratio(removed[:, None], area[:, None])
    ends = {
        "IoU": (low[0, 0], high[0, 0]),
        "lift": (under[0, 0], over[0, 0]),
        "effect": (lost.low[0], lost.high[0]),
        "share removed": (share.low[0], share.high[0]),
    }
    points = (iou, (iou - control) / (1 - control), lost.value[0], share.value[0])
    return dict(zip(ends, map(float, points), strict=True)), ends


def _spread(a: NDArray[np.int64], b: NDArray[np.int64]) -> list[int]:
    return [int(x.sum()) for x in (a, b, a * a, a * b, b * b)]


def scores_and_effects(layers: Sequence[str] = LAYERS, images: int = 24, name: str = "churches") -> list[Row]:
    """Does a score say what switching the unit off does? Spearman's correlation over units, churches.

    The effect is the share of the concept that ablating the unit to 0 removes, of its name's concept.
    """
    generator, segmenter = generators.load(name, None), segmenters.load("church-parts", None)
    made = dissect(generator, segmenter, images=400, calibration=300, layers=layers)
    frame = made.frame()
    z = latents(1, 300_032, 300_032 + images, generator.latent_shape)
    names = [concept.name for concept in segmenter.concepts]
    before = _areas(segmenter.labels(generator.images(z)), len(names))
    found = []
    for layer in layers:
        mine = frame[(frame["layer"] == layer) & frame["label"] & (frame["side"] == "high")]
        removed = []
        for unit, concept in zip(mine["unit"], mine["concept"], strict=True):
            changed = edited_images(generator, Edit.ablate(layer, [int(unit)]), z)[1]
            number = names.index(concept)
            after = _areas(segmenter.labels(changed), len(names))[number]
            removed.append(1 - after / max(before[number], 1))
        row: Row = {"layer": layer, "units": len(mine), "mean share removed": float(np.mean(removed))}
        for score in ("lift", "iou", "correlation", "average_precision"):
            row[score] = float(pd.Series(removed).corr(mine[score].reset_index(drop=True), method="spearman"))
        found.append(row)
    return found


def effects_over_trainings(
    recipes: Sequence[str] = ("churches-small", "churches-dcgan-small"),
    layers: Sequence[str] = LAYERS,
    images: int = 24,
) -> list[Row]:
    """The same for trainings 1 to 3 of two recipes: the mean of the three correlations, by Fisher's z.

    The units are those with a name whose concept lies where they are high. The interval is Student's, 95 %,
    over the trainings, and is not corrected for the number of intervals.
    """
    rows: list[Row] = []
    for recipe in recipes:
        made = [scores_and_effects(layers, images, f"{recipe}-{seed}") for seed in (1, 2, 3)]
        for place, layer in enumerate(layers):
            own = pd.DataFrame([found[place] for found in made])
            row: Row = {"recipe": recipe, "layer": layer, "units": "/".join(map(str, own["units"]))}
            for score in ("lift", "iou", "average_precision"):
                z = np.arctanh(own[score])
                middle, low, high = np.tanh([z.mean(), *interval(z.tolist())])
                row[score] = f"{middle:.2f} ({low:.2f} to {high:.2f})"
            rows.append(row)
    return rows


def _areas(labels: Tensor, concepts: int) -> NDArray[np.float64]:
    return np.array([float((labels == number + 1).any(1).sum()) for number in range(concepts)])


def table(found: list[Row]) -> str:
    """Rows as a table in Markdown."""

    def text(value: object) -> str:
        if isinstance(value, bool | np.bool_):
            return "yes" if value else "no"
        if isinstance(value, float | np.floating):
            return f"{value:.4g}" if value < 0.01 and value > 0 else f"{value:.3f}"
        return "none shown" if value is None else str(value)

    head = list(found[0])
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(text(row[name]) for name in head) for row in found]
    return "\n".join(f"| {line} |" for line in lines)


PARTS = (
    ("Wrong labels", wrong_labels),
    ("True pairs", planted_pairs),
    ("True causes", planted_effects),
    ("Units that know nothing", true_nulls),
    ("Coverage of intervals", coverage),
    ("Scores and effects", scores_and_effects),
    ("Scores and effects over trainings", effects_over_trainings),
)


def main(only: Annotated[str, typer.Option(help="The title of the only table to print.")] = "") -> None:
    """Print every table, or one."""
    torch.set_num_threads(1)
    if not only:
        print("# Self-tests\n")
        print(
            "Cases whose answer is known, as `python -m benchmarks.self_tests` prints them. The slow tests "
            "run the same cases."
        )
    for title, part in PARTS:
        if only not in ("", title):
            continue
        told = " ".join((part.__doc__ or "").split())
        print(f"\n## {title}\n\n{told}\n\n{table(part())}", flush=True)


if __name__ == "__main__":
    typer.run(main)
