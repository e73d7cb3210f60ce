"""A layer of a generator, as a value. No torch: pages and tables use it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """A place where a generator is cut: its name (layer1, ...), module path, and units x height x width."""

    name: str
    path: str
    units: int
    height: int
    width: int
