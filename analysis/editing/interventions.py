"""Apply edits: to a tensor, to a running generator, or to the tail of a kept pass.

    with edited(generator, Edit.parse("ablate layer3 4,17,31")):
        images = generator.images(z)

    rows = edited_images(generator, edit, z)      # one pass of h, then only the tail: (before, after)

Units and cells outside the layer are refused, not ignored (Bau et al. 2019, section 3.2, for the method).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from analysis.editing.edits import Edit, Step
from analysis.models.generator import Generator, ImageCut
from analysis.models.layer import Layer
from analysis.models.trace import Trace
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

MEAN_SAMPLE = 64  # latents, where nobody states a unit's mean


@dataclass
class Sources:
    """What steps may need beside the map itself: unit means, and maps of other latents, each by layer.

    Without means given, they are measured on the first 64 latents of the seed.
    """

    generator: Generator
    seed: int = 0
    means: Mapping[str, Tensor] = field(default_factory=dict)

    def mean(self, layer: str) -> Tensor:
        """Mean activation of each unit, (units,)."""
        if layer not in self.means:
            z = latents(self.seed, 0, MEAN_SAMPLE, self.generator.latent_shape)
            maps = self.generator.features(z, [layer])[1].popitem()[1]
            self.means = {**self.means, layer: maps.mean((0, 2, 3))}
        return self.means[layer]

    def map_of(self, layer: str, latent: int) -> Tensor:
        """The layer's map for one latent, (1, units, h, w)."""
        z = latents(self.seed, latent, latent + 1, self.generator.latent_shape)
        return self.generator.features(z, [layer])[1].popitem()[1]


def apply_step(step: Step, r: Tensor, sources: Sources | None = None, where: Tensor | None = None) -> Tensor:
    """The map (N, units, h, w) after one step; `r` itself stays as it is. Differentiable in r.

    `where` (N or 1, 1, h, w), true or false, narrows the cells further, image by image.

    Raises:
        GanatomyError: a unit or cell is outside the layer, or the step needs sources and has none.
    """
    numbers = torch.tensor([unit.number for unit in step.units], device=r.device)
    _check_fits(step, r)
    chosen = r[:, numbers]
    target = _target(step, chosen, numbers, sources)
    target = target.expand_as(chosen)
    # Strength 1 sets the target itself, also where a unit is not finite; strength 0 leaves every bit.
    moved = target if step.strength == 1 else torch.lerp(chosen, target, step.strength)
    cells = _cells(step, r) if where is None else _cells(step, r) & where.to(r.device)
    return r.index_copy(1, numbers, torch.where(cells, moved, chosen))


def change(edit: Edit, layer: str, sources: Sources | None = None) -> Callable[[Tensor], Tensor]:
    """What an edit does to the map of one layer, as a function."""

    def changed(r: Tensor) -> Tensor:
        for step in edit.at(layer):
            r = apply_step(step, r, sources)
        return r

    return changed


@contextmanager
def edited(generator: Generator, edit: Edit, sources: Sources | None = None) -> Iterator[Generator]:
    """For as long as the block lasts, the generator makes edited images."""
    edit = _named(generator, edit)
    sources = _prepared(edit, sources or Sources(generator))
    places = {generator.layer(name).path: change(edit, name, sources) for name in edit.layers}
    with Trace(generator.module, places):
        yield generator


def edited_images(
    generator: Generator, edit: Edit, z: Tensor, sources: Sources | None = None, cut: ImageCut | None = None
) -> tuple[Tensor, Tensor]:
    """Images of latents before and after an edit, each (N, 3, H, W): a whole pass, then the tail alone.

    With a `cut` of these latents at the `first_layer` of the edit, only the tail runs.
    """
    if not edit.steps:
        images = generator.images(z)
        return images, images
    edit = _named(generator, edit)
    sources = _prepared(edit, sources or Sources(generator))
    first, *later = _in_order(generator, edit)
    cut = cut or generator.cut(z, first.name)
    rest = {layer.path: change(edit, layer.name, sources) for layer in later}
    with torch.no_grad(), Trace(generator.module, rest):
        return cut.images, cut.tail(change(edit, first.name, sources)(cut.r))


def first_layer(generator: Generator, edit: Edit) -> str:
    """The name of the first of the layers that an edit changes."""
    return _in_order(generator, _named(generator, edit))[0].name


def _named(generator: Generator, edit: Edit) -> Edit:
    """The edit with every layer by its name, also where it was given by its module path."""
    return edit.on({name: generator.layer(name).name for name in edit.layers})


def _in_order(generator: Generator, edit: Edit) -> list[Layer]:
    wanted = [generator.layer(name) for name in edit.layers]
    return sorted(wanted, key=generator.layers.index)


def _prepared(edit: Edit, sources: Sources) -> Sources:
    """Measures what the edit needs now: inside the edit the generator is no longer itself."""
    for step in edit.steps:
        if step.operation == "mean" and any(unit.value is None for unit in step.units):
            sources.mean(step.layer)
    maps = {
        (s.layer, s.latent): sources.map_of(s.layer, s.latent) for s in edit.steps if s.latent is not None
    }
    return _Known(sources.generator, sources.seed, sources.means, maps)


@dataclass
class _Known(Sources):
    maps: Mapping[tuple[str, int], Tensor] = field(default_factory=dict)

    def map_of(self, layer: str, latent: int) -> Tensor:
        return self.maps[layer, latent]


def _target(step: Step, chosen: Tensor, numbers: Tensor, sources: Sources | None) -> Tensor:
    """What the chosen units are drawn towards, (1 or N, units, 1 or h, 1 or w)."""
    if step.operation == "ablate":
        return torch.zeros_like(chosen[:1, :, :1, :1])
    if step.operation == "interpolate" and step.latent is not None:
        return _needed(sources, step).map_of(step.layer, step.latent)[:, numbers]
    values = [unit.value for unit in step.units]
    if None in values:
        means = _needed(sources, step).mean(step.layer)
        values = [float(means[unit.number]) if unit.value is None else unit.value for unit in step.units]
    constants = torch.tensor(values, dtype=chosen.dtype, device=chosen.device).view(1, -1, 1, 1)
    return constants * chosen if step.operation == "scale" else constants


def _needed(sources: Sources | None, step: Step) -> Sources:
    if sources is None:
        raise GanatomyError(f"The edit '{step}' needs values that nobody gave; state them, as 4=0.3.")
    return sources


def _cells(step: Step, r: Tensor) -> Tensor:
    """True at the step's cells, (1, 1, h, w)."""
    cells = torch.zeros((1, 1, *r.shape[2:]), dtype=torch.bool, device=r.device)
    for box in step.cells:
        cells[..., box.top : box.bottom + 1, box.left : box.right + 1] = True
    return cells if step.cells else ~cells


def _check_fits(step: Step, r: Tensor) -> None:
    units, height, width = r.shape[1:]
    if step.units[-1].number >= units:
        raise GanatomyError(
            f"{step.layer} has units 0 to {units - 1}; there is no unit {step.units[-1].number}."
        )
    if any(box.bottom >= height or box.right >= width for box in step.cells):
        raise GanatomyError(f"{step.layer} has {height}x{width} cells; '{step}' reaches beyond them.")
