"""What a family of generators is: how its checkpoints are recognised, and how one is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import nn

from analysis.models.checkpoints import State
from analysis.models.choice import Choice
from analysis.models.inputs import Inputs

__all__ = ["Choice", "Config", "Family", "Parts"]

Config = Mapping[str, Any]  # plain JSON values


class Parts(NamedTuple):
    """A module with its weights, and what is known of it.

    Attributes:
        module: maps latents (N, *latent_shape) to images (N, 3 or 1, H, W). Truncation, timestep and noise
            are inside it. It is in evaluation mode and deterministic.
        layers: the paths of its layers in order, named layer1, layer2, ...; or paths by name, where the
            architecture has names that people know.
        latent_shape: the shape of one latent.
        extra_layers: further layers by name, offered and not dissected unless they are named, such as style
            channels or maps too large for a first look.
        classes: how many classes the module is conditional on; it is then called with latents and class
            numbers (N,). None is not conditional.
        output_range: the values that stand for black and white.
        latent_law: the law of one latent: "normal", "uniform" (-1 to 1), "sphere" (a normal one scaled to the
            length sqrt(size)) or "truncated:2" (normal within that many standard deviations).
        images_per_pass: the most images that one pass makes; None is no limit.
        notes: what was taken for granted or changed ("spectral norm was folded into the weights"), a
            sentence each.
    """

    module: nn.Module
    layers: list[str] | dict[str, str]
    latent_shape: tuple[int, ...]
    extra_layers: dict[str, str] = {}  # noqa: RUF012 - a NamedTuple's default, never changed
    classes: int | None = None
    output_range: tuple[float, float] = (-1.0, 1.0)
    latent_law: str = "normal"
    images_per_pass: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """A published layout of checkpoints.

    Args:
        title: what people call it, such as "StyleGAN2 (rosinality)".
        recognises: whether a state dict is of this family, from names and shapes alone; the tensors may be on
            the meta device. It never raises, whatever the names and shapes are.
        build: the module of a state dict. `config` holds plain values found beside the weights (a
            config.json, a pickle's init_kwargs) under "config", and the answers to `choices` by name.
            It raises `GanatomyError` where the weights do not fit, before it allocates more than they take.
        choices: what the user is asked.
        inputs: which of `analysis.models.inputs.NAMES` the models of this family take.
        hidden: not offered; for tests.
    """

    title: str
    recognises: Callable[[State], bool]
    build: Callable[[State, Config, Inputs], Parts]
    choices: tuple[Choice, ...] = ()
    inputs: tuple[str, ...] = ()
    hidden: bool = False
