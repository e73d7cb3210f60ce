"""How the time of counting one block of evaluation images grows, and what memory a run takes.

    python -m benchmarks.scaling [--threads 2] [--clock cpu] [--write]

Each row changes one thing of: 256 units at 8x8, 8 concepts, 64 bins, 32x32 label maps. Memory is the growth
of the process's peak between 256 and 1024 counted images: it should be none.
"""

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from analysis.counting.counts import Counts, LayerCounts
from analysis.counting.edges import Edges, from_sample, tails
from analysis.counting.passes import sample
from analysis.counting.plan import BLOCK
from analysis.counting.tally import Tally
from analysis.counting.thresholds import choose
from analysis.counting.top_images import Best, TopImages
from benchmarks.timing import report


@dataclass(frozen=True)
class Size:
    units: int = 256
    cells: int = 8
    concepts: int = 8
    bins: int = 64
    side: int = 32
    layers: int = 1

    def empty(self, edges: Edges, evaluation: bool) -> Counts:
        bins = edges.layers["layer1"].bins
        names = list(edges.layers)
        layers = {n: LayerCounts.zeros(self.units, self.concepts, bins, evaluation) for n in names}
        about = {"edges": edges.hash, "replica_rate": 1.0}
        counts = Counts.zeros(about, (self.side, self.side), self.concepts, layers, evaluation)
        counts.top_images = TopImages({n: Best.empty(self.units, self.cells, self.cells) for n in names})
        return counts


def run(size: Size, blocks: int, clock: Callable[[], float]) -> float:
    """Milliseconds of counting an image, evaluation pass, the best of some blocks."""
    random = torch.Generator().manual_seed(0)
    r = torch.relu(torch.randn(BLOCK, size.units, size.cells, size.cells, generator=random))
    shape = (BLOCK, 1, size.side, size.side)
    labels = torch.randint(0, size.concepts + 1, shape, generator=random).numpy().astype(np.uint16)
    wanted = tails(size.bins)
    found = from_sample(sample(r, (size.side, size.side), 256), wanted)
    names = [f"layer{number + 1}" for number in range(size.layers)]
    edges, features = Edges(dict.fromkeys(names, found), wanted), dict.fromkeys(names, r)
    threads, seconds = torch.get_num_threads(), []
    calibration = size.empty(edges, evaluation=False)
    Tally(calibration, edges, None, threads).add(0, features, labels, blank)
    tally = Tally(size.empty(edges, evaluation=True), edges, choose(calibration, compositions=False), threads)
    for number in range(blocks):
        start = clock()
        tally.add(number * BLOCK, features, labels, blank)
        seconds.append(clock() - start)
    return 1e3 * min(seconds) / BLOCK


def blank(_row: int) -> np.ndarray:
    return np.zeros((1, 1, 3), np.uint8)


def peak() -> float:
    """The process's largest memory so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Prints milliseconds an image for each change of size, and the memory."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options.add_argument("--write", action="store_true")
    chosen, _others = options.parse_known_args()
    torch.set_num_threads(chosen.threads)
    base, clock = Size(), time.process_time if chosen.clock == "cpu" else time.perf_counter
    figures = {"memory_mb_after_256_images": (run(base, 4, clock), peak())[1]}
    figures["memory_mb_after_1024_images"] = (run(base, 16, clock), peak())[1]
    sizes = {"base": base, "units_1024": replace(base, units=1024), "layers_4": replace(base, layers=4)}
    sizes |= {f"concepts_{n}": replace(base, concepts=n) for n in (2, 32, 150, 400)}
    sizes |= {
        "bins_128": replace(base, bins=128),
        "side_64": replace(base, side=64),
        "side_256": replace(base, side=256, units=64),
    }
    figures |= {f"ms_an_image_{name}": run(size, 3, clock) for name, size in sizes.items()}
    report(f"scaling-{chosen.threads}-{chosen.clock}", figures, chosen.write)


if __name__ == "__main__":
    main()
