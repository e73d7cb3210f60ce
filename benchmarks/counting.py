"""Counting 512 units at 16x16 on 256x256 labels with 64 bins, beside two other ways to the same counts.

    python -m benchmarks.counting [--threads 2] [--images 16] [--write]

(a) masks the whole upsampled stack once per label and counts every threshold in it, as published code does;
(b) multiplies one-hot bins by one-hot labels, densely. All three give the same counts; both others count one
image and 32 of the units (their time is in proportion), ours a block and all; figures are per image.
"""

import argparse

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate, one_hot

from analysis.counting.counts import Counts, LayerCounts
from analysis.counting.edges import Edges, from_sample, tails
from analysis.counting.passes import sample
from analysis.counting.tally import Tally
from analysis.counting.thresholds import choose
from analysis.counting.top_images import Best, TopImages
from benchmarks.timing import interleaved, ratio, report

UNITS, CELLS, SIDE, CONCEPTS, LAYER = 512, 16, 256, 16, "layer"
SOME = 32


class Case:
    """Smooth random maps after a ReLU, and label maps of blocks of pixels."""

    def __init__(self, images: int) -> None:
        random = torch.Generator().manual_seed(0)
        self.r = torch.relu(torch.randn(images, UNITS, CELLS, CELLS, generator=random))
        coarse = torch.randint(0, CONCEPTS + 1, (images, 1, 32, 32), generator=random).float()
        self.labels = interpolate(coarse, SIDE, mode="nearest").numpy().astype(np.uint8)
        self.wanted = tails(64)
        self._calibration: Counts | None = None
        self.edges = Edges({LAYER: from_sample(sample(self.r, (SIDE, SIDE), 256), self.wanted)}, self.wanted)

    def empty(self, evaluation: bool) -> Counts:
        bins = self.edges.layers[LAYER].bins
        layers = {LAYER: LayerCounts.zeros(UNITS, CONCEPTS, bins, evaluation)}
        about = {"edges": self.edges.hash, "replica_rate": 1.0}
        counts = Counts.zeros(about, (SIDE, SIDE), CONCEPTS, layers, evaluation)
        counts.ranges = [(0, len(self.r))]
        counts.top_images = TopImages({LAYER: Best.empty(UNITS, CELLS, CELLS)})
        return counts

    def ours(self, evaluation: bool = False) -> Counts:
        counts = self.empty(evaluation)
        thresholds = (
            choose(self._calibration or self.ours(), 0.01, compositions=False) if evaluation else None
        )
        tally = Tally(counts, self.edges, thresholds, torch.get_num_threads())
        tally.add(0, {LAYER: self.r}, self.labels, lambda _: np.zeros((1, 1, 3), np.uint8))
        self._calibration = counts if not evaluation else self._calibration
        return counts

    def masked(self) -> Tensor:
        """(U, C, E): pixels over each edge, by masking the upsampled stack of one image."""
        up = interpolate(self.r[:1, :SOME], SIDE, mode="bilinear", align_corners=False)[0]
        edges, labels = (
            torch.from_numpy(self.edges.layers[LAYER].edges[:SOME]),
            torch.from_numpy(self.labels[0, 0]),
        )
        found = torch.zeros(SOME, CONCEPTS, edges.shape[1], dtype=torch.int64)
        for concept in range(CONCEPTS):
            shown = labels == concept + 1
            for edge in range(edges.shape[1]):
                found[:, concept, edge] = ((up > edges[:, edge, None, None]) & shown).sum((1, 2))
        return found

    def multiplied(self) -> Tensor:
        """The same from one-hot bins (16 units at a time: more does not fit) times one-hot labels."""
        up = interpolate(self.r[:1, :SOME], SIDE, mode="bilinear", align_corners=False)[0].flatten(1)
        edges = torch.from_numpy(self.edges.layers[LAYER].edges)
        labels = one_hot(torch.from_numpy(self.labels[0, 0].astype(np.int64)).flatten(), CONCEPTS + 1).float()
        found = []
        for units in range(0, SOME, 16):
            bins = torch.searchsorted(edges[units : units + 16].contiguous(), up[units : units + 16])
            hot = one_hot(bins, edges.shape[1] + 1).float().transpose(1, 2)
            found.append((hot @ labels)[:, :, 1:].long().transpose(1, 2))
        joint = torch.cat(found)
        return joint.flip(2).cumsum(2).flip(2)[:, :, 1:]


def main() -> None:
    """Prints milliseconds an image and ratios."""
    options = argparse.ArgumentParser(description=__doc__)
    for name, default in (("threads", 2), ("images", 64), ("repeats", 2)):
        options.add_argument(f"--{name}", type=int, default=default)
    options.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options.add_argument("--write", action="store_true")
    chosen, _others = options.parse_known_args()
    torch.set_num_threads(chosen.threads)
    one, case = Case(1), Case(chosen.images)
    joint = torch.from_numpy(one.ours().layers[LAYER].joint)
    over = joint.flip(2).cumsum(2).flip(2)[:, :, 1:]
    apart = max(int((other() - over[:SOME]).abs().sum()) for other in (one.masked, one.multiplied))
    runs = {
        "ours": case.ours,
        "ours_with_nulls": lambda: case.ours(evaluation=True),
        "masking": case.masked,
        "product": case.multiplied,
    }
    seconds = interleaved(runs, chosen.repeats, chosen.clock)
    for name, values in seconds.items():
        each = 1 / chosen.images if name.startswith("ours") else UNITS / SOME
        seconds[name] = [value * each for value in values]
    figures = {f"{name}_ms_an_image": 1e3 * min(values) for name, values in seconds.items()}
    figures["times_masking"] = ratio(seconds, "masking", "ours")
    figures["times_product"] = ratio(seconds, "product", "ours")
    figures["pixels_counted_otherwise_share"] = apart / float(over[:SOME].sum())
    report(f"counting-{chosen.threads}-{chosen.clock}", figures, chosen.write)


if __name__ == "__main__":
    main()
