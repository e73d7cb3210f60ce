"""The segmenters that come with Ganatomy: church-parts, and the one for planted scenes. No torch."""

from __future__ import annotations

from analysis.models.catalogue import ModelInfo
from analysis.models.shipped import index
from analysis.models.weights import Bundled, Planted
from analysis.worlds.vocabulary import CONCEPTS

LICENCE = "Apache-2.0"

SCENE_COLOURS = ModelInfo(
    name="scene-colours",
    role="segmenter",
    family="scene-colours",
    title="Scene colours: tells the planted scenes' things by their colours, exactly",
    licence=LICENCE,
    source="computed",
    weights=Planted(seed=0),
    concepts=CONCEPTS,
)
CHURCH_PARTS = [
    ModelInfo(
        name="church-parts",
        role="segmenter",
        family="unet",
        title="Church parts: a U-Net trained on drawn church scenes; objects, parts and materials",
        licence=LICENCE,
        source="trained by this project; docs/models/church-parts.md",
        weights=Bundled(facts["file"], facts["sha256"]),
        concepts=CONCEPTS,
        config={"world": "churches"},
    )
    for name, facts in index().items()
    if name == "church-parts"
]
SHIPPED = [*CHURCH_PARTS, SCENE_COLOURS]
