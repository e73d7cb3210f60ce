"""A layer of a generator, as a value. No torch: pages and tables use it."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.shared.errors import GanatomyError


@dataclass(frozen=True)
class Layer:
    """A place where a generator is cut: its name (layer1, ...), module path, and units x height x width."""

    name: str
    path: str
    units: int
    height: int
    width: int
    extra: bool = False  # offered, and not dissected unless it is named

    def checked(self, units: Sequence[int]) -> list[int]:
        """The units as given, each once and within the layer.

        Raises:
            GanatomyError: there are none, one is repeated, or one is outside the layer.
        """
        found = [int(unit) for unit in units]
        if not found or len(set(found)) < len(found) or min(found) < 0 or max(found) >= self.units:
            raise GanatomyError(
                f"The units {found} cannot be used; name one or more of {self.name}'s units 0 to "
                f"{self.units - 1}, each once."
            )
        return found
