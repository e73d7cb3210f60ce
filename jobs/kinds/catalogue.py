"""Models as jobs see them, without torch: those that are known, their layers, whether their weights exist."""

from __future__ import annotations

import hashlib
import json

from analysis.models import generators, plugins, segmenters
from analysis.models.catalogue import ModelInfo as ModelInfo
from analysis.models.weights import Added, Bundled, Fetched, Plugged
from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from jobs.system.live import JsonObject

LABEL_IMAGES = "label-images"  # the family of label maps that were made elsewhere


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
    """The wanted layers, by name or module path, in the generator's order; all but the extra ones for None.

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
    usual = {layer.name for layer in generator.layers if not layer.extra}
    chosen = {names[name] for name in wanted} if wanted else usual
    return tuple(layer.name for layer in generator.layers if layer.name in chosen)


def is_known(layout: Layout, role: str, name: str) -> bool:
    """Whether a model of that name is registered in the store or comes with Ganatomy."""
    registry = generators if role == "generator" else segmenters
    if name in registry.names(layout.models):
        return True
    try:
        registry.describe(name, layout.models)  # models for tests are described, not listed
    except GanatomyError:
        return False
    return True


def must_be_here(layout: Layout, info: ModelInfo) -> None:
    """Raise `GanatomyError`, with the remedy, when a model's weights or its package are not here."""
    if isinstance(info.weights, Plugged):
        plugins.must_be_here(info.role, info.name, info.weights)
    registry = generators if info.role == "generator" else segmenters
    if not registry.ready(info.name, layout.models):
        raise GanatomyError(
            f"The weights of {info.name} are not here; run `ganatomy models fetch {info.name}` first."
        )


def must_take_pictures(segmenter: ModelInfo) -> None:
    """Raise `GanatomyError` for a segmenter that knows label maps of exported images, and no edited ones."""
    if segmenter.family == LABEL_IMAGES:
        raise GanatomyError(
            f"'{segmenter.name}' holds label maps of exported images, and knows nothing of edited ones; "
            "choose a segmenter that is a network."
        )


def must_know_images(segmenter: ModelInfo, seed: int, images: int, calibration: int) -> None:
    """Raise `GanatomyError` for label maps that are not of the images which a dissection uses."""
    if segmenter.family != LABEL_IMAGES:
        return
    about = segmenter.config["config"]["manifest"]
    (first, last), (start, stop) = about["calibration"], about["evaluation"]
    known = (about["seed"], stop - start, last - first)
    if seed != known[0] or calibration != known[2] or images > known[1]:
        raise GanatomyError(
            f"'{segmenter.name}' has label maps of images that were exported with --seed {known[0]} --images "
            f"{known[1]} --calibration {known[2]}; dissect with the same."
        )


def weights_key(info: ModelInfo) -> str:
    """A hash that changes with the weights, and with how they are used, without reading them."""
    match info.weights:
        case Fetched(members=(member,)):
            return member.sha256
        case Fetched(members=members):
            return hashlib.sha256(" ".join(member.sha256 for member in members).encode()).hexdigest()
        case Bundled(sha256=known):
            return known
        case Added(sha256=known):  # and what was answered when it was added: a nonlinearity, a vocabulary
            return generators.with_config(known, info.config)
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
