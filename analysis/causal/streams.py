"""Which latents of a seed serve what, so that nothing is chosen and scored on the same images. No torch.

A dissection counts from latent 0 on. Starts are multiples of 64, the block of the counting engine.
"""

from analysis.errors import GanatomyError

TRAINING = 100_032  # constants k, alpha, calibration IoU, choosing single units; a learning seed takes LANE
STOPPING = 200_000
TESTING = 300_032
CONTEXT = 400_000
ARTIFACT_RANKING = 500_032
ARTIFACT_SCORING = 600_000
LANE = 6_400


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
