"""What a computation cost: images through each network, and seconds. No torch."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Meter:
    """Images that went through the whole generator, its tail, and the segmenter; and seconds."""

    generator: int = 0
    tail: int = 0
    segmenter: int = 0
    earlier: float = 0.0  # seconds of stages that an earlier call had finished
    begun: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Seconds since the start, and those that an earlier call had spent."""
        return self.earlier + time.perf_counter() - self.begun

    def values(self) -> tuple[float, ...]:
        """All four numbers, as `add` takes them."""
        return (self.generator, self.tail, self.segmenter, self.seconds)

    def add(self, values: tuple[float, ...]) -> None:
        """Add what an earlier call had counted."""
        self.generator += int(values[0])
        self.tail += int(values[1])
        self.segmenter += int(values[2])
        self.earlier += float(values[3])
