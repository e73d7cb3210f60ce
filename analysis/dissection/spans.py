"""Spans: parts of a dissection that are counted apart, in any process, and merged. No torch.

A span is named by what it counts: the part of the run, the latents, and a hash of what the counts depend on
besides. Two processes that count the same span make the same counts, so it does no harm when both do.

>>> wanted = plan("evaluation", "ab12cd34ef56", (512, 1500), [(512, 576)], [], 512)
>>> [(span.start, span.stop) for span in wanted]
[(576, 1024), (1024, 1500)]
>>> wanted[1].name
'evaluation-ab12cd34ef56-000001024-000001500'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from analysis.counting.plan import BLOCK

Part = Literal["calibration", "evaluation"]
Range = tuple[int, int]
NAME = re.compile(r"(calibration|evaluation)-([0-9a-f]{12})-(\d{9,})-(\d{9,})")


@dataclass(frozen=True)
class Span:
    """Latents `start` up to `stop` of a part of a run: whole blocks of 64; the last one may be shorter.

    `key` is the hash of the edges or, in the evaluation, of the thresholds: both cover the layers.
    """

    part: Part
    key: str
    start: int
    stop: int

    @property
    def name(self) -> str:
        """The span's name, safe in file names."""
        return f"{self.part}-{self.key[:12]}-{self.start:09d}-{self.stop:09d}"

    @property
    def images(self) -> int:
        return self.stop - self.start

    @classmethod
    def named(cls, name: str) -> Span | None:
        """The span of a name, whose key is then the first 12 digits; None where it is no span's."""
        found = NAME.fullmatch(name)
        if found is None:
            return None
        part: Part = "calibration" if found[1] == "calibration" else "evaluation"
        return cls(part, found[2], int(found[3]), int(found[4]))


def missing(whole: Range, known: Iterable[Range]) -> list[Range]:
    """The ranges of `whole` that are in none of the known ones, in order.

    >>> missing((0, 640), [(64, 128), (512, 640)])
    [(0, 64), (128, 512)]
    """
    found, first = [], whole[0]
    for start, stop in sorted(known):
        if start > first:
            found.append((first, min(start, whole[1])))
        first = max(first, stop)
    if first < whole[1]:
        found.append((first, whole[1]))
    return [(start, stop) for start, stop in found if start < stop]


def size_of(seconds: float, seconds_per_image: float) -> int:
    """How many images a span of so many seconds has: whole blocks, and at least one."""
    return max(1, round(seconds / max(seconds_per_image, 1e-9) / BLOCK)) * BLOCK


def plan(
    part: Part, key: str, whole: Range, counted: Iterable[Range], found: Sequence[Span], size: int
) -> list[Span]:
    """The spans that a part still needs, in order: those that were found counted, and new ones for the rest.

    New ones have about `size` images. They are cut evenly, so that the last is not much shorter.

    Args:
        part: The part of the run.
        key: The hash of what its counts depend on.
        whole: All latents of the part.
        counted: The ranges that are merged already.
        found: Spans that an earlier attempt left. They may have another size; those that overlap are ignored.
        size: The images of a new span, a multiple of 64.
    """
    known, spans = list(counted), []
    for span in sorted(found, key=lambda span: (span.start, -span.stop)):
        if any(low <= span.start and span.stop <= high for low, high in missing(whole, known)):
            spans.append(Span(part, key, span.start, span.stop))
            known.append((span.start, span.stop))
    for start, stop in missing(whole, known):
        blocks = -(-(stop - start) // BLOCK)
        many = -(-(stop - start) // size)
        cuts = [start + BLOCK * (blocks * number // many) for number in range(many)] + [stop]
        spans += [Span(part, key, a, b) for a, b in pairwise(cuts) if a < b]
    return sorted(spans, key=lambda span: span.start)
