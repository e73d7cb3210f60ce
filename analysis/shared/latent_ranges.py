"""Which latents of a seed serve what, so that nothing is chosen and scored on the same images. No torch.

A dissection counts from latent 0 on. What of it does not fit before `TRAINING` starts at `LARGE`, after all
other work. Starts of what is counted are multiples of 64, the engine's block.
"""

from analysis.shared.errors import GanatomyError

TRAINING = 100_032  # constants k, alpha, calibration IoU, choosing single units; a learning seed takes LANE
STOPPING = 200_000
TESTING = 300_032
MEASURING = 400_000  # constants and energies of an insertion
FORCING = 450_000  # images that an insertion forces units on in
RANKING = 500_000  # images that rank artifact units
SCORING = 600_000  # images that score lists of them
OTHER = 700_000  # of seed 0: pictures of another generator, as a reference
LARGE = 1_000_000  # calibration or evaluation images of a dissection that has too many to end before TRAINING
LANE = 6_400
_NEXT = {MEASURING: FORCING, FORCING: RANKING, RANKING: SCORING, SCORING: OTHER}


def dissected(first: int, images: int) -> tuple[int, int]:
    """The latents (start, stop) of a dissection's images, from the first that is free.

    They are none of those that the other studies use.

    >>> dissected(512, 1000), dissected(512, 100_000)
    ((512, 1512), (1000000, 1100000))
    """
    start = LARGE if first + images > TRAINING and first < LARGE else first
    return start, start + images


def room(start: int) -> int:
    """How many images there are from a start on, before those of other work."""
    return _NEXT[start] - start


def span(start: int, images: int) -> tuple[int, int]:
    """The latents (start, stop) of that many images.

    Raises:
        GanatomyError: none, or more than there is room for.
    """
    if not 1 <= images <= room(start):
        raise GanatomyError(
            f"{images:,} images from latent {start:,} on are not possible; take 1 or more, and at most "
            f"{room(start):,}, so that they stay clear of other work's."
        )
    return start, start + images


def lane(start: int, number: int, images: int) -> tuple[int, int]:
    """The latents (start, stop) of the learning seed of that number; lanes do not overlap.

    Raises:
        GanatomyError: more seeds or images than there is room for.
    """
    if not 0 <= number < 15 or not 1 <= images <= LANE:
        raise GanatomyError(
            f"Learning seed {number} with {images} images is not possible; "
            f"use at most 15 seeds, and 1 to {LANE} images each."
        )
    return start + number * LANE, start + number * LANE + images
