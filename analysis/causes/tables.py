"""A study's measurements as the store's tables; columns as in db.schema.causes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.causes import statistics
from analysis.causes.single_cells import CellEffect
from analysis.causes.statistics import Estimate
from analysis.shared.arrays import Array, Floats, Ints

if TYPE_CHECKING:
    from analysis.causes.effects import EditScores
    from analysis.causes.measurements import Measurements, RandomSet
    from analysis.causes.rankings import Rankings
    from analysis.causes.segmentation import ConceptSegmenter

EDITS = ("ablate", "insert", "both")
Row = dict[str, Any]


def curve(found: Measurements) -> pd.DataFrame:
    """Table ace_curve: every ranking and the random sets, for each edit and n."""
    random = ("random",) if found.random_sets else ()
    names = (*found.rankings.orders, *random)
    return pd.DataFrame(
        [_no_edit(found, name, edit) for edit in EDITS for name in names]
        + [_ranked(found, name, edit, n) for edit in EDITS for name, n in found.lists]
        + [_random(found, edit, n) for edit in EDITS for n in found.random_sizes]
    )


def _keys(found: Measurements, ranking: str, edit: str, n: int) -> Row:
    random = ranking == "random"
    shown = found.shown[found.random_rows[0]] if random else found.shown
    sets = (len(found.random_of(n)) if n else found.study.settings.random_sets) if random else 1
    of = {"images": len(shown), "shown": int(shown.sum())}
    return {"ranking": ranking, "edit": edit, "units": n, "sets": sets} | of


def _no_edit(found: Measurements, ranking: str, edit: str) -> Row:
    """N = 0: the image itself."""
    nothing = Estimate(*map(np.asarray, (0.0, 0.0, 0.0)))
    return {
        **_keys(found, ranking, edit, 0),
        **_effect(nothing, nothing),
        **_cell(CellEffect(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)),
        "created": 0.0,
        "image_distance": 0.0,
        "realism": found.plain_realism,
    }


def _ranked(found: Measurements, ranking: str, edit: str, n: int) -> Row:
    """The first n units of a ranking; the image is the cluster of every interval."""
    concept, number, sets = found.study.segmenter.index, found.index(ranking, n), found.random_of(n)
    moved = found.curves.gain(edit, concept)[number]
    drawn = found.random.gain(edit, concept)[sets] if len(sets) else np.empty((0, 0))
    before = found.curves.before_of(number)[:, concept]
    compared = statistics.as_good(
        moved,
        drawn,
        found.random_rows[sets],
        [found.random_sets[i].key(edit) for i in sets],
        before > 0 if edit == "ablate" else None,
    )
    wanted = found.energy(edit, found.first("ace", n))
    energy = found.energy(edit, found.first(ranking, n))
    return {
        **_keys(found, ranking, edit, n),
        **_effect(
            statistics.mean(moved, found.shown.sum() if edit == "ablate" else None),
            statistics.ratio(moved, before),
        ),
        **_pictures(found.curves, edit, number),
        **_cell(found.cells[edit][number]),
        "as_good": compared.p,
        "compared_sets": compared.sets,
        "energy": energy / wanted if wanted > 0 else float("nan"),
    }


def _random(found: Measurements, edit: str, n: int) -> Row:
    """The random sets of n units: their mean, and the quantiles that hold 95 % of them."""
    concept, sets = found.study.segmenter.index, found.random_of(n)
    moved = found.random.gain(edit, concept)[sets] @ found.random_weights
    before = found.random.before_of(sets)[..., concept] @ found.random_weights
    with np.errstate(all="ignore"):
        relative = moved / before  # of its own images: other images would have another share
    relative = relative[np.isfinite(relative)] if np.isfinite(relative).any() else relative * np.nan
    return {
        **_keys(found, "random", edit, n),
        **_effect(statistics.band(moved), statistics.band(relative)),
        **_pictures(found.random, edit, sets),
        "energy": float(np.mean([_random_energy(found, edit, found.random_sets[i]) for i in sets])),
    }


def _random_energy(found: Measurements, edit: str, drawn: RandomSet) -> float:
    """The energy of a random set over that of the first n by alpha; of both edits, of the pair."""
    edits = found.rankings.values if edit == "both" else (edit,)
    theirs = sum(found.energy(each, drawn.units[each]) for each in edits)
    wanted = found.energy(edit, found.first("ace", drawn.size))
    return theirs / wanted if wanted > 0 else float("nan")


def _effect(effect: Estimate, relative: Estimate) -> Row:
    return {
        "effect": float(effect.value),
        "effect_low": float(effect.low),
        "effect_high": float(effect.high),
        "relative_effect": float(relative.value),
        "relative_low": float(relative.low),
        "relative_high": float(relative.high),
    }


def _cell(effect: CellEffect) -> Row:
    return {f"one_cell_{name}": value for name, value in effect._asdict().items()}


def _pictures(scores: EditScores, edit: str, sets: int | Ints) -> Row:
    """How the pictures changed; of both edits together there is no picture."""
    if edit == "both":
        return dict.fromkeys(("created", "image_distance", "realism"), float("nan"))
    found = scores.of(edit)
    return {
        "created": float(found.created[sets].mean()),
        "image_distance": float(found.distance[sets].mean()),
        "realism": float(found.realism[sets].mean()),
    }


def side_effects(found: Measurements) -> pd.DataFrame:
    """Table side_effect: what each ranking's first n units do to every concept, for each edit."""
    parts = []
    for edit in found.rankings.values:
        change = found.curves.of(edit).after - found.curves.before
        for ranking, n in found.lists:
            estimate = statistics.mean(change[found.index(ranking, n)])
            parts.append(_side_rows(found, ranking, edit, n, estimate))
        if found.random_sets:
            change = found.random_weights @ (found.random.of(edit).after - found.random.before)
            for n in found.random_sizes:
                estimate = statistics.band(change[found.random_of(n)])
                parts.append(_side_rows(found, "random", edit, n, estimate))
    return pd.concat(parts, ignore_index=True)


