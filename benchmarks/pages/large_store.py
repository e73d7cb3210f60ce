"""A large store for the benchmarks of pages: drawn dissections, and copies of small real runs of every kind.

    .venv/bin/python -m benchmarks.pages.large_store DIR --rows 10000000

Of twelve dissections one is large (14 layers, 336 concepts, 1.3 million rows of unit_concept) and the others
are small (4 layers, 40 to 80 concepts). Scores are random numbers from a seed; every run has pictures, and
some have the counts that the sliders move thresholds with.
"""

import argparse
import json
import shutil
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis.dissection.pictures import packed
from db import store
from db.layout import Layout
from db.store import bundles

ARCHIVE = Path(__file__).parents[1] / "tests" / "data" / "store-0.1.tar.xz"
EVERY = 12  # of so many dissections the first is large
LARGE = (512, 512, 512, 512, 512, 512, 256, 256, 128, 128, 64, 64, 32, 32)
SMALL = (512, 256, 128, 64)
ROWS_EACH = 10_000_000 / 60  # of unit_concept, the mean over dissections
WITH_COUNTS = 8  # of so many dissections the first has counts
BINS, IMAGES, TOP, SIDE = 64, 48, 8, 128
COPIES = 8  # of each study that stands on a dissection
STUDIES = ("causes", "context", "artifacts")
BETWEEN = [
    *("iqr", "null_iou", "q_value", "tail", "accuracy", "precision", "recall", "ceiling_iou", "p_value"),
    *("presence_null_iou", "average_precision", "average_precision_lift", "calibrated", "correlation"),
]


