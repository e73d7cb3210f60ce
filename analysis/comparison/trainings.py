"""What differs between recipes of training, and what only between trainings of one recipe.

A recipe is what was trained: an architecture on a data set. Trainings of one recipe differ in their seed
alone. Counts of units are compared as in Bau et al. 2019 (section 4.1), with intervals over
trainings, which hold what chance in training does; intervals over images do not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

ALL = "all"  # every layer of a generator, or every category
SEED = re.compile(r"[-_.](?:\d|s(?:eed)?[-_]?\d{1,2})$")  # larger numbers alone are mostly sizes
SHUFFLES = 9999
LIFTS = ("lift", "rotated_lift")
MEASURES = (
    *("detectors", "concepts", "lift", "beyond_twin"),
    *("beyond_rotation", "concepts_beyond_rotation", "lift_beyond_rotation"),
)


def recipe(generator: str) -> str:
    """The recipe that a generator's name says: the name without the number of the training at its end.

    That is a digit, or s or seed and a number.

    >>> recipe("churches-small-2"), recipe("mine_1"), recipe("cars-seed12"), recipe("cars-s7")
    ('churches-small', 'mine', 'cars', 'cars')
    >>> recipe("stylegan2"), recipe("progan-64"), recipe("1")
    ('stylegan2', 'progan-64', '1')
    """
    return SEED.sub("", generator)


def tally(
    layers: pd.DataFrame,
    detecting: pd.DataFrame,
    rotated: pd.DataFrame,
    shared: Collection[str] | None = None,
) -> pd.DataFrame:
    """Counts per generator, layer and category, with ALL for every layer and for every category.

    Args:
        layers: A row per layer: generator, run_id, layer, units, lift (the mean over units of the lift of
            their names, 0 for a unit without one), twin_detectors (with random weights) and rotated_lift
            (with rotated units), NaN where nobody dissected it so.
        detecting: A row per concept that names detectors of a layer: generator, layer, concept, category,
            detectors.
        rotated: The same of rotated units, by the generator's own name.
        shared: Where the generators' vocabularies differ, the concepts that all of them have. Only these
            count then, each is a category of its own, and what depends on the other concepts (lift and
            detectors with random weights) is NaN.

    Returns:
        position (from 0), generator, recipe, run_id, layer, category, units, detectors, concepts (distinct
        names of detectors), rotated_detectors, rotated_concepts; of ALL categories only also twin_detectors,
        lift and rotated_lift.
    """
    if shared is not None:
        detecting, rotated = (
            frame[frame["concept"].isin([*shared])].assign(category=lambda found: found["concept"])
            for frame in (detecting, rotated)
        )
    kinds = sorted({*detecting["category"], *rotated["category"]})
    rows = []
    for position, (generator, own) in enumerate(layers.groupby("generator", sort=False)):
        found, turned = (frame[frame["generator"] == generator] for frame in (detecting, rotated))
        for layer in (*own["layer"], ALL):
            here = own if layer == ALL else own[own["layer"] == layer]
            for kind in (*kinds, ALL):
                known = bool(here["rotated_lift"].notna().all())
                rows.append(
                    {
                        "position": position,
                        "generator": generator,
                        "recipe": recipe(str(generator)),
                        "run_id": own["run_id"].iloc[0],
                        "layer": layer,
                        "category": kind,
                        "units": int(here["units"].sum()),
                    }
                    | _named(found, layer, kind)
                    | {f"rotated_{k}": n if known else np.nan for k, n in _named(turned, layer, kind).items()}
                    | _whole(here if kind == ALL and shared is None else here.iloc[:0])
                )
    return pd.DataFrame(rows)


def _named(detecting: pd.DataFrame, layer: str, category: str) -> dict[str, int]:
    """Detectors of a generator's layer with names of a category, and how many names these are."""
    for name, value in (("layer", layer), ("category", category)):
        if value != ALL:
            detecting = detecting[detecting[name] == value]
    return {"detectors": int(detecting["detectors"].sum()), "concepts": int(detecting["concept"].nunique())}


