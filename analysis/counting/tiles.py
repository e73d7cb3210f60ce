"""A tile of label maps, arranged for the kernel once and used for every unit. numba."""

import numpy as np

from analysis.counting.compilation import compiled
from analysis.counting.kernel import IMAGES
from analysis.counting.vector_loops import LANES
from analysis.shared.arrays import Array


@compiled
def is_repeat(labels: Array, level: int, pixel: int, image: int) -> bool:
    """Whether an earlier map of the stack names the same concept there: it counts once."""
    for earlier in range(level):  # noqa: SIM110
        if labels[earlier, pixel, image] == labels[level, pixel, image]:
            return True
    return False


@compiled
def fill_features(labels, first, last, images, offsets, null, total, lanes):  # type: ignore[no-untyped-def]
    """Lanes (pixels, 64, L) uint16: own concepts, from lane `null` on partners' concepts, and all pixels.

    `labels` (maps, pixels, 64) holds 0 or the concept's number in this block. Lane `total` counts all pixels;
    there is none at -1, and no partners with `null` 0.
    """
    lanes[: last - first] = 0
    if total >= 0:
        lanes[: last - first, :, total] = 1
    for level in range(labels.shape[0]):
        for pixel in range(first, last):
            for image in range(images):
                concept = labels[level, pixel, image]
                if concept == 0 or is_repeat(labels, level, pixel, image):
                    continue
                lanes[pixel - first, image, concept - 1] = 1
                if null:
                    for offset in offsets:
                        lanes[pixel - first, (image + offset) % images, null + concept - 1] += 1
                        lanes[pixel - first, (image - offset) % images, null + concept - 1] += 1


@compiled
def _tally(labels: Array, first: int, last: int, images: int, tally: Array) -> None:
    for level in range(labels.shape[0]):
        for pixel in range(first, last):
            for image in range(images):
                concept = labels[level, pixel, image]
                if concept and not is_repeat(labels, level, pixel, image):
                    tally[image, concept] += 1


@compiled
def fill_lists(labels, first, last, images, starts, listed):  # type: ignore[no-untyped-def]
    """The tile's pixels by image and concept: listed[starts[i, c] : starts[i, c + 1]] uint16."""
    concepts = starts.shape[1] - 1
    tally = np.zeros((images, concepts + 1), np.int64)
    _tally(labels, first, last, images, tally)
    total = 0
    for image in range(images):
        for concept in range(concepts):
            starts[image, concept] = total
            total += tally[image, concept + 1]
            tally[image, concept + 1] = starts[image, concept]
        starts[image, concepts] = total
    for level in range(labels.shape[0]):
        for pixel in range(first, last):
            for image in range(images):
                concept = labels[level, pixel, image]
                if concept and not is_repeat(labels, level, pixel, image):
                    listed[tally[image, concept]] = pixel - first
                    tally[image, concept] += 1


@compiled
def transpose(labels: Array, number: Array, out: Array) -> None:
    """Labels (n, maps, pixels), renumbered, into (maps, pixels, 64)."""
    for image in range(labels.shape[0]):
        for level in range(labels.shape[1]):
            for pixel in range(labels.shape[2]):
                out[level, pixel, image] = number[labels[image, level, pixel]]


@compiled
def count_places(labels, images, begin, present, places, odd, areas):  # type: ignore[no-untyped-def]
    """Adds where concepts lie, to places (C, pixels) int32, and sets areas (64, present) of this block.

    The first image is of latent `begin`. Odd latents are added to `odd` as well, if it has any length.
    """
    for level in range(labels.shape[0]):
        for pixel in range(labels.shape[1]):
            for image in range(images):
                concept = labels[level, pixel, image]
                if concept and not is_repeat(labels, level, pixel, image):
                    places[present[concept - 1], pixel] += 1
                    if len(odd) and (begin + image) % 2:
                        odd[present[concept - 1], pixel] += 1
                    areas[image, concept - 1] += 1


@compiled
def count_overlap(labels, images, present, overlap):  # type: ignore[no-untyped-def]
    """Adds to overlap (C, C) int64 the pixels on which two concepts lie, both ways."""
    for level in range(labels.shape[0]):
        for pixel in range(labels.shape[1]):
            for image in range(images):
                one = labels[level, pixel, image]
                if one == 0 or is_repeat(labels, level, pixel, image):
                    continue
                overlap[present[one - 1], present[one - 1]] += 1
                for earlier in range(level):
                    other = labels[earlier, pixel, image]
                    if other and not is_repeat(labels, earlier, pixel, image):
                        overlap[present[one - 1], present[other - 1]] += 1
                        overlap[present[other - 1], present[one - 1]] += 1


@compiled
def count_constant(labels, images, masks, both):  # type: ignore[no-untyped-def]
    """Sets both (64, present): each image's pixels of a concept within its mask (present, pixels)."""
    for level in range(labels.shape[0]):
        for pixel in range(labels.shape[1]):
            for image in range(images):
                concept = labels[level, pixel, image]
                if concept and masks[concept - 1, pixel] and not is_repeat(labels, level, pixel, image):
                    both[image, concept - 1] += 1


def padded(lanes: int) -> int:
    """Lanes are added eight at a time."""
    return -(-lanes // LANES) * LANES


def tile_pixels(lanes: int, most: int) -> int:
    """Pixels a tile, so that its lanes stay within about half a megabyte."""
    return max(16, min(most, 2**19 // (IMAGES * 2 * lanes)))