@dataclass(frozen=True)
class Drawn:
    """One drawn dissection; `number` decides everything about it."""

    number: int

    @property
    def large(self) -> bool:
        return self.number % EVERY == 0

    @property
    def layers(self) -> dict[str, int]:
        return {f"layer{n}": units for n, units in enumerate(LARGE if self.large else SMALL, 1)}

    @cached_property
    def concepts(self) -> list[str]:
        """Small runs share the first 40 concepts."""
        return [f"concept {c}" for c in range(336 if self.large else 40 + 10 * (self.number % 5))]

    @property
    def categories(self) -> list[str]:
        return [("object", "part", "material", "colour")[c % 4] for c in range(len(self.concepts))]

    def grid(self, layer: str) -> int:
        """Cells on a side of a layer's map."""
        place = list(self.layers).index(layer)
        return int(min(32, 4 * 2 ** (place // 3 if self.large else place)))

    @property
    def run(self) -> dict[str, Any]:
        control = "random-weights" if self.number % EVERY == 5 else "none"
        place = self.number % EVERY
        generator = "deep" if self.large else f"trained-{place}" if self.checkpoint else f"shallow-{place}"
        began = datetime(2026, 1, 1) + timedelta(hours=self.number)
        settings = {"generator": generator, "control": control, "sides": "high"}
        return {
            "run_id": f"{generator}-{self.number:04d}",
            "kind": "dissection",
            "state": "final",
            "generator": generator,
            "segmenter": "many" if self.large else "few",
            "seed": 1,
            "images": 1000,
            "calibration": 1000,
            "threshold_rule": "iqr",
            "layers": list(self.layers),
            "grid_height": 64,
            "grid_width": 64,
            "settings": json.dumps(settings),
            "started_at": began,
            "finished_at": began,
        }

    def tables(self) -> dict[str, Any]:
        dice = np.random.default_rng(self.number)
        facts = self.run
        size = {"image_height": SIDE, "image_width": SIDE, "parameters": 1}
        training = (
            {"training": "drawn", "training_steps": 100 * (self.number % EVERY)} if self.checkpoint else {}
        )
        names = list(self.layers)
        layers = {"layer": names, "position": range(1, len(names) + 1), "module_path": names}
        sides = [self.grid(name) for name in names]
        frequency = np.sort(dice.random(len(self.concepts)))[::-1] * 0.2
        images = dice.integers(20, 1000, len(self.concepts))
        concept: dict[str, Any] = {"concept": self.concepts, "category": self.categories}
        concept |= {"label": range(1, len(self.concepts) + 1), "frequency": frequency, "images": images}
        concept |= {"calibration_frequency": frequency, "calibration_images": images, "mask_iou": frequency}
        pairs, units = self._scores(dice, frequency, images)
        return {
            "generator": pd.DataFrame([{"name": facts["generator"], "family": "drawn", **size, **training}]),
            "segmenter": pd.DataFrame([{"name": facts["segmenter"], "concepts": len(self.concepts)}]),
            "layer": pd.DataFrame({**layers, "units": self.layers.values(), "height": sides, "width": sides}),
            "concept": pd.DataFrame(concept),
            "unit_concept": pairs,
            "unit": units,
            "unit_image": self._top(dice),
        }

    @property
    def checkpoint(self) -> bool:
        return self.number % EVERY in range(6, 12)

    @cached_property
    def _units(self) -> tuple["np.ndarray[Any, Any]", "np.ndarray[Any, Any]"]:
        """The layer's place and the number of each unit."""
        counts = list(self.layers.values())
        return np.arange(len(counts)).repeat(counts), np.concatenate([np.arange(n) for n in counts])

    def _scores(self, dice: np.random.Generator, frequency: Any, images: Any) -> tuple[pa.Table, pa.Table]:
        """The tables unit_concept and unit. Concepts too rare to be scored have no numbers."""
        place, number = self._units
        units, concepts = len(place), len(self.concepts)
        shape = (units, concepts)
        scored = np.broadcast_to(np.arange(concepts) < max(40, int(0.4 * concepts)), shape)
        iou = np.round(dice.beta(1, 12, shape), 5)
        control = np.broadcast_to(np.round(frequency, 5), shape)
        lift = np.round((iou - control) / (1 - control), 5)
        choosing = np.round(lift + 0.01 * dice.standard_normal(shape), 5)
        best = np.where(scored, choosing, -np.inf).argmax(axis=1)
        named = np.take_along_axis(choosing, best[:, None], 1)[:, 0] > 0
        label = (np.arange(concepts) == best[:, None]) & named[:, None]
        largest = np.arange(concepts) == np.where(scored, iou, -1).argmax(axis=1)[:, None]
        sure = np.where(lift > 0.2, 0.01, 1.0)
        detector = scored & (lift > 0.2)
        numbers = {
            "threshold": dice.random(shape),
            "iou": iou,
            "iou_low": np.round(iou * 0.8, 5),
            "iou_high": np.minimum(1, np.round(iou * 1.2, 5)),
            "calibration_iou": np.clip(np.round(iou + 0.01, 5), 0, 1),
            "lift": lift,
            "lift_low": lift - 0.05,
            "lift_high": np.minimum(1, lift + 0.05),
            "lift_q_value": sure,
            "calibration_lift": choosing,
            "always_on": control,
            "mask_iou": control,
            **{name: np.round(dice.random(shape), 4) for name in BETWEEN},
        }
        columns = {
            "layer": _words(list(self.layers), place.repeat(concepts)),
            "unit": number.repeat(concepts),
            "concept": _words(self.concepts, np.tile(np.arange(concepts), units)),
            "category": _words(self.categories, np.tile(np.arange(concepts), units)),
            "side": _words(["high"], np.where(scored, 0, -1).ravel()),
            "images": np.tile(images, units),
            **{name: pa.array(v.ravel(), mask=~scored.ravel()) for name, v in numbers.items()},
            **{"detector": detector.ravel(), "label": label.ravel(), "largest_iou": largest.ravel()},
        }
        unit = {
            "layer": _words(list(self.layers), place),
            "unit": number,
            "concept": _words(self.concepts, np.where(named, best, -1)),
            "detected": detector.sum(axis=1),
            "name_share": np.round(dice.random(units), 2),
            "activation_mean": dice.random(units),
            "activation_peak": 1 + dice.random(units),
            "activity": _words(["varies"], np.zeros(units, int)),
            "alike": number,
            "p_value": dice.random(units),
            "q_value": dice.random(units),
        }
        return pa.table(columns), pa.table(unit)

    def _top(self, dice: np.random.Generator) -> pa.Table:
        place, number = self._units
        many = len(place) * TOP
        return pa.table(
            {
                "layer": _words(list(self.layers), place.repeat(TOP)),
                "unit": number.repeat(TOP),
                "rank": np.tile(np.arange(TOP), len(place)),
                "latent": dice.integers(0, IMAGES, many),
                "activation": dice.random(many),
            }
        )

    def arrays(self) -> dict[str, dict[str, Any]]:
        """Pictures and maps; counts for some runs, of a large one for its smaller layers."""
        dice = np.random.default_rng((self.number, 1))
        found: dict[str, dict[str, Any]] = {"images": packed({n: _picture(dice) for n in range(IMAGES)})}
        for layer, units in self.layers.items():
            cells = self.grid(layer)
            maps = dice.standard_normal((TOP * units, cells, cells), np.float32)
            found[f"activations-{layer}"] = {
                "unit": np.arange(units).repeat(TOP),
                "rank": np.tile(np.arange(TOP), units),
                "latent": dice.integers(0, IMAGES, TOP * units),
                "maps": maps,
            }
            if self.has_counts and (not self.large or layer in ("layer6", "layer8", "layer10")):
                found[f"counts-{layer}"] = self._counts(dice, units)
        return found

    @property
    def has_counts(self) -> bool:
        return self.number % WITH_COUNTS == 0

    def _counts(self, dice: np.random.Generator, units: int) -> dict[str, Any]:
        shape = (units, len(self.concepts), BINS)
        joint, null = dice.integers(0, 9, shape), dice.integers(0, 9, shape)
        return {
            "edges": np.sort(dice.random((units, BINS - 1), np.float32)),
            "joint": joint,
            "null": null,
            "null_weight": np.array(1.0),
            "pixels": joint.sum(axis=1) + 10_000,
            "areas": joint.sum(axis=2).max(axis=0),
            "pair": dice.integers(0, BINS - 1, shape[:2]).astype(np.int16),
            "side": np.zeros(shape[:2], np.int8),
        }


def _words(known: list[str], index: Any) -> pa.Array:
    """Texts by number; -1 is NULL."""
    index = np.asarray(index)
    numbers = pa.array(np.maximum(index, 0).astype(np.int32), mask=index < 0)
    return pa.DictionaryArray.from_arrays(numbers, pa.array(known, pa.string()))


def _picture(dice: np.random.Generator) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    coarse = dice.integers(0, 256, (8, 8, 3), np.uint8).repeat(SIDE // 8, 0).repeat(SIDE // 8, 1)
    return np.asarray(coarse // 2 + dice.integers(0, 40, (SIDE, SIDE, 3), np.uint8), np.uint8)


def dissections(rows: int) -> int:
    """How many drawn dissections have about so many rows of unit_concept."""
    return max(2, round(rows / ROWS_EACH))


def write(layout: Layout, number: int) -> None:
    """Write the bundle of one drawn dissection; it is not published."""
    drawn = Drawn(number)
    bundles.write(layout, drawn.run, drawn.tables(), drawn.arrays())


def copy_real(layout: Layout) -> None:
    """Add the runs of the small real store, those of each study several times."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.unpack_archive(ARCHIVE, folder, filter="data")
        source = Layout(Path(folder))
        for run_id in bundles.run_ids(source):
            bundle = bundles.latest(source, run_id)
            for copy in range(COPIES if bundle.run["kind"] in STUDIES else 1):
                facts = bundle.run | {"run_id": f"{run_id}-{copy}" if copy else run_id}
                tables = {
                    n: bundle.table(n).drop(columns="run_id") for n in bundle.names("tables") if n != "run"
                }
                arrays = {name: dict(bundle.array(name)) for name in bundle.names("arrays")}
                held = {name: bundle.file(name) for name in bundle.names("files")}
                bundles.write(layout, facts, tables, arrays, held)


def build(root: Path, rows: int) -> Layout:
    """The store with about so many rows of unit_concept, published. A store that is there stays as it is."""
    layout = Layout.create(root)
    if bundles.run_ids(layout):
        return layout
    store.publish(layout)
    copy_real(layout)
    for number in range(dissections(rows)):
        write(layout, number)
    store.publish(layout)
    return layout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--rows", type=int, default=10_000_000)
    arguments = parser.parse_args()
    start = time.perf_counter()
    layout = build(arguments.store, arguments.rows)
    many = int(store.open(layout).read(_count())["rows"][0])
    print(f"{many:,} rows of unit_concept in {time.perf_counter() - start:.0f} s")


def _count() -> Any:
    import sqlalchemy as sa

    from db.schema.dissection import unit_concept

    return sa.select(sa.func.count().label("rows")).select_from(unit_concept)


if __name__ == "__main__":
    main()
