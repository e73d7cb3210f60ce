"""The passes over a generator's images: pilot, calibration, evaluation.

Each image is generated once and segmented once, for all layers.

    edges = pilot(generator, segmenter, plan)
    calibration = count(generator, segmenter, plan, plan.calibration, edges)
    thresholds = choose(calibration, plan.threshold)
    evaluation = count(generator, segmenter, plan, plan.evaluation, edges, thresholds)

Any range of whole blocks of 64 latents can be counted anywhere, and the counts merged.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.counting.counts import CountedLayer, Counts, LayerCounts, joined
from analysis.counting.edges import TAILS, Edges, from_sample, tails
from analysis.counting.moment_names import SPREAD
from analysis.counting.pixel_values import look_at
from analysis.counting.plan import BLOCK, Plan, blocks
from analysis.counting.tally import Tally, empty_ceiling
from analysis.counting.thresholds import Thresholds
from analysis.counting.top_images import Best, TopImages, kept_size
from analysis.models.controls import rotated
from analysis.models.generator import Generator, Layer
from analysis.models.segmenter import Segmenter, checked_labels, segmenter_hash
from analysis.shared.bilinear import axis
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

Progress = Callable[[int, int], None]
SAMPLE = 16384  # values a unit in the pilot
MOST_PILOT = 1024  # images in the pilot
PICTURE = 256  # the longest side of a kept picture
TOGETHER = 16  # images that are made again at once


class LabelStore(Protocol):
    """Label maps kept from earlier runs, by range of latents (always one block)."""

    def get(self, start: int, stop: int) -> NDArray[Any] | None:
        """Labels (stop - start, maps, h, w), or None."""
        ...

    def put(self, start: int, stop: int, labels: NDArray[Any]) -> None: ...


@dataclass
class Made:
    """One block as made: images, maps by layer, labels (n, maps, H, W)."""

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
        known = [layer.name for layer in generator.layers]
        self.layers = [generator.layer(name) for name in (plan.layers if plan.layers is not None else known)]
        if not self.layers:
            raise GanatomyError(f"No layers were chosen; choose one or more of {', '.join(known)}.")
        self._last: Made | None = None

    def block(self, start: int, stop: int) -> Made:
        """Latents start up to stop, at most 64."""
        if self._last is None or self._last.span != (start, stop):
            z = latents(self.plan.seed, start, stop, self.generator.latent_shape)
            images, features = self.generator.features(z, [layer.name for layer in self.layers])
            labels = self._segmented(start, stop, images)
            self._last = Made((start, stop), images, self._turned(features), labels)
        return self._last

    def features(self, numbers: Sequence[int]) -> dict[str, Tensor]:
        """The layers' maps (n, U, h, w) of some latents."""
        shape = self.generator.latent_shape
        z = torch.cat([latents(self.plan.seed, n, n + 1, shape) for n in numbers])
        return self._turned(self.generator.features(z, [layer.name for layer in self.layers])[1])

    def _turned(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.plan.rotation is None:
            return features
        return {name: rotated(r, self.plan.rotation, name) for name, r in features.items()}

    def _segmented(self, start: int, stop: int, images: Tensor) -> NDArray[Any]:
        kept = self._labels.get(start, stop) if self._labels is not None else None
        if kept is not None and kept.ndim == 4 and len(kept) == stop - start:
            return kept
        made = checked_labels(self.segmenter, images).cpu().numpy()
        labels = made.astype(np.min_scalar_type(len(self.segmenter.concepts)))
        if self._labels is not None:
            self._labels.put(start, stop, labels)
        return labels

    def _place(self, layer: Layer) -> list[Any]:
        position = [known.name for known in self.generator.layers].index(layer.name) + 1
        return list(CountedLayer(layer.path, layer.units, layer.height, layer.width, position))

    def about(self, grid: tuple[int, int], edges: Edges, thresholds: Thresholds | None) -> dict[str, Any]:
        """What counts of this source are counts of."""
        segmenter = self.segmenter
        return {
            "pass": "evaluation" if thresholds else "calibration",
            "seed": self.plan.seed,
            "generator": self.generator.weights_sha256,
            "segmenter": segmenter_hash(segmenter),
            "concepts": [[concept.name, concept.category] for concept in segmenter.concepts],
            "grid": list(grid),
            "layers": {layer.name: self._place(layer) for layer in self.layers},
            "rotation": self.plan.rotation,
            "edges": edges.hash,
            "thresholds": thresholds.hash if thresholds else None,
        }


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
    values = np.empty((r.shape[1], images, each), np.float32)
    axes = (axis(r.shape[2], height), axis(r.shape[3], width))
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

    Blocks that `counts` already holds are passed over, and the others are added to it in place.
    """
    _check(source.plan, span, edges, thresholds)
    tally: Tally | None = None
    for first, last in blocks(*span):
        if counts is not None and any(a <= first and last <= b for a, b in counts.ranges):
            continue
        made = source.block(first, last)
        counts = counts or empty(source, made, edges, thresholds)
        tally = tally or Tally(counts, edges, thresholds, torch.get_num_threads())
        if made.labels.shape[2:] != counts.grid:
            raise GanatomyError(
                f"The segmenter's label maps change from {counts.grid} to {made.labels.shape[2:]}; "
                "it must label every image on one grid."
            )
        tally.add(first, made.features, made.labels, made.picture)
        counts.ranges = joined(counts.ranges, [(first, last)])
        yield (first, last), counts


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
    grid, concepts = (made.labels.shape[2], made.labels.shape[3]), len(source.segmenter.concepts)
    layers, best = {}, {}
    for layer in source.layers:
        bins = edges.layers[layer.name].bins
        layers[layer.name] = LayerCounts.zeros(layer.units, concepts, bins, thresholds is not None)
        best[layer.name] = Best.empty(layer.units, *kept_size((layer.height, layer.width), grid))
    return Counts(
        about=source.about(grid, edges, thresholds),
        ranges=[],
        layers=layers,
        places=np.zeros((concepts, *grid), np.int32),
        areas=np.zeros(concepts, np.int64),
        shown=np.zeros(concepts, np.int64),
        constant=np.zeros((concepts, len(SPREAD)), np.int64),
        ceiling=empty_ceiling([(layer.height, layer.width) for layer in source.layers], grid, concepts),
        top_images=TopImages(best),
    )


def picture(image: Tensor) -> NDArray[np.uint8]:
    """An image (3, H, W) in [-1, 1] as (H, W, 3) uint8, at most 256 pixels a side."""
    longest = max(image.shape[1:])
    if longest > PICTURE:
        size = [max(1, side * PICTURE // longest) for side in image.shape[1:]]
        image = torch.nn.functional.interpolate(image[None], size, mode="bilinear", antialias=True)[0]
    scaled = (image.float().nan_to_num().clamp(-1, 1) + 1) * 127.5
    return scaled.round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