def _side_rows(found: Measurements, ranking: str, edit: str, n: int, change: Estimate) -> pd.DataFrame:
    with np.errstate(all="ignore"):
        relative = np.where(found.shares > 0, change.value / found.shares, np.nan)
    return pd.DataFrame(
        {
            "ranking": ranking,
            "edit": edit,
            "units": n,
            "affected": [known.name for known in found.study.segmenter.concepts],
            "before": found.shares,
            "change": change.value,
            "change_low": change.low,
            "change_high": change.high,
            "relative_change": relative,
        }
    )


def single_units(rankings: Rankings) -> pd.DataFrame:
    """Table unit_effect without layer: every unit alone, ranked on one sample, measured on another."""
    choosing, testing = rankings.alone, rankings.testing
    parts = []
    for c, known in enumerate(rankings.study.segmenter.concepts):
        share = testing.before(c)
        for edit in EDITS:
            chosen, found = choosing.effect(edit, c), testing.estimate(edit, c)
            with np.errstate(all="ignore"):
                relative = np.where(share > 0, found.value / share, np.nan)
            rows = {
                "unit": np.arange(len(chosen)),
                "choosing_effect": chosen,
                "effect": found.value,
                "effect_low": found.low,
                "effect_high": found.high,
                "relative_effect": relative,
                "rank": statistics.ranks(statistics.ranked(chosen)),
                "concept": known.name,
                "edit": edit,
                "images": testing.images,
                "shown": testing.shown(c),
            }
            parts.append(pd.DataFrame(rows))
    return pd.concat(parts, ignore_index=True)


def overlap(alphas: Floats, iou: Array) -> pd.DataFrame:
    """Table ace_overlap: the share that the seeds' first n units have in common, for every n."""
    count = np.arange(1, alphas.shape[1] + 1)
    shared = [statistics.top_overlap(alphas, iou, int(n)) for n in count]
    return pd.DataFrame({"units": count, "overlap": shared})


