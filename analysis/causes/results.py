"""A task's stages as tables: curve, side effects, learning, summary. Columns as in db.schema.causes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.causes import frames, statistics

if TYPE_CHECKING:
    from analysis.causes.task import RandomSet, Task
    from analysis.models.segmenter import Segmenter

Array = NDArray[Any]
Arrays = dict[str, Array]


def curve(task: Task) -> pd.DataFrame:
    """Table ace_curve: every ranking and the random sets, for each edit and n."""
    random = ("random",) if task.random_sets else ()
    return pd.DataFrame(
        [_nothing(task, name, edit) for edit in frames.EDITS for name in (*task.rankings, *random)]
        + [_ranked(task, name, edit, n) for edit in frames.EDITS for name, n in task.lists]
        + [_random(task, edit, n) for edit in frames.EDITS for n in task.sizes[1:] if random]
    )


def _facts(task: Task, ranking: str, edit: str, n: int) -> dict[str, Any]:
    random = ranking == "random"
    images = min(task.amounts.random_images, task.amounts.images) if random else task.amounts.images
    sets = task.amounts.random_sets if random else 1
    return {"ranking": ranking, "edit": edit, "units": n, "sets": sets, "images": images}


def _nothing(task: Task, ranking: str, edit: str) -> dict[str, Any]:
    return _facts(task, ranking, edit, 0) | frames.nothing_row(float(task.plain()["realism"]))


def _ranked(task: Task, ranking: str, edit: str, n: int) -> dict[str, Any]:
    concept, place = task.eyes.label - 1, task.place_of(ranking, n)
    moved, sets = frames.gain(task.curves, edit, concept)[place], _sets(task, n)
    drawn = frames.gain(task.random, edit, concept)[sets] if len(sets) else np.empty((0, 0))
    return {
        **_facts(task, ranking, edit, n),
        **frames.curve_row(task.curves, place, edit, concept),
        **dict(zip(frames.ONE_CELL, task.cells[edit][place], strict=True)),
        "as_good": statistics.as_good(moved, drawn, task.random_rows[sets]),
        "energy": _energy(task, edit, n, task.first(ranking, n)),
    }


def _random(task: Task, edit: str, n: int) -> dict[str, Any]:
    concept, sets = task.eyes.label - 1, _sets(task, n)
    share = float(task.plain()["shares"][concept])
    return {
        **_facts(task, "random", edit, n),
        **frames.band_row(task.random, sets, edit, concept, share),
        "energy": float(np.mean([_random_energy(task, edit, task.random_sets[i]) for i in sets])),
    }


def _sets(task: Task, n: int) -> NDArray[np.intp]:
    """Which random sets are of n units."""
    return np.flatnonzero([drawn.size == n for drawn in task.random_sets])


def _energy(task: Task, edit: str, n: int, units: Sequence[int]) -> float:
    """The energy of an edit of units over that of the first n by alpha."""
    wanted = task.energy(edit, task.first("ace", n))
    return task.energy(edit, units) / wanted if wanted > 0 else float("nan")


def _random_energy(task: Task, edit: str, drawn: RandomSet) -> float:
    """The same of a random set, which for both edits is a pair of sets."""
    edits = task.values if edit == "both" else (edit,)
    theirs = sum(task.energy(each, drawn.units[each]) for each in edits)
    wanted = task.energy(edit, task.first("ace", drawn.size))
    return theirs / wanted if wanted > 0 else float("nan")


def side(task: Task) -> pd.DataFrame:
    """Table side_effect: every concept, for each ranking, edit and n."""
    names, shares = [c.name for c in task.segmenter.concepts], task.plain()["shares"]
    chosen = [(name, n, task.curves, np.array([task.place_of(name, n)])) for name, n in task.lists]
    if task.random_sets:
        chosen += [("random", n, task.random, _sets(task, n)) for n in task.sizes[1:]]
    parts = [
        frames.side_rows(scored, places, edit, names, shares, ranking == "random").assign(
            ranking=ranking, edit=edit, units=n
        )
        for edit in task.values
        for ranking, n, scored, places in chosen
    ]
    order = ["ranking", "edit", "units", "affected", "before", "change", "change_low", "change_high"]
    return pd.concat(parts, ignore_index=True)[[*order, "relative_change"]]


def overlap(alphas: Array, iou: Array) -> pd.DataFrame:
    """Table ace_overlap: how far the seeds' first n units are the same, for every n."""
    count = np.arange(1, alphas.shape[1] + 1)
    shared = [statistics.top_overlap(alphas, iou, int(n)) for n in count]
    return pd.DataFrame({"units": count, "overlap": shared})


def learned(task: Task) -> pd.DataFrame:
    columns = ("step", "train_loss", "stop_loss", "stopped")
    parts = [
        pd.DataFrame({"seed": number} | {name: found[name] for name in columns})
        for number, found in enumerate(task.learned)
    ]
    return pd.concat(parts, ignore_index=True)


def summary(task: Task, count: int) -> pd.DataFrame:
    """Table ace_summary: a row a scoring segmenter, the learning's own first."""
    concept, place = task.eyes.label - 1, task.place_of("ace", count)
    own = {name: task.curves[name][[place]] for name in ("before", *frames.AFTER)}
    uniform = dict(zip(("value", "low", "high"), task.cells["both"][place], strict=False))
    measured = {f"uniform_{'effect' if name == 'value' else name}": v for name, v in uniform.items()}
    measured["stratified_effect"] = float(task.stratified.mean())
    rows = [_scored(task.segmenter, own, concept) | measured]
    if task.second is not None and task.other is not None:
        again = task.rescored(task.first("ace", count))
        rows.append(_scored(task.second, again, task.other.label - 1))
    return pd.DataFrame([row | _how(task, count) | costs(task) for row in rows])


def _scored(segmenter: Segmenter, scored: Arrays, concept: int) -> dict[str, Any]:
    """The causal set by one segmenter: average causal effect, and share removed."""
    effect = statistics.mean(frames.gain(scored, "both", concept)[0])
    gone = frames.gain(scored, "ablate", concept)[0]
    removed = statistics.ratio(gone, scored["before"][0][:, concept])
    return {
        "segmenter": getattr(segmenter, "name", type(segmenter).__name__),
        "effect": float(effect.value),
        "effect_low": float(effect.low),
        "effect_high": float(effect.high),
        "removed": float(removed.value),
        "removed_low": float(removed.low),
        "removed_high": float(removed.high),
    }


def _how(task: Task, count: int) -> dict[str, Any]:
    """How the causes were learned, and how far the seeds agree."""
    acting = (task.alphas > 0).sum(1)
    return {
        "seeds": task.amounts.seeds,
        "steps": task.settings.steps,
        "penalty": task.settings.penalty,
        "penalty_weight": float(np.mean([learned["weight"] for learned in task.learned])),
        "ablate_kind": task.ablate,
        "insert_kind": task.insert,
        "top_units": count,
        "top_overlap": statistics.top_overlap(task.alphas, task.agreement, count),
        "acting_units": int((task.alphas > 0).any(0).sum()),
        "acting_least": int(acting.min()),
        "acting_most": int(acting.max()),
    }


def costs(task: Task) -> dict[str, Any]:
    meter = task.meter
    return {
        "generator_passes": meter.generator,
        "tail_passes": meter.tail,
        "segmenter_passes": meter.segmenter,
        "seconds": meter.seconds,
    }
