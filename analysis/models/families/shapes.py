"""Sizes read from a checkpoint's shapes, and modules that fit it made without a copy of its weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from analysis.models.checkpoints import State, load_state
from analysis.shared.errors import GanatomyError

M = TypeVar("M", bound=nn.Module)

PASS_BYTES = 1_000_000_000  # activations that one pass may take
LARGE, LARGE_IMAGE = 128, 256  # maps from this size on are extra layers, in models of such images


def shape(state: Mapping[str, Tensor], key: str, dimensions: int, what: str) -> tuple[int, ...]:
    """The shape of one tensor of a checkpoint.

    Raises:
        GanatomyError: it is missing, has another number of dimensions, or is empty.
    """
    value = state.get(key)
    if value is None:
        raise GanatomyError(f"The weights do not fit {what}: '{key}' is missing; use a complete checkpoint.")
    if value.ndim != dimensions or not value.numel():
        raise GanatomyError(
            f"The weights do not fit {what}: '{key}' has shape {tuple(value.shape)}, which should have "
            f"{dimensions} dimensions and no zero; use the checkpoint of this architecture."
        )
    return tuple(value.shape)


def numbers(state: Iterable[str], pattern: str) -> list[int]:
    """The sorted numbers that stand in the group of a pattern, which matches whole keys."""
    matches = (re.fullmatch(pattern, key) for key in state)
    return sorted({int(match[1]) for match in matches if match and len(match[1]) < 6})


def counted(state: Iterable[str], pattern: str, what: str) -> int:
    """How many parts a checkpoint has, numbered from 0 without a gap.

    Raises:
        GanatomyError: there is a gap, or there are none.
    """
    found = numbers(state, pattern)
    if not found or found != list(range(len(found))):
        raise GanatomyError(
            f"The weights do not fit {what}: its parts are numbered {found[:20] or 'nowhere'}; "
            "use a complete checkpoint."
        )
    return len(found)


def loaded(make: Callable[[], M], state: State, what: str) -> M:
    """The module that `make` returns, with these weights, as float32 and in evaluation mode.

    It is made on the meta device, so nothing is allocated before every key and shape was found to fit.

    Raises:
        GanatomyError: a key or shape does not fit.
    """
    with torch.device("meta"):
        module = make()
    plain = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    load_state(module, plain, what)
    return module.eval().requires_grad_(False)


def settings(config: Mapping[str, Any], *inside: str) -> dict[str, Any]:
    """What lay beside the weights, and what is nested in it under one name; empty where there is none."""
    found: Any = config.get("config", {})
    for name in inside:
        found = found.get(name, {}) if isinstance(found, Mapping) else {}
    return dict(found) if isinstance(found, Mapping) else {}


def number(settings: Mapping[str, Any], name: str, default: float) -> float:
    """A number of the settings, or its default.

    Raises:
        GanatomyError: it is no number, or not above 0.
    """
    value = settings.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise GanatomyError(f"The setting '{name}' beside the weights is {value!r}; it must be above 0.")
    return float(value)


def split_by_size(
    layers: Mapping[str, str], sizes: Mapping[str, int], image: int
) -> tuple[dict[str, str], dict[str, str]]:
    """Layers to dissect, and those whose maps are too large for a first look."""
    large = {name for name, size in sizes.items() if size >= LARGE and image >= LARGE_IMAGE}
    return (
        {name: path for name, path in layers.items() if name not in large},
        {name: path for name, path in layers.items() if name in large},
    )


def images_per_pass(maps: Iterable[tuple[int, int]]) -> int:
    """The most images of one pass, from (units, size) of each map; all are kept while one is edited."""
    cells = [units * size * size for units, size in maps]
    return max(1, int(PASS_BYTES / (4 * (sum(cells) + 3 * max(cells)))))
