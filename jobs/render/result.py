"""The pictures that a render gives back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RenderResult:
    """Pictures of an edit, one path (PNG) an image, in the order of the latents."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    difference: tuple[str, ...]
    key: str
    milliseconds: float
    cached: bool