def learning(rankings: Rankings) -> pd.DataFrame:
    """Table ace_learning: the losses of each seed."""
    columns = ("step", "train_loss", "stop_loss", "stopped")
    parts = [
        pd.DataFrame({"seed": number} | {name: found[name] for name in columns})
        for number, found in enumerate(rankings.learned)
    ]
    return pd.concat(parts, ignore_index=True)


def summary(found: Measurements) -> pd.DataFrame:
    """Table ace_summary: one row per scoring segmenter, that of the learning first."""
    study, rankings, count = found.study, found.rankings, found.study.top
    number = found.index("ace", count)
    curves, uniform = found.curves, found.cells["both"][number]
    causal_set = type(curves)(
        before=curves.before_of(np.array([number])),
        after=curves.after[:, [number]],
        created=curves.created[:, [number]],
        distance=curves.distance[:, [number]],
        realism=curves.realism[:, [number]],
    )
    rows = [
        _scored(study.segmenter, causal_set)
        | {
            "uniform_effect": uniform.effect,
            "uniform_low": uniform.low,
            "uniform_high": uniform.high,
            "stratified_effect": float(found.stratified.mean()),
        }
    ]
    again = found.second_scores(found.first("ace", count))
    if study.second is not None and again is not None:
        rows.append(_scored(study.second, again))
    acting = (rankings.alphas > 0).sum(1)
    how = {
        "images": len(found.shown),
        "shown": int(found.shown.sum()),
        **rankings.drawn,
        "seeds": study.settings.seeds,
        "steps": study.settings.steps,
        "penalty": study.settings.penalty,
        "penalty_weight": rankings.weight,
        "ablate_kind": study.settings.ablate,
        "insert_kind": study.settings.insert,
        "top_units": count,
        "top_overlap": statistics.top_overlap(rankings.alphas, rankings.iou, count),
        "alpha_agreement": statistics.agreement(rankings.alphas),
        "start_agreement": float(
            np.mean([statistics.agreement(learned["start_alphas"]) for learned in rankings.learned])
        ),
        "starts": ", ".join(str(learned["start"]) for learned in rankings.learned),
        "acting_units": int((rankings.alphas > 0).any(0).sum()),
        "acting_least": int(acting.min()),
        "acting_most": int(acting.max()),
        "generator_passes": study.meter.generator,
        "tail_passes": study.meter.tail,
        "segmenter_passes": study.meter.segmenter,
        "seconds": study.meter.seconds,
    }
    return pd.DataFrame([row | how for row in rows])


def _scored(segmenter: ConceptSegmenter, scores: EditScores) -> Row:
    """The causal set by one segmenter: average causal effect, and share removed."""
    effect = statistics.mean(scores.gain("both", segmenter.index)[0])
    before = scores.before[0][:, segmenter.index]
    removed = statistics.ratio(scores.gain("ablate", segmenter.index)[0], before)
    return {
        "segmenter": segmenter.name,
        "effect": float(effect.value),
        "effect_low": float(effect.low),
        "effect_high": float(effect.high),
        "removed": float(removed.value),
        "removed_low": float(removed.low),
        "removed_high": float(removed.high),
    }


def unit_rows(
    alphas: Floats, ranking: Sequence[int] | Ints, values: dict[str, Floats], needed: dict[str, Floats]
) -> pd.DataFrame:
    """Table ace_unit without layer and concept: alpha over the seeds, rank, and what edits set a unit to."""
    return pd.DataFrame(
        {
            "unit": np.arange(len(ranking)),
            "alpha": alphas.mean(0),
            "alpha_low": alphas.min(0),
            "alpha_high": alphas.max(0),
            "rank": statistics.ranks(np.asarray(ranking)),
            "ablate_value": values["ablate"],
            "insert_value": values["insert"],
            "ablate_needed": needed["ablate"],
            "insert_needed": needed["insert"],
        }
    )
