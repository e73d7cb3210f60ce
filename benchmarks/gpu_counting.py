"""Counting on a GPU at the size of a progressive GAN, beside the generator's own pass.

    python -m benchmarks.gpu_counting [--seconds 60] [--write]

First the counts of a small block and of a whole small dissection are compared with the CPU's, array for
array. Then: milliseconds an image of counting 512 units of one layer, at 16 to 256 cells a side, on 256 x 256
label maps of 336 concepts (30 in an image) with 64 bins and all evidence. Beside them each step alone, what
it moves, the largest memory, and the forward pass of a random generator of a progressive GAN's width.
"""

import argparse
import json
import os
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from analysis.counting.counts import Counts, LayerCounts
from analysis.counting.edges import Edges, from_sample, tails
from analysis.counting.gpu import layer_counts, moments, values
from analysis.counting.gpu.block import Block, LabelMaps, add_ceilings
from analysis.counting.gpu.kernels import Loops, loops_on
from analysis.counting.gpu.tally import GpuTally
from analysis.counting.passes import sample
from analysis.counting.plan import BLOCK
from analysis.counting.replicas import CANDIDATES
from analysis.counting.tally import Tally, empty_ceiling
from analysis.counting.thresholds import LayerThresholds, Thresholds
from analysis.counting.top_images import Best, TopImages, kept_size
from analysis.dissection.dissection import dissect
from analysis.models.generator import Generator
from analysis.shared.concepts import Concept
from benchmarks.timing import report

LAYER = "layer"
PARTS = ("joint", "pixels", "null", "moments", "fixed", "replicas", "peak")


