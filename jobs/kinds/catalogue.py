"""Models as jobs see them, without torch: those that are known, their layers, whether their weights exist."""

from __future__ import annotations

import hashlib
import json

from analysis.models import generators, segmenters
from analysis.models.catalogue import ModelInfo as ModelInfo
from analysis.models.weights import Added, Bundled, Fetched
from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from jobs.system.live import JsonObject


def pair(layout: Layout, generator: str, segmenter: str | None) -> tuple[ModelInfo, ModelInfo]:
    """A generator and its segmenter, the default one unless one is named; weights need not exist.

    Raises:
        GanatomyError: A model is not known, or the generator has no segmenter of its own.
    """
    info = generators.describe(generator, layout.models)
    name = segmenter or info.default_segmenter
    if not name:
        raise GanatomyError(f"The generator {generator} has no segmenter of its own; give --segmenter.")
    return info, segmenters.describe(name, layout.models)


def layers_of(generator: ModelInfo, wanted: tuple[str, ...] | None) -> tuple[str, ...]:
    """The wanted layers, by name or module path, in the generator's order; all of them for None.

    Raises:
        GanatomyError: The generator does not have such a layer.
    """
    names = {layer.name: layer.name for layer in generator.layers} | {
        y.path: y.name for y in generator.layers
    }
    if wanted is not None and not wanted:
        raise GanatomyError("No layer was named; leave layers out for all of them.")
    unknown = [name for name in wanted or () if name not in names]
    if unknown:
        known = ", ".join(f"{layer.name} ({layer.path})" for layer in generator.layers)
        raise GanatomyError(f"{generator.name} has no layer {unknown[0]!r}; its layers are {known}.")
    chosen = {names[name] for name in wanted} if wanted else set(names.values())
    return tuple(layer.name for layer in generator.layers if layer.name in chosen)


def must_be_here(layout: Layout, info: ModelInfo) -> None:
    """Raise `GanatomyError`, with the remedy, when a model's weights were not fetched."""
    registry = generators if info.role == "generator" else segmenters
    if not registry.ready(info.name, layout.models):
        raise GanatomyError(
            f"The weights of {info.name} are not here; run `ganatomy models fetch {info.name}` first."
        )


def weights_key(info: ModelInfo) -> str:
    """A hash that changes with the weights, without reading them."""
    match info.weights:
        case Fetched(member_sha256=known) | Bundled(sha256=known) | Added(sha256=known):
            return known
        case made:
            return hashlib.sha256(f"{info.family} {made}".encode()).hexdigest()


def finished(layout: Layout, run: str) -> bool:
    """Whether the final results of a run are in the store."""
    from db.store import bundles  # pandas and pyarrow: a second that other requests need not spend

    if not (layout.bundles / run).is_dir():
        return False
    try:
        return bool(bundles.latest(layout, run).run.get("state") == "final")
    except StoreError:
        return False


def models(layout: Layout, role: str | None = None) -> list[JsonObject]:
    """Every known model as plain values, `fetched` among them."""
    found = []
    for registry in (generators, segmenters):
        for name in registry.names(layout.models):
            info = registry.describe(name, layout.models)
            if role in (None, info.role):
                found.append(plain(info) | {"fetched": registry.ready(name, layout.models)})
    return found


def plain(info: ModelInfo) -> JsonObject:
    """A model as JSON values."""
    values: JsonObject = json.loads(json.dumps(info.as_json()))
    return values
