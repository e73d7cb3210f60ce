"""The passes over a generator's images: pilot, calibration, evaluation.

Each image is generated once and segmented once, for all layers.

    edges = pilot(generator, segmenter, plan)
    calibration = count(generator, segmenter, plan, plan.calibration, edges)
    thresholds = choose(calibration, plan.threshold, plan.sides, plan.compositions)
    evaluation = count(generator, segmenter, plan, plan.evaluation, edges, thresholds)

Any range of whole blocks of 64 latents can be counted anywhere, and the counts merged.
"""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.counting.counts import CountedLayer, Counts, LayerCounts, joined
from analysis.counting.edges import TAILS, Edges, from_sample, tails
from analysis.counting.formulas import CATEGORY
from analysis.counting.gpu.kernels import loops_on
from analysis.counting.gpu.layer_counts import sampled
from analysis.counting.gpu.tally import GpuTally
from analysis.counting.kernel import look_at
from analysis.counting.plan import BLOCK, Plan, blocks
from analysis.counting.tally import Tally, empty_ceiling
from analysis.counting.thresholds import Thresholds
from analysis.counting.top_images import Best, TopImages, kept_size
from analysis.models.controls import Scale, rotated, scales
from analysis.models.generator import Generator, Layer
from analysis.models.segmenter import (
    Segmenter,
    check_labelled,
    checked_labels,
    checked_segmenter,
    segmenter_hash,
)
from analysis.shared.bilinear import axis, skipped
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
SAMPLE = 16384  # values a unit in the pilot
MOST_PILOT = 1024  # images in the pilot
PICTURE = 256  # the longest side of a kept picture
TOGETHER = 16  # images that are made again at once
GRIDS = (128, 256)  # the least and the most cells a side that large images are counted on
HELD = 2**24  # values of images that are held at once: 64 images of 295 x 295 pixels


class LabelStore(Protocol):
    """Label maps kept from earlier runs, by range of latents (always one block)."""

    def get(self, start: int, stop: int) -> NDArray[Any] | None:
        """Labels (stop - start, maps, h, w), or None."""
        ...

    def put(self, start: int, stop: int, labels: NDArray[Any]) -> None: ...


@dataclass
class Made:
    """One block as made: images, maps by layer, labels (n, maps, H, W) on the counting grid.

    Images are as made, or of at most `PICTURE` pixels a side where a block of them would take much memory.
    """

    span: tuple[int, int]
    images: Tensor
    features: dict[str, Tensor]
    labels: NDArray[Any]

    def picture(self, row: int) -> NDArray[np.uint8]:
        """One of the images, small enough to keep."""
        return picture(self.images[row])


