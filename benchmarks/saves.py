"""What it takes to save the counts of an unfinished run: bytes on disk, seconds, and the share of the time.

    python -m benchmarks.saves [--concepts 336] [--layers 5] [--units 512] [--write]

The counts are random, as large as those of a million images of a generator with five layers of 512 units,
up to 64x64, against 336 concepts on 256x256 label maps; by default all of the concepts occur.
"""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from analysis.counting.counts import Counts, LayerCounts
from analysis.counting.tally import empty_ceiling
from analysis.counting.top_images import Best
from benchmarks.timing import report
from jobs.tasks.saved_counts import SavedCounts, pause

BINS, SIDE, MILLION = 66, 256, 1_000_000


def counts(units: int, concepts: int, layers: int, occurring: int) -> Counts:
    """Evaluation counts of a million images, of which only the first `occurring` concepts are seen."""
    random = np.random.default_rng(0)
    cells = [min(64, 4 * 2**k) for k in range(layers)]
    about = {"edges": "random", "thresholds": "random"}
    found = Counts.zeros(about, (SIDE, SIDE), concepts, {}, evaluation=True)
    found.ranges = [(0, MILLION)]
    found.ceiling = empty_ceiling([(n, n) for n in cells], (SIDE, SIDE), concepts)
    found.areas[:occurring] = random.integers(1, MILLION * SIDE, occurring)
    found.places[:occurring] = random.integers(0, MILLION, (occurring, SIDE, SIDE))
    for number, side in enumerate(cells):
        name = f"layer{number + 1}"
        layer = found.layers[name] = LayerCounts.zeros(units, concepts, BINS, evaluation=True)
        for array in (layer.joint, layer.null):
            array[:, :occurring] = random.integers(0, 2**30, (units, occurring, BINS))
        layer.moments[:] = random.integers(0, 2**50, layer.moments.shape)
        layer.fixed[:] = random.integers(0, 2**50, layer.fixed.shape)
        best = found.top_images.layers[name] = Best.empty(units, side, side)
        best.maps[:] = random.random(best.maps.shape, np.float32)
    return found


def main(
    units: int = 512,
    concepts: int = 336,
    layers: int = 5,
    occurring: int = 336,
    write: Annotated[bool, typer.Option(help="Make the figures the baseline.")] = False,
) -> None:
    """Saves twice, as a run does, and reads the counts back."""
    made = counts(units, concepts, layers, occurring)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        saved = SavedCounts(Path(folder), "evaluation", "0" * 12, Counts.load)
        seconds = []
        for stop in (MILLION - 64, MILLION):
            made.ranges = [(0, stop)]
            began = time.perf_counter()
            saved.write(made)
            seconds.append(time.perf_counter() - began)
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        began = time.perf_counter()
        again = saved.read()
        read = time.perf_counter() - began
    assert again is not None
    assert np.array_equal(again.layers["layer1"].joint, made.layers["layer1"].joint)
    took = max(seconds)
    figures = {
        "bytes of both saves": size,
        "seconds of a save": took,
        "seconds of reading it": read,
        "seconds between two saves": pause(took),
        "share of the time": took / (took + pause(took)),
    }
    report(f"saves-{layers}x{units}x{concepts}-{occurring}", figures, write)


if __name__ == "__main__":
    typer.run(main)
