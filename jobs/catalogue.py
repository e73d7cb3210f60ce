"""Models as jobs see them, without torch: what a request means, which weights it means, what is known and
fetched."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from analysis.catalogue import ModelInfo
from analysis.errors import GanatomyError
from analysis.generators import registry as generators
from analysis.segmenters import registry as segmenters
from analysis.weights import Added, Bundled, Fetched
from db.errors import StoreError
from db.layout import Layout
from jobs.requests import DissectRequest, Request, run_id


def resolve(layout: Layout, request: Request) -> tuple[Request, str]:
    """The request with its defaults filled in, and its run. Raises `GanatomyError` when models or layers are
    not there."""
    if not isinstance(request, DissectRequest):
        return request, run_id(request.KIND, request.KIND, request.content())
    request, generator, segmenter = meant(layout, request)
    _here(layout, generator)
    _here(layout, segmenter)
    return request, request.run_id(weights_key(generator), weights_key(segmenter))


def meant(layout: Layout, request: DissectRequest) -> tuple[DissectRequest, ModelInfo, ModelInfo]:
    """The request with its defaults filled in, its generator and its segmenter; their weights need not be
    here."""
    generator = generators.describe(request.generator, layout.models)
    segmenter_name = request.segmenter or generator.default_segmenter
    if not segmenter_name:
        raise GanatomyError(
            f"The generator {request.generator} has no segmenter of its own; give --segmenter."
        )
    segmenter = segmenters.describe(segmenter_name, layout.models)
    layers = _layers(generator, request.layers)
    filled = request.model_copy(update={"segmenter": segmenter_name, "layers": layers})
    return filled, generator, segmenter


def _layers(generator: ModelInfo, wanted: tuple[str, ...] | None) -> tuple[str, ...]:
    """The wanted layers in the generator's order; all of them when none is named. Module paths do as
    names."""
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


def _here(layout: Layout, info: ModelInfo) -> None:
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
    """True when the run's last publication is there."""
    from db import bundles  # pandas and pyarrow, only once something may be there

    if not (layout.bundles / run).is_dir():
        return False
    try:
        return bool(bundles.latest(layout, run).run.get("state") == "final")
    except StoreError:
        return False


def models(layout: Layout, role: str | None = None) -> list[dict[str, Any]]:
    """Every known model as plain values, `fetched` among them."""
    found = []
    for registry in (generators, segmenters):
        for name in registry.names(layout.models):
            info = registry.describe(name, layout.models)
            if role in (None, info.role):
                found.append(plain(info) | {"fetched": registry.ready(name, layout.models)})
    return found


def plain(info: ModelInfo) -> dict[str, Any]:
    """A model as JSON values."""
    values: dict[str, Any] = json.loads(json.dumps(info.as_json()))
    return values