class Source:
    """Generates and segments blocks.

    The last block is remembered, so that pilot and calibration share the first.
    """

    def __init__(
        self, generator: Generator, segmenter: Segmenter, plan: Plan, labels: LabelStore | None
    ) -> None:
        self.generator, self.segmenter, self.plan, self._labels = generator, segmenter, plan, labels
        self.concepts = checked_segmenter(segmenter)
        check_labelled(segmenter, generator)
        known = [layer.name for layer in generator.layers if not layer.extra]
        self.layers = [generator.layer(name) for name in (plan.layers if plan.layers is not None else known)]
        if not self.layers:
            raise GanatomyError(f"No layers were chosen; choose one or more of {', '.join(known)}.")
        self._last: Made | None = None

    def block(self, start: int, stop: int) -> Made:
        """Latents start up to stop, at most 64."""
        if self._last is None or self._last.span != (start, stop):
            self._last = None  # two blocks at once may be more than the memory holds
            kept = self._kept_labels(start, stop)
            images: list[Tensor] = []
            labels: list[NDArray[Any]] = []

            def look(part: Tensor, numbers: range) -> None:
                images.append(part if self._at_once >= BLOCK else reduced(part))
                if kept is None:
                    labels.append(self._segmented(part, numbers))

            features = self._maps(range(start, stop), look)
            made = kept if kept is not None else np.concatenate(labels)
            if kept is None and self._labels is not None:
                self._labels.put(start, stop, made)
            self._last = Made(
                (start, stop), torch.cat(images), self._turned(features), on_grid(made, self._grid)
            )
        return self._last

    def features(self, numbers: Sequence[int]) -> dict[str, Tensor]:
        """The layers' maps (n, U, h, w) of some latents."""
        return self._turned(self._maps(numbers, lambda _images, _numbers: None))

    @property
    def _at_once(self) -> int:
        """How many images are made together."""
        return max(1, HELD // math.prod(self.generator.image_shape))

    def _maps(self, numbers: Sequence[int], look: Callable[[Tensor, Any], None]) -> dict[str, Tensor]:
        """The layers' maps (n, U, h, w) of some latents; `look` is given each part's images and numbers."""
        names, shape = [layer.name for layer in self.layers], self.generator.latent_shape
        maps: dict[str, Tensor] = {}
        for first in range(0, len(numbers), self._at_once):
            part = numbers[first : first + self._at_once]
            z = torch.cat([latents(self.plan.seed, n, n + 1, shape) for n in part])
            images, found = self.generator.features(z, names)
            check_finite(found, part)
            look(images, part)
            if len(part) == len(numbers):
                return found
            for name, r in found.items():
                if name not in maps:
                    maps[name] = r.new_empty((len(numbers), *r.shape[1:]))
                maps[name][first : first + len(part)] = r
        return maps

    def _turned(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        seed = self.plan.rotation
        if seed is None:
            return features
        return {name: rotated(r, seed, name, self._scales[name]) for name, r in features.items()}

    @cached_property
    def _scales(self) -> dict[str, Scale]:
        return scales(self.generator, [layer.name for layer in self.layers], self.plan.seed)

    @property
    def _grid(self) -> int:
        """The most cells a side that are counted on: two for each of the finest layer's, within `GRIDS`."""
        finest = max(max(layer.height, layer.width) for layer in self.layers)
        return min(max(2 * finest, GRIDS[0]), GRIDS[1])

    def _kept_labels(self, start: int, stop: int) -> NDArray[Any] | None:
        kept = self._labels.get(start, stop) if self._labels is not None else None
        return kept if kept is not None and kept.ndim == 4 and len(kept) == stop - start else None

    def _segmented(self, images: Tensor, numbers: Sequence[int]) -> NDArray[Any]:
        labels = checked_labels(self.segmenter, images, self.plan.seed, numbers).cpu().numpy()
        return on_grid(labels.astype(np.min_scalar_type(len(self.concepts))), GRIDS[1])

    def _place(self, layer: Layer) -> list[Any]:
        position = [known.name for known in self.generator.layers].index(layer.name) + 1
        return list(CountedLayer(layer.path, layer.units, layer.height, layer.width, position))

    def about(self, grid: tuple[int, int], edges: Edges, thresholds: Thresholds | None) -> dict[str, Any]:
        """What counts of this source are counts of."""
        segmenter, formulas = self.segmenter, thresholds.formulas if thresholds else ()
        concepts = [[concept.name, concept.category] for concept in self.concepts]
        names = [name for name, _category in concepts]
        return {
            "pass": "evaluation" if thresholds else "calibration",
            "seed": self.plan.seed,
            "generator": self.generator.identity,
            "segmenter": segmenter_hash(segmenter),
            "concepts": [*concepts, *([formula.name(names), CATEGORY] for formula in formulas)],
            "grid": list(grid),
            "layers": {layer.name: self._place(layer) for layer in self.layers},
            # Counts of 0.1.0 are of raw units' axes, under the key "rotation"; the two do not add up.
            "rotation": None if self.plan.rotation is None else f"{self.plan.rotation}, standardised units",
            "edges": edges.hash,
            "thresholds": thresholds.hash if thresholds else None,
            "replica_rate": self._replica_rate(thresholds),
        }

    def _replica_rate(self, thresholds: Thresholds | None) -> float | None:
        """How often replicas take an image: as many images as the calibration chose names from, if there are.

        More than each image once on average would make names and formulas look surer than the images do.
        """
        start, stop = self.plan.evaluation
        return min(1.0, thresholds.images / (stop - start)) if thresholds else None


def check_finite(features: dict[str, Tensor], numbers: Sequence[int]) -> None:
    """Refuses a layer that has no finite activation at all in an image; single units may have none."""
    for name, r in features.items():
        if torch.isfinite(r.sum()):  # cheap, and nearly always so
            continue
        empty = (~torch.isfinite(r).flatten(1).any(1)).nonzero()
        if len(empty):
            raise GanatomyError(
                f"Layer '{name}' has no finite activation in the image of latent {numbers[int(empty[0])]}; "
                "take another checkpoint, or smaller latents."
            )


def pilot(generator: Generator, segmenter: Segmenter, plan: Plan, labels: LabelStore | None = None) -> Edges:
    """Bin edges of every unit, from its upsampled activations on a third of the calibration images."""
    return pilot_from(Source(generator, segmenter, plan, labels))


def pilot_from(source: Source) -> Edges:
    """`pilot` with a source whose block the calibration can use again."""
    plan = source.plan
    start, stop = plan.calibration
    made = source.block(start, min(stop, start + BLOCK))
    kept = (*TAILS, *_near(plan))
    wanted = tails(plan.bins, *kept)
    grid = (made.labels.shape[2], made.labels.shape[3])
    for layer in source.layers:
        if unread := skipped((layer.height, layer.width), grid):
            log.warning(
                "%s has %d x %d cells, and label maps %d x %d pixels: %.0f %% of the cells are not read. "
                "Units that vary from cell to cell score too low.",
                *(layer.name, layer.height, layer.width, *grid, 100 * unread),
            )
    numbers = pilot_latents(start, stop)
    values_each = -(-SAMPLE // len(numbers))
    values: dict[str, list[NDArray[np.float32]]] = {}
    for first in range(0, len(numbers), BLOCK):
        for name, r in source.features(numbers[first : first + BLOCK]).items():
            values.setdefault(name, []).append(sample(r, grid, values_each, first))
    sampled = {name: np.concatenate(parts, 1) for name, parts in values.items()}
    return Edges({name: from_sample(each, wanted, kept) for name, each in sampled.items()}, wanted)


def pilot_latents(start: int, stop: int) -> list[int]:
    """The latents whose activations give the edges: evenly over the calibration, a third of it, 64 to 1024.

    A concept gets a threshold when 20 calibration images show it. A third of the images then has none of
    them, so that a unit's values for the concept lie over every edge, in one run of a thousand.
    """
    wanted = min(stop - start, max(BLOCK, min(MOST_PILOT, -(-(stop - start) * 7 // 20))))
    return [start + number * (stop - start) // wanted for number in range(wanted)]


def _near(plan: Plan) -> tuple[float, ...]:
    """More edges about a wanted tail: the pilot's tails are not exactly the calibration's."""
    return (
        () if plan.threshold == "iqr" else tuple(float(plan.threshold) * k for k in (0.9, 0.95, 1, 1.05, 1.1))
    )


def sample(r: Tensor, grid: tuple[int, int], each: int, seed: int = 0) -> NDArray[np.float32]:
    """Upsampled values (units, n) of each unit, at `each` random pixels of every image of r (N, U, h, w)."""
    images, (height, width) = r.shape[0], grid
    each = min(height * width, each)
    random = np.random.Generator(np.random.Philox(key=images + 1000 * seed))
    chosen = np.stack([random.choice(height * width, each, replace=False) for _ in range(images)])
    axes = (axis(r.shape[2], height), axis(r.shape[3], width))
    if r.device.type != "cpu":
        return sampled(r.float(), chosen, axes).flatten(1).cpu().numpy()
    values = np.empty((r.shape[1], images, each), np.float32)
    look_at(np.ascontiguousarray(r.float().cpu().numpy()), chosen, axes, values)
    return values.reshape(r.shape[1], -1)


def count(
    generator: Generator,
    segmenter: Segmenter,
    plan: Plan,
    span: tuple[int, int],
    edges: Edges,
    thresholds: Thresholds | None = None,
    labels: LabelStore | None = None,
    progress: Progress | None = None,
) -> Counts:
    """The counts of latents span[0] up to span[1]: calibration counts, or with thresholds evaluation counts.

    `progress(done, total)` is called after each block with this shard's images.

    Raises:
        GanatomyError: the span is not of whole blocks within the plan's range, or thresholds and edges
        differ.
    """
    return count_from(Source(generator, segmenter, plan, labels), span, edges, thresholds, progress)


def count_from(
    source: Source,
    span: tuple[int, int],
    edges: Edges,
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
) -> Counts:
    """`count` with a source made before."""
    counts: Counts | None = None
    for (_first, last), counted in count_blocks(source, span, edges, thresholds):
        counts = counted
        if progress is not None:
            progress(last - span[0], span[1] - span[0])
    assert counts is not None
    return counts


def count_blocks(
    source: Source,
    span: tuple[int, int],
    edges: Edges,
    thresholds: Thresholds | None = None,
    counts: Counts | None = None,
) -> Iterator[tuple[tuple[int, int], Counts]]:
    """Count a span block by block; yields each block with the counts so far, always the same object.

    A GPU keeps its sums to itself for a while: then several blocks are counted before the first is yielded.
    Blocks that `counts` already holds are passed over, and the others are added to it in place.
    """
    _check(source.plan, span, edges, thresholds)
    tally: Tally | None = None
    known = counts.ranges if counts is not None else []
    lacking = [(first, last) for first, last in blocks(*span)
               if not any(a <= first and last <= b for a, b in known)]  # fmt: skip
    added: list[tuple[int, int]] = []
    for first, last in lacking:
        made = source.block(first, last)
        counts = counts or empty(source, made, edges, thresholds)
        tally = tally or tally_on(source.generator.device, counts, edges, thresholds)
        if made.labels.shape[2:] != counts.grid:
            raise GanatomyError(
                f"The segmenter's label maps change from {counts.grid} to {made.labels.shape[2:]}; "
                "it must label every image on one grid."
            )
        tally.add(first, made.features, made.labels, made.picture)
        added.append((first, last))
        if tally.settled((first, last) == lacking[-1]):
            counts.ranges = joined(counts.ranges, added)
            for block in added:
                yield block, counts
            added = []


def tally_on(device: torch.device, counts: Counts, edges: Edges, thresholds: Thresholds | None) -> Tally:
    """What adds blocks to counts: on an NVIDIA GPU where the maps are on one, else on the CPU."""
    if device.type == "cuda" and not torch.version.hip:
        try:
            return GpuTally(counts, edges, thresholds, loops_on(device))
        except GanatomyError as error:
            log.warning("%s Counting goes on on the CPU.", error)
    return Tally(counts, edges, thresholds, torch.get_num_threads())


def make_pictures(source: Source, counts: Counts) -> None:
    """Make the top images' pictures that were not kept.

    One made again may differ by a grey level here and there: an image depends, in its last bits, on what is
    made with it.
    """
    kept, shape = counts.top_images.pictures, source.generator.latent_shape
    lacking = sorted(counts.top_images.wanted() - set(kept))
    for first in range(0, len(lacking), TOGETHER):
        numbers = lacking[first : first + TOGETHER]
        z = torch.cat([latents(source.plan.seed, n, n + 1, shape) for n in numbers])
        kept |= {n: picture(image) for n, image in zip(numbers, source.generator.images(z), strict=True)}


def _check(plan: Plan, span: tuple[int, int], edges: Edges, thresholds: Thresholds | None) -> None:
    whole = plan.evaluation if thresholds else plan.calibration
    if not whole[0] <= span[0] < span[1] <= whole[1] or (span[1] % BLOCK and span[1] != whole[1]):
        raise GanatomyError(
            f"Latents {span[0]} to {span[1]} are no shard of {whole[0]} to {whole[1]}; "
            f"use whole blocks of {BLOCK} within it."
        )
    if thresholds and thresholds.edges_hash != edges.hash:
        raise GanatomyError("These thresholds were chosen over other bin edges; choose them again.")


def empty(source: Source, made: Made, edges: Edges, thresholds: Thresholds | None) -> Counts:
    """Counts of no image yet, sized for a source's layers and a block's labels."""
    grid = (made.labels.shape[2], made.labels.shape[3])
    concepts = len(source.concepts) + (len(thresholds.formulas) if thresholds else 0)
    layers, best = {}, {}
    for layer in source.layers:
        bins = edges.layers[layer.name].bins
        layers[layer.name] = LayerCounts.zeros(layer.units, concepts, bins, thresholds is not None)
        best[layer.name] = Best.empty(layer.units, *kept_size((layer.height, layer.width), grid))
    counts = Counts.zeros(
        source.about(grid, edges, thresholds), grid, concepts, layers, thresholds is not None
    )
    sizes = [(layer.height, layer.width) for layer in source.layers]
    return replace(counts, ceiling=empty_ceiling(sizes, grid, concepts), top_images=TopImages(best))


def on_grid(labels: NDArray[Any], most: int) -> NDArray[Any]:
    """Label maps (n, maps, H, W), or at most so many pixels a side of them: those at the cells' centres.

    Taking pixels leaves every concept its share, whereas a vote among them would lose thin ones.
    """
    sides = labels.shape[2:]
    if max(sides) <= most:
        return labels
    wanted = [max(1, side * most // max(sides)) for side in sides]
    rows, columns = ((2 * np.arange(n) + 1) * side // (2 * n) for n, side in zip(wanted, sides, strict=True))
    return np.ascontiguousarray(labels[:, :, rows[:, None], columns])


def reduced(images: Tensor) -> Tensor:
    """Images (N, 3, H, W) of at most 256 pixels a side."""
    longest = max(images.shape[2:])
    if longest <= PICTURE:
        return images
    size = [max(1, side * PICTURE // longest) for side in images.shape[2:]]
    return torch.nn.functional.interpolate(images, size, mode="bilinear", antialias=True)


def picture(image: Tensor) -> NDArray[np.uint8]:
    """An image (3, H, W) in [-1, 1] as (H, W, 3) uint8, at most 256 pixels a side."""
    image = reduced(image[None])[0]
    scaled = (image.float().nan_to_num().clamp(-1, 1) + 1) * 127.5
    return scaled.round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
