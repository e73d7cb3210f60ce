"""What a generator is given beside its latent: truncation, classes, timestep, noise. No torch.

Inputs.parse("truncation=0.7 class=207:1,3:2")   # and str() of it again
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from analysis.shared.errors import GanatomyError

NAMES = ("truncation", "class", "timestep", "noise")


@dataclass(frozen=True)
class Inputs:
    """Chosen for a run. What is None or empty is the model's own default.

    Args:
        truncation: psi of the truncation trick (Karras et al. 2019, appendix B): 1 is none, 0 the mean image.
        classes: class numbers with weights. Each image is of one class, drawn with these weights by the
            image's own latent; empty means all classes equally often.
        timestep: the step of a diffusion model at which its network is run.
        noise: the seed of fixed noise inputs.
    """

    truncation: float | None = None
    classes: tuple[tuple[int, float], ...] = ()
    timestep: int | None = None
    noise: int | None = None

    def __post_init__(self) -> None:
        if self.truncation is not None and not (math.isfinite(self.truncation) and abs(self.truncation) <= 2):
            raise GanatomyError(f"A truncation of {self.truncation} is not possible; give one from -2 to 2.")
        numbers = [number for number, _weight in self.classes]
        if len(set(numbers)) < len(numbers) or any(number < 0 for number in numbers):
            raise GanatomyError("Each class of a mixture is a number from 0 on, and is named once.")
        if any(not (math.isfinite(weight) and weight > 0) for _number, weight in self.classes):
            raise GanatomyError("Each class of a mixture has a weight above 0, as in 207:1,3:2.")
        for name, value in (("timestep", self.timestep), ("noise", self.noise)):
            if value is not None and not 0 <= value < 2**53:
                raise GanatomyError(f"A {name} of {value} is not possible; give a whole number from 0 on.")

    def __str__(self) -> str:
        classes = ",".join(f"{number}:{weight:g}" for number, weight in self.classes)
        if len(self.classes) == 1:
            classes = str(self.classes[0][0])
        values = (self.truncation, classes or None, self.timestep, self.noise)
        return " ".join(
            f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in zip(NAMES, values, strict=True)
            if value is not None
        )

    def named(self) -> list[str]:
        """The names of the inputs that are chosen."""
        values = (self.truncation, self.classes or None, self.timestep, self.noise)
        return [name for name, value in zip(NAMES, values, strict=True) if value is not None]

    def over(self, defaults: Inputs) -> Inputs:
        """These inputs, and where one is absent the default's."""
        return Inputs(
            defaults.truncation if self.truncation is None else self.truncation,
            self.classes or defaults.classes,
            defaults.timestep if self.timestep is None else self.timestep,
            defaults.noise if self.noise is None else self.noise,
        )

    @classmethod
    def parse(cls, text: str) -> Inputs:
        """Inputs from text such as "truncation=0.7 class=207:1,3:2".

        Raises:
            GanatomyError: a word of it is no input, or its value cannot be read.
        """
        found: dict[str, str] = {}
        for word in text.split():
            name, equals, value = word.partition("=")
            if name not in NAMES or not equals or name in found:
                raise GanatomyError(
                    f"'{word[:80]}' is no input of a generator; write name=value, once each, with one of "
                    f"{', '.join(NAMES)}."
                )
            found[name] = value
        try:
            return cls(
                float(found["truncation"]) if "truncation" in found else None,
                parse_classes(found.get("class", "")),
                int(found["timestep"]) if "timestep" in found else None,
                int(found["noise"]) if "noise" in found else None,
            )
        except ValueError as error:
            raise GanatomyError(
                f"The inputs '{text[:80]}' cannot be read; write them as in "
                "'truncation=0.7 class=207:1,3:2 timestep=10 noise=0'."
            ) from error


def parse_classes(text: str) -> tuple[tuple[int, float], ...]:
    """Classes and weights from text such as "207", "1,2,3" or "207:1,3:2"; () for an empty one.

    Raises:
        ValueError: it cannot be read.
    """
    pairs = []
    for part in filter(None, text.split(",")):
        number, colon, weight = part.partition(":")
        pairs.append((int(number), float(weight) if colon else 1.0))
    return tuple(pairs)
