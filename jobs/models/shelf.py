"""The models of a store as the Models page lists them. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from analysis.models import generators, segmenters
from analysis.models.catalogue import ModelInfo
from analysis.models.weights import Added, Bundled, Fetched, Plugged
from analysis.shared.errors import GanatomyError
from db.layout import Layout

REGISTRIES: dict[str, ModuleType] = {"generator": generators, "segmenter": segmenters}


@dataclass(frozen=True)
class Shelved:
    """A model, and whether its weights are here."""

    info: ModelInfo
    here: bool

    @property
    def origin(self) -> str:
        """Where its weights come from, in a word or two."""
        match self.info.weights:
            case Added():
                return "added"
            case Bundled():
                return "comes with Ganatomy"
            case Fetched():
                return "published"
            case Plugged():
                return "plug-in"
            case _:
                return "computed"

    @property
    def own(self) -> bool:
        """Whether it was added to this store, so that it can be changed and removed."""
        return isinstance(self.info.weights, Added | Plugged)


def listed(layout: Layout) -> list[Shelved]:
    """Every model that can be described: generators, then segmenters, and those that were added first."""
    found = [one(layout, role, name) for role in REGISTRIES for name in names(layout, role)]
    return sorted(found, key=lambda model: (model.info.role, not model.own))


def names(layout: Layout, role: str) -> list[str]:
    """The names of the models of a role."""
    found: list[str] = REGISTRIES[role].names(layout.models)
    return found


def one(layout: Layout, role: str, name: str) -> Shelved:
    """A model by role and name.

    Raises:
        GanatomyError: there is none, or it is damaged.
    """
    registry = REGISTRIES.get(role)
    if registry is None:
        raise GanatomyError(f"There is no role '{role[:40]}'; choose one of {', '.join(REGISTRIES)}.")
    return Shelved(registry.describe(name, layout.models), bool(registry.ready(name, layout.models)))


def damaged(layout: Layout) -> list[tuple[str, str, str]]:
    """Role, name and a sentence about each model that cannot be described."""
    return [
        (role, name, sentence)
        for role, registry in REGISTRIES.items()
        for name, sentence in registry.damaged(layout.models).items()
    ]


def sheet(layout: Layout, info: ModelInfo) -> Path | None:
    """The picture of a generator's samples that was made when it was added; None where there is none."""
    return generators.sheet(info.name, layout.models) if info.role == "generator" else None
