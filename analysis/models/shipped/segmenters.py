"""The segmenters that come with Ganatomy: those of the drawn worlds, and that of planted scenes. No torch."""

from __future__ import annotations

from analysis.models.catalogue import ModelInfo
from analysis.models.shipped import index
from analysis.models.weights import Bundled, Planted
from analysis.worlds import room_vocabulary, vocabulary

LICENCE = "Apache-2.0"

SCENE_COLOURS = ModelInfo(
    name="scene-colours",
    role="segmenter",
    family="scene-colours",
    title="Scene colours: tells the planted scenes' things by their colours, exactly",
    licence=LICENCE,
    source="computed",
    weights=Planted(seed=0),
    concepts=vocabulary.CONCEPTS,
)
# By name: the drawn world, what it is called, and its concepts.
OF_WORLDS = {
    "church-parts": (
        "churches",
        "Church parts: a U-Net trained on drawn church scenes; objects, parts and materials",
        vocabulary.CONCEPTS,
    ),
    "room-parts": (
        "rooms",
        "Room parts: a U-Net trained on drawn rooms; objects and materials",
        room_vocabulary.CONCEPTS,
    ),
}
SHIPPED = [
    *(
        ModelInfo(
            name=name,
            role="segmenter",
            family="unet",
            title=title,
            licence=LICENCE,
            source=f"trained by this project; docs/models/{name}.md",
            weights=Bundled(index()[name]["file"], index()[name]["sha256"]),
            concepts=concepts,
            config={"world": world},
        )
        for name, (world, title, concepts) in OF_WORLDS.items()
        if name in index()
    ),
    SCENE_COLOURS,
]
