"""The generators that come with Ganatomy: churches, checkpoints and arms of it, planted scenes. No torch."""

from __future__ import annotations

from typing import Any

from analysis.models.catalogue import ModelInfo
from analysis.models.layer import Layer
from analysis.models.shipped import index
from analysis.models.weights import Bundled, Planted

LICENCE = "Apache-2.0"
WIDTHS = (96, 96, 64, 48, 24)


def _layers(pixels: int) -> tuple[Layer, ...]:
    sides = [4 * 2**k for k in range(len(WIDTHS)) if 4 * 2**k <= pixels]
    paths = ("blocks.0.7", *(f"blocks.{k}.6" for k in range(1, len(sides))))
    return tuple(
        Layer(f"layer{k}", path, units, side, side)
        for k, (path, units, side) in enumerate(zip(paths, WIDTHS, sides, strict=False), start=1)
    )


def _churches(name: str, facts: dict[str, Any]) -> ModelInfo:
    when = "trained on drawn church scenes"
    if name != "churches":
        when = f"the same after {facts['images']:,} pictures, grown to {facts['pixels']} pixels"
    return ModelInfo(
        name=name,
        role="generator",
        family="progan",
        title=f"Churches: a progressive generator, {when}",
        licence=LICENCE,
        source="trained by this project; docs/models/churches.md",
        weights=Bundled(facts["file"], facts["sha256"]),
        layers=_layers(facts["pixels"]),
        latent_shape=(64,),
        image_size=(64, 64),
        default_segmenter="church-parts",
        trained_on="drawn church scenes",
        training="churches",
        training_steps=facts["steps"],
        training_images=facts["images"],
    )


# By kind of arm: the family, what it is called, and the paths of the layers.
ARMS = {
    "progressive": (
        "progan",
        "a progressive generator trained at its full size",
        ("blocks.0.7", *(f"blocks.{k}.6" for k in range(1, 5))),
    ),
    "dcgan": (
        "dcgan",
        "a DCGAN with batch normalisation",
        tuple(f"main.{k}" for k in (2, 5, 8, 11)),
    ),
}


# By drawn world: its title, its segmenter, and what its data set is called.
WORLDS = {
    "churches": ("Churches", "church-parts", "drawn church scenes"),
    "rooms": ("Rooms", "room-parts", "drawn rooms"),
}


def _arm(name: str, facts: dict[str, Any]) -> ModelInfo:
    """A generator that `analysis.training.arms` trained on a drawn world beside others."""
    family, what, paths = ARMS[facts["arm"]]
    world, segmenter, data = WORLDS[name.partition("-")[0]]
    small = "-small-" in name
    without = "" if facts["minibatch_statistic"] else ", without the minibatch statistic"
    return ModelInfo(
        name=name,
        role="generator",
        family=family,
        title=f"{world}: {what}{without}" + f"; small, training seed {facts['seed']}" * small,
        licence=LICENCE,
        source="trained by this project; docs/models/arms.md",
        weights=Bundled(facts["file"], facts["sha256"]),
        layers=tuple(
            Layer(f"layer{k + 1}", path, units, 4 * 2**k, 4 * 2**k)
            for k, (path, units) in enumerate(zip(paths, facts["widths"], strict=True))
        ),
        latent_shape=(64, 1, 1) if family == "dcgan" else (64,),
        image_size=(64, 64),
        default_segmenter=segmenter,
        trained_on=data,
        training_steps=facts["steps"],
        training_images=facts["images"],
        hidden=small,
    )


PLANTED_SCENES = ModelInfo(
    name="planted-scenes",
    role="generator",
    family="planted-scenes",
    title="Planted scenes: built by hand, so that concepts, causes and contexts are known",
    licence=LICENCE,
    source="made from a seed; docs/models/planted-scenes.md",
    weights=Planted(seed=1),
    layers=(Layer("layer1", "units", 32, 32, 32), Layer("layer2", "placed", 13, 32, 32)),
    latent_shape=(24,),
    image_size=(64, 64),
    default_segmenter="scene-colours",
    trained_on="nothing: built by hand",
)


def _in_order() -> list[ModelInfo]:
    """The trained generator first, then its checkpoints in the order of the training, then the arms."""
    arms = [_arm(name, facts) for name, facts in index().items() if "arm" in facts]
    known = {name: facts for name, facts in index().items() if "pixels" in facts}
    order = sorted(known, key=lambda name: (name != "churches", known[name]["steps"]))
    return [*(_churches(name, known[name]) for name in order), *arms]


SHIPPED = [*_in_order(), PLANTED_SCENES]