def _whole(layers: pd.DataFrame) -> dict[str, float]:
    """What is known of layers as a whole; NaN for no layers."""
    if layers.empty:
        return dict.fromkeys(("twin_detectors", *LIFTS), np.nan)
    of_units = {name: (layers[name] * layers["units"]).sum(skipna=False) for name in LIFTS}
    means = {name: float(total / layers["units"].sum()) for name, total in of_units.items()}
    return means | {"twin_detectors": layers["twin_detectors"].sum(skipna=False)}


def measured(counted: pd.DataFrame) -> pd.DataFrame:
    """What is compared, from `tally`: generator, recipe, layer, category, measure, value.

    `detectors` is their share of the layer's units, `concepts` a number, `lift` the mean lift of the units'
    names, `beyond_twin` the share of detectors less that of the same generator with random weights,
    `beyond_rotation` less that of rotated units, and likewise for the other two.
    """
    share = counted["detectors"] / counted["units"]
    values = counted.assign(
        detectors=share,
        concepts=counted["concepts"].astype(float),
        beyond_twin=share - counted["twin_detectors"] / counted["units"],
        beyond_rotation=share - counted["rotated_detectors"] / counted["units"],
        concepts_beyond_rotation=counted["concepts"] - counted["rotated_concepts"],
        lift_beyond_rotation=counted["lift"] - counted["rotated_lift"],
    )
    keys = ["generator", "recipe", "layer", "category"]
    long = values.melt(keys, list(MEASURES), var_name="measure", value_name="value")
    return long.dropna(subset="value").reset_index(drop=True)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the mean by Student's t; NaN for fewer than two trainings.

    >>> [round(end, 3) for end in interval([1.0, 2.0, 3.0])]
    [-0.484, 4.484]
    """
    many = np.asarray(values, np.float64)
    if len(many) < 2:
        return np.nan, np.nan
    half = stats.t.ppf(0.975, len(many) - 1) * many.std(ddof=1) / np.sqrt(len(many))
    return float(many.mean() - half), float(many.mean() + half)


def welch(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of the difference of two means, one less other, by Welch's t.

    NaN where either has fewer than two trainings.
    """
    a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if min(len(a), len(b)) < 2:
        return np.nan, np.nan
    parts = np.array([a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)])
    difference, error = float(a.mean() - b.mean()), float(np.sqrt(parts.sum()))
    if error == 0:
        return difference, difference
    freedom = parts.sum() ** 2 / (parts**2 / [len(a) - 1, len(b) - 1]).sum()
    half = float(stats.t.ppf(0.975, freedom)) * error
    return difference - half, difference + half


def means(values: pd.DataFrame) -> pd.DataFrame:
    """Each measure over the trainings of a recipe, from `measured`.

    recipe, layer, category, measure, trainings, mean, low, high.
    """
    keys = ["recipe", "layer", "category", "measure"]
    rows = [
        (*of, len(found), float(found.mean()), *interval(found.tolist()))
        for of, found in values.groupby(keys, sort=False)["value"]
    ]
    return pd.DataFrame(rows, columns=[*keys, "trainings", "mean", "low", "high"])


def differences(values: pd.DataFrame) -> pd.DataFrame:
    """Each measure of one recipe less that of another, at layers of one name.

    recipe, other, layer, category, measure, difference, low, high.
    """
    keys = ["layer", "category", "measure"]
    rows = []
    for one, other in combinations(dict.fromkeys(values["recipe"]), 2):
        pair = values[values["recipe"].isin((one, other))]
        for of, found in pair.groupby(keys, sort=False):
            a = found.loc[found["recipe"] == one, "value"].tolist()
            b = found.loc[found["recipe"] == other, "value"].tolist()
            if a and b:
                rows.append((one, other, *of, float(np.mean(a) - np.mean(b)), *welch(a, b)))
    return pd.DataFrame(rows, columns=["recipe", "other", *keys, "difference", "low", "high"])


