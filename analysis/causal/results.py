"""A task's stages as tables: curve, side effects, learning, summary. Columns as in db.schema_effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.causal import frames, statistics

if TYPE_CHECKING:
    from analysis.causal.task import Task
    from analysis.segmenters.protocol import Segmenter

Arrays = dict[str, NDArray[Any]]


def curve(task: Task) -> pd.DataFrame:
    concept, rows = task.eyes.label - 1, []
    plain = task.plain()
    numbers = np.array([n for n, _, _ in task.random_sets], int)
    for edit in frames.EDITS:
        for n in task.sizes:
            for ranking in task.rankings:
                facts = {
                    "ranking": ranking,
                    "edit": edit,
                    "units": n,
                    "sets": 1,
                    "images": task.amounts.images,
                }
                if n == 0:
                    rows.append(facts | frames.nothing_row(float(plain["realism"])))
                    continue
                place = task.place_of(ranking, n)
                single = float(task.cells[edit][place])
                found = frames.curve_row(task.curves, place, edit, concept)
                rows.append(facts | found | {"one_cell_effect": single})
            places = np.flatnonzero(numbers == n)
            facts = {"ranking": "random", "edit": edit, "units": n, "sets": len(places)}
            facts["images"] = min(task.amounts.random_images, task.amounts.images)
            if n == 0 and len(numbers):
                facts["sets"] = task.amounts.random_sets
                rows.append(facts | frames.nothing_row(float(plain["realism"])))
            elif len(places):
                share = float(plain["shares"][concept])
                rows.append(facts | frames.band_row(task.random, places, edit, concept, share))
    return pd.DataFrame(rows)


def side(task: Task) -> pd.DataFrame:
    names, parts = [c.name for c in task.segmenter.concepts], []
    numbers = np.array([n for n, _, _ in task.random_sets], int)
    shares = task.plain()["shares"]
    for edit in ("ablate", "insert"):
        for n in task.sizes[1:]:
            chosen = [(name, task.curves, np.array([task.place_of(name, n)])) for name in task.rankings]
            if len(numbers):
                chosen.append(("random", task.random, np.flatnonzero(numbers == n)))
            for ranking, scored, places in chosen:
                rows = frames.side_rows(scored, places, edit, names, shares, ranking == "random")
                parts.append(rows.assign(ranking=ranking, edit=edit, units=n))
    order = ["ranking", "edit", "units", "affected", "before", "change", "change_low", "change_high"]
    return pd.concat(parts, ignore_index=True)[[*order, "relative_change"]]


def learned(task: Task) -> pd.DataFrame:
    columns = ("step", "train_loss", "stop_loss", "stopped")
    parts = [
        pd.DataFrame({"seed": number} | {name: found[name] for name in columns})
        for number, found in enumerate(task.learned)
    ]
    return pd.concat(parts, ignore_index=True)


def summary(task: Task, count: int, segmenter: Segmenter, second: Arrays | None) -> dict[str, Any]:
    concept, place = task.eyes.label - 1, task.place_of("ace", count)
    if second is None:
        names = ("before", "ablate_after", "insert_after")
        second = {name: task.curves[name][place][:, concept] for name in names}
        uniform = float(task.cells["both"][place])
    else:
        uniform = float("nan")
    effect = statistics.mean(second["insert_after"] - second["ablate_after"])
    removed = statistics.ratio(second["before"] - second["ablate_after"], second["before"])
    orders = np.stack([statistics.ranked(alpha, task.agreement) for alpha in task.alphas])
    return {
        "segmenter": getattr(segmenter, "name", type(segmenter).__name__),
        "seeds": task.amounts.seeds,
        "steps": task.settings.steps,
        "penalty": task.settings.penalty,
        "penalty_weight": float(np.mean([learned["weight"] for learned in task.learned])),
        "insert_kind": task.insert,
        "top_units": count,
        "top_overlap": statistics.top_overlap(orders, count),
        "effect": float(effect.value),
        "effect_low": float(effect.low),
        "effect_high": float(effect.high),
        "removed": float(removed.value),
        "stratified_effect": float(np.mean([learned["stratified"] for learned in task.learned])),
        "uniform_effect": uniform,
    }


def costs(task: Task) -> dict[str, Any]:
    meter = task.meter
    return {
        "generator_passes": meter.generator,
        "tail_passes": meter.tail,
        "segmenter_passes": meter.segmenter,
        "seconds": meter.seconds,
    }