class Case:
    """A block of smooth random maps after a ReLU, and of label maps of patches that several images share."""

    def __init__(
        self,
        device: torch.device,
        units: int,
        cells: int,
        side: int,
        concepts: int,
        each: int,
        images: int = BLOCK,
    ) -> None:
        random = np.random.default_rng(cells)
        torch.manual_seed(cells)
        self.units, self.cells, self.side, self.concepts = units, cells, side, concepts
        self.r = torch.relu(torch.randn(images, units, cells, cells, device=device))
        # Some concepts are in most images and many in a few, as in label maps of scenes.
        often = 1 / (np.arange(concepts) + 5.0)
        own = [random.choice(concepts, each, False, often / often.sum()) for _ in range(images)]
        coarse = np.stack([random.choice(some, (1, side // 8, side // 8)) for some in own])
        self.labels = (1 + coarse.repeat(8, 2).repeat(8, 3)).astype(np.uint16)
        self.labels[random.random(self.labels.shape) < 0.02] = 0
        wanted = tails(64)
        self.edges = Edges({LAYER: from_sample(sample(self.r, (side, side), 64), wanted)}, wanted)
        pair = random.integers(0, 60, (units, concepts)).astype(np.int16)
        nobody = np.full(units, -1, np.int16)
        layer = LayerThresholds(
            pair,
            random.choice([-1, 1], pair.shape).astype(np.int8),
            pair[:, :2],
            np.ones(pair.shape),
            random.integers(0, concepts, (units, CANDIDATES)).astype(np.int16),
            nobody,
        )
        masks = random.random((concepts, side, side)) < 0.2
        self.thresholds = Thresholds({LAYER: layer}, masks, np.zeros(concepts), 500, self.edges.hash)

    def empty(self, evaluation: bool = True) -> Counts:
        grid, bins = (self.side, self.side), self.edges.layers[LAYER].bins
        layers = {LAYER: LayerCounts.zeros(self.units, self.concepts, bins, evaluation)}
        about = {"edges": self.edges.hash, "replica_rate": 1.0}
        counts = Counts.zeros(about, grid, self.concepts, layers, evaluation)
        counts.ceiling = empty_ceiling([(self.cells, self.cells)], grid, self.concepts)
        counts.top_images = TopImages(
            {LAYER: Best.empty(self.units, *kept_size((self.cells, self.cells), grid))}
        )
        return counts

    def add_to(self, tally: Tally, first: int = 0) -> None:
        tally.add(first, {LAYER: self.r}, self.labels, lambda _: np.zeros((1, 1, 3), np.uint8))


def equal_counts(device: torch.device, loops: Loops) -> str:
    """Compares a block of 40 units with the CPU's loops."""
    for evaluation in (False, True):
        case = Case(device, 40, 8, 64, 100, 12)
        thresholds = case.thresholds if evaluation else None
        found, expected = case.empty(evaluation), case.empty(evaluation)
        tally = GpuTally(found, case.edges, thresholds, loops)
        case.add_to(tally)
        tally.settled(True)
        case.r = case.r.cpu()
        case.add_to(Tally(expected, case.edges, thresholds, 1))
        differing = unequal(found, expected)
        if differing:
            return f"DIFFERENT: {', '.join(differing)}"
    return "equal"


def unequal(found: Counts, expected: Counts) -> list[str]:
    """The arrays that differ; of sums of floating point only those that differ by more than rounding."""
    names = []
    for layer, counts in expected.layers.items():
        own = found.layers[layer]
        names += [f"{layer}/{part}" for part in PARTS if not _same(getattr(own, part), getattr(counts, part))]
        for part in ("values", "products", "total"):
            if not np.allclose(getattr(own, part), getattr(counts, part), rtol=1e-3, atol=0.1):
                names.append(f"{layer}/{part}")
    single = ("places", "odd", "overlap", "areas", "shown", "constant", "constant_replicas")
    names += [part for part in single if not _same(getattr(found, part), getattr(expected, part))]
    names += [f"ceiling {n}" for n, value in expected.ceiling.items() if not _same(found.ceiling[n], value)]
    kept = found.top_images.arrays()
    names += [name for name, value in expected.top_images.arrays().items() if not _same(kept[name], value)]
    return names


def _same(one: Any, other: Any) -> bool:
    return bool(np.array_equal(one, other))


class Copies(nn.Module):
    """Draws without arithmetic that two devices do differently: two layers, and a picture, are its latent."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.ReLU(), nn.Hardtanh(-2, 2)
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor) -> Tensor:
        maps = self.second(self.first(z.view(-1, 12, 8, 8)) - 0.5)
        return maps[:, :3].repeat_interleave(8, 2).repeat_interleave(8, 3)


class Bright:
    """Two overlapping label maps by brightness."""

    concepts = tuple(Concept(f"bright{level}") for level in range(6))

    def labels(self, images: Tensor) -> Tensor:
        level = (images[:, 0] > 0).long() + (images[:, 0] > 0.5) + (images[:, 1] > 0.2)
        return torch.stack([level, 4 + (images[:, 2] > 0)], 1)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return images[:, 0].sigmoid()


def equal_dissections(device: torch.device) -> str:
    """Compares the counts of a whole dissection whose maps are the same on both devices."""
    found = [
        dissect(
            Generator(Copies().to(where), ["first", "second"], 768), Bright(), images=100, calibration=100
        )
        for where in (torch.device("cpu"), device)
    ]
    pairs = ((found[1].calibration_counts, found[0].calibration_counts),
             (found[1].evaluation_counts, found[0].evaluation_counts))  # fmt: skip
    differing = [name for pair in pairs for name in unequal(*pair)]
    return f"DIFFERENT: {', '.join(differing)}" if differing else "equal"


def progan() -> nn.Sequential:
    """A progressive GAN's width: 512 channels up to 32 cells, 256 at 64, 128 at 128, 64 at 256."""
    steps: list[nn.Module] = [
        nn.ConvTranspose2d(512, 512, 4),
        nn.LeakyReLU(0.2),
        nn.Conv2d(512, 512, 3, 1, 1),
    ]
    width = 512
    for wider in (512, 512, 512, 256, 128, 64):
        steps += [nn.LeakyReLU(0.2), nn.Upsample(scale_factor=2), nn.Conv2d(width, wider, 3, 1, 1)]
        steps += [nn.LeakyReLU(0.2), nn.Conv2d(wider, wider, 3, 1, 1)]
        width = wider
    return nn.Sequential(*steps, nn.LeakyReLU(0.2), nn.Conv2d(width, 3, 1))


class Clock:
    """Seconds of work on a device, until a time is over."""

    def __init__(self, device: torch.device, seconds: float) -> None:
        self.device, self.end = device, time.perf_counter() + seconds

    @property
    def over(self) -> bool:
        return time.perf_counter() > self.end

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def best(self, run: Callable[[], object], times: int = 3) -> float:
        """The shortest of some runs, after one that is not counted."""
        run()
        found = []
        for _ in range(times):
            self.wait()
            start = time.perf_counter()
            run()
            self.wait()
            found.append(time.perf_counter() - start)
            if self.over:
                break
        return min(found)


def by_step(clock: Clock, case: Case, loops: Loops) -> Iterator[tuple[str, float, float]]:
    """Each step's name, milliseconds an image, and the bytes of device memory that it must move an image."""
    device, counts = case.r.device, case.empty()
    tally = GpuTally(counts, case.edges, case.thresholds, loops)
    maps = LabelMaps(case.labels, device, (), case.concepts)
    ms = 1e3 / BLOCK
    places, masks = tally._places_on(device), case.thresholds.masks
    yield "labels", ms * clock.best(lambda: Block.of(0, maps, counts, masks, places), 2), 0
    block = Block.of(0, maps, counts, masks, places)
    edges, cuts = tally._of_layer(LAYER, device)
    assert cuts is not None
    run, grid, rows = (0, min(256, case.units)), counts.grid, case.edges.layers[LAYER].bins
    own, scale = cuts.of(slice(*run)), case.units / min(256, case.units)
    columns = torch.from_numpy(block.present).to(device)
    values_an_image = case.units * case.side**2
    found = layer_counts.binned(loops, case.r, edges, run, grid)
    seconds = clock.best(lambda: layer_counts.binned(loops, case.r, edges, run, grid))
    yield "bins", ms * scale * seconds, values_an_image + 4.0 * case.units * case.cells**2
    _counted, near = layer_counts.under_concepts(loops, found.bins, block, own, rows)
    seconds = clock.best(lambda: layer_counts.under_concepts(loops, found.bins, block, own, rows))
    yield "joint and overlaps, listed", ms * scale * seconds, float(values_an_image)
    seconds = clock.best(lambda: layer_counts.under_concepts(loops, found.bins, block, None, rows))
    yield "joint without partners, listed", ms * scale * seconds, float(values_an_image)
    sizes = torch.from_numpy(tally._sizes).to(device)

    def added() -> None:
        over, sided = moments.above(found.tally), moments.on_sides(block, near, own, columns)
        masks = moments.masks_of(block, over, sided, own, columns)
        moments.moments(block, masks, sided, own, columns, sizes)
        moments.at_tails(block, over, near, own, columns)
        moments.in_replicas(block, masks, own)

    yield "moments", ms * scale * clock.best(added), 0
    features = {LAYER: case.r}
    centres: Mapping[str, Tensor] = {LAYER: torch.from_numpy(tally._centres[LAYER])}
    summed = clock.best(lambda: values.sums_of(features, centres, 0, block))
    yield "values", ms * summed, 12.0 * case.units * case.cells**2
    yield "ceilings", ms * clock.best(lambda: add_ceilings(0, block, counts.ceiling), 1), 0
    tally._portray(LAYER, 0, case.r)
    yield "top images", ms * clock.best(lambda: tally._portray(LAYER, 64, case.r), 1), 0


class Table:
    """Prints rows as they come, and keeps all figures."""

    def __init__(self) -> None:
        self.figures: dict[str, Any] = {}

    def add(self, name: str, value: float | str, about: str = "") -> None:
        self.figures[name] = value
        shown = f"{value:10.3f}" if isinstance(value, float) else f"{value:>10}"
        print(f"{name:32} {shown}  {about}", flush=True)
        if folder := os.environ.get("OUT"):
            (Path(folder) / "gpu.json").write_text(json.dumps(self.figures, indent=1))

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """What fails is printed, and does not stop the rest."""
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            self.add(f"{name} FAILED", str(error)[:200])
            torch.cuda.empty_cache()


def measure(table: Table, clock: Clock, loops: Loops, units: int, layers: tuple[int, ...], side: int) -> None:
    """Prints every figure of counting, layer by layer."""
    for cells in layers:
        with table.attempt(f"{cells} cells"):
            if clock.over:
                table.add(f"{cells} cells", "no time")
                continue
            measure_layer(table, clock, Case(clock.device, units, cells, side, 336, 30), loops)


def measure_layer(table: Table, clock: Clock, case: Case, loops: Loops) -> None:
    """Prints the figures of one layer."""
    name, on_gpu = f"{case.cells} cells", clock.device.type == "cuda"
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    held = case.r.numel() * 4
    tally = GpuTally(case.empty(), case.edges, case.thresholds, loops)
    number = iter(range(0, 10**6, BLOCK))
    seconds = clock.best(lambda: case.add_to(tally, next(number)), 2)
    table.add(f"{name}: ms an image", 1e3 * seconds / BLOCK, f"{case.units} units, all evidence")
    if on_gpu:
        peak = torch.cuda.max_memory_allocated()
        table.add(f"{name}: GB over the maps", (peak - held) / 1e9, f"maps {held / 1e9:.2f}")
    start = time.perf_counter()
    tally.settled(True)
    table.add(f"{name}: ms to settle", 1e3 * (time.perf_counter() - start))
    with torch.inference_mode():
        for step, ms, moved in by_step(clock, case, loops):
            rate = f"{moved / 1e6:.0f} MB an image: {moved / ms / 1e9:.3f} TB/s" if moved else ""
            table.add(f"{name}: {step}", ms, rate)


def main() -> None:
    """Prints one table; with OUT set, gpu.json there has the same."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--write", action="store_true")
    chosen, _others = options.parse_known_args()
    if not torch.cuda.is_available():
        print("There is no NVIDIA GPU here: nothing is measured.")
        return
    table, device = Table(), torch.device("cuda", torch.cuda.current_device())
    clock = Clock(device, chosen.seconds)
    table.add("device", torch.cuda.get_device_name())
    with table.attempt("generator"), torch.inference_mode():
        generator, z = progan().to(device), torch.randn(BLOCK, 512, 1, 1, device=device)
        table.add(
            "generator: ms an image", 1e3 * clock.best(lambda: generator(z)) / BLOCK, "torch's defaults"
        )

    start = time.perf_counter()
    loops = loops_on(device)
    table.add("s to compile the loops", time.perf_counter() - start)
    with table.attempt("small block"):
        table.add("counts of a block", equal_counts(device, loops))
    with table.attempt("dissection"):
        table.add("counts of a dissection", equal_dissections(device))
    measure(table, clock, loops, 512, (256, 16, 64, 128, 32), 256)
    if chosen.write:
        report("gpu-counting", {k: v for k, v in table.figures.items() if isinstance(v, float)}, True)


if __name__ == "__main__":
    main()