def places(best: pd.DataFrame) -> pd.DataFrame:
    """Whether a concept has its best detector in the same layer in each training of a recipe.

    Args:
        best: A row per generator and concept that it detects: generator, concept, category, layer.

    Returns:
        recipe, concept, category, trainings (that detect it), layer (where most do, of equal ones the first),
        pairs (of trainings that detect it), agreeing (pairs with it in one layer).
    """
    rows = []
    of = best.assign(recipe=best["generator"].map(lambda name: recipe(str(name))))
    for (name, concept, category), found in of.groupby(["recipe", "concept", "category"], sort=True):
        counts = found["layer"].value_counts(sort=False)
        pairs = len(found) * (len(found) - 1) // 2
        agreeing = int((counts * (counts - 1) // 2).sum())
        rows.append((name, concept, category, len(found), counts.idxmax(), pairs, agreeing))
    columns = ["recipe", "concept", "category", "trainings", "layer", "pairs", "agreeing"]
    return pd.DataFrame(rows, columns=columns)


def chance(best: pd.DataFrame) -> float:
    """The share of agreeing pairs if each training had its concepts in its layers in another order.

    It is exact: over all orders, two trainings agree on a concept as often as two of their concepts, drawn
    independently, lie in one layer. NaN where no two trainings of a recipe detect a common concept.
    """
    of = best.assign(recipe=best["generator"].map(lambda name: recipe(str(name))))
    hits = pairs = 0.0
    for _, trained in of.groupby("recipe"):
        by_training = {
            name: found.set_index("concept")["layer"] for name, found in trained.groupby("generator")
        }
        for a, b in combinations(by_training.values(), 2):
            both = len(a.index.intersection(b.index))
            shares = a.value_counts(normalize=True).mul(b.value_counts(normalize=True), fill_value=0)
            hits, pairs = hits + both * float(shares.sum()), pairs + both
    return hits / pairs if pairs else float("nan")


def chance_p_value(best: pd.DataFrame, shuffles: int = SHUFFLES) -> float:
    """P that as many pairs or more would agree, if each training's concepts were shuffled over its layers.

    It is simulated, with the same shuffles each time; the smallest value is 1 / (shuffles + 1). NaN where no
    two trainings of a recipe detect a common concept.
    """
    of = best.assign(recipe=best["generator"].map(lambda name: recipe(str(name))))
    random = np.random.default_rng(0)
    agreeing, pairs = np.zeros(1 + shuffles, np.int64), 0  # as they are, then shuffled
    for _, trained in of.groupby("recipe"):
        codes = trained.assign(layer=pd.factorize(trained["layer"])[0])
        concepts = pd.Index(codes["concept"].unique())
        placed = []
        for _, found in codes.groupby("generator"):
            layers, at = found["layer"].to_numpy(), concepts.get_indexer(found["concept"])
            orders = np.full((1 + shuffles, len(concepts)), -1)  # -1 is no layer
            orders[0, at] = layers
            orders[1:, at] = random.permuted(np.tile(layers, (shuffles, 1)), axis=1)
            placed.append(orders)
        for a, b in combinations(placed, 2):
            agreeing += ((a == b) & (a >= 0)).sum(1)
            pairs += int(((a[0] >= 0) & (b[0] >= 0)).sum())
    return float((agreeing >= agreeing[0]).mean()) if pairs else float("nan")


@dataclass(frozen=True)
class Comparison:
    """Generators side by side, as tables of the store."""

    counted: pd.DataFrame
    best: pd.DataFrame

    def tables(self) -> dict[str, pd.DataFrame]:
        """The store's tables of this run, without run_id."""
        values = measured(self.counted)
        counted = self.counted.rename(columns={"run_id": "dissection"})
        return {
            "comparison_layer": counted,
            "comparison_mean": means(values),
            "comparison_difference": differences(values),
            "comparison_concept": places(self.best),
        }
