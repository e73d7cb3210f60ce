"""What a dissection is going to do, as a value: seed, layers, latents, thresholds. No torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from analysis.counting.agreement import MIN_IMAGES, Sides
from analysis.shared.errors import GanatomyError
from analysis.shared.latent_ranges import dissected

BLOCK = 64  # consecutive latents, aligned: counted together, partners of each other, the smallest shard

ThresholdRule = Literal["iqr"] | float


@dataclass(frozen=True)
class Plan:
    """Which latents of which layers are counted, and by which rules.

    `calibration` and `evaluation` are (start, stop) ranges of latents that do not overlap and that start at
    multiples of 64. `threshold` is "iqr", or the fraction of its pixels that each unit is to mark (.005,
    .01). `sides` are "both", or "high" for masks of high values only, as in the paper. `naming` says
    which concept is a unit's name: of the largest lift or IoU on calibration images, or of the largest lift
    on evaluation images, which is optimistic and has no interval. With `compositions`, formulas such as "roof
    or dome" are counted where they explain units better than any single concept. `rotation` is the seed of a
    random rotation of each layer's units, standardised (the axis control), or None.
    """

    seed: int = 1
    layers: tuple[str, ...] | None = None
    calibration: tuple[int, int] = (0, 512)
    evaluation: tuple[int, int] = (512, 1512)
    threshold: ThresholdRule = "iqr"
    bins: int = 64
    sides: Sides = "both"
    naming: Literal["lift", "iou", "evaluation"] = "lift"
    compositions: bool = True
    rotation: int | None = None
    level: float = 0.05

    def __post_init__(self) -> None:
        (a, b), (c, d) = self.calibration, self.evaluation
        if b <= a or d <= c:
            raise GanatomyError(
                "A dissection needs calibration and evaluation images; ask for 1 or more of each."
            )
        if a % BLOCK or c % BLOCK or a < 0 or c < 0 or (a < d and c < b):
            raise GanatomyError(
                f"Calibration {a} to {b} and evaluation {c} to {d} must start at multiples of {BLOCK} "
                "and not overlap; use Plan.make to choose them."
            )
        if self.threshold != "iqr" and not 0 < float(self.threshold) < 1:
            raise GanatomyError(f"'{self.threshold}' is no threshold; use 'iqr' or a fraction such as 0.005.")
        if not 16 <= self.bins <= 200:
            raise GanatomyError(f"{self.bins} bins cannot be counted; use 16 to 200.")

    @classmethod
    def make(
        cls,
        images: int = 1000,
        calibration: int = 500,
        seed: int = 1,
        layers: Sequence[str] | None = None,
        threshold: ThresholdRule = "iqr",
        **options: object,
    ) -> "Plan":
        """A plan of so many evaluation and calibration images: calibration first, then the next block on.

        Where they would reach the latents that other studies use, they start behind those.
        """
        if images < 1 or calibration < 1:
            raise GanatomyError(
                f"{images} evaluation and {calibration} calibration images are too few; "
                "ask for 1 or more of each."
            )
        if threshold == "iqr" and calibration < MIN_IMAGES:
            raise GanatomyError(
                f"{calibration} calibration images choose no thresholds, since a concept must be in "
                f"{MIN_IMAGES} of them; ask for more, or for a fixed share of pixels such as 0.005."
            )
        calibrated = dissected(0, calibration)
        return cls(
            seed=seed,
            layers=tuple(layers) if layers is not None else None,
            calibration=calibrated,
            evaluation=dissected(-(-calibrated[1] // BLOCK) * BLOCK, images),
            threshold=threshold,
            **options,  # type: ignore[arg-type]
        )


def blocks(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """The aligned blocks of a range of latents; only the last may be shorter than 64.

    Raises:
        GanatomyError: the range does not start at a block's first latent.
    """
    if start % BLOCK:
        raise GanatomyError(f"A shard cannot start at latent {start}; start it at a multiple of {BLOCK}.")
    for first in range(start, stop, BLOCK):
        yield first, min(first + BLOCK, stop)


def partner_offsets(images: int) -> tuple[int, int, int, int]:
    """The four forward distances of a block's partners.

    They are 1, 2, 3, 4, repeated where the block is under 8 images. Image i's partners are i + o and i - o
    for these o, modulo the block's size (docs/method.md section 2).
    """
    reach = max(1, min(4, images // 2))
    return (1, 1 + 1 % reach, 1 + 2 % reach, 1 + 3 % reach)
