"""The generators that Ganatomy knows. Importing this imports no torch.

names()                                        # ['faces', ...]
describe("faces").layers                       # units, sizes and module paths, without loading
fetch("faces", models, progress)               # progress(bytes done, bytes in all)
generator = load("faces", models)              # a Generator
add("mine", "dcgan", Path("netG.pth"), models) # your own weights of a known family
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.models.catalogue import Catalogue, ModelInfo, check_name
from analysis.models.layer import Layer
from analysis.models.shipped.generators import SHIPPED
from analysis.models.weights import Added, Fetched, Planted

if TYPE_CHECKING:
    from analysis.models.generator import Generator

__all__ = ["ModelInfo", "add", "describe", "fetch", "load", "names", "ready", "weights_file"]

# Each has build(state) -> Parts(module, layers, latent_shape).
FAMILIES = {
    "dcgan": "analysis.models.families.dcgan",
    "planted": "analysis.models.families.planted_shapes",
    "planted-scenes": "analysis.models.families.planted_scenes",
    "progan": "analysis.models.families.progan",
}

FACES = ModelInfo(
    name="faces",
    role="generator",
    family="dcgan",
    title="Faces: a DCGAN trained on DigiFace-1M",
    licence="package gan-face-generate: MIT; trained on DigiFace-1M, a data set for non-commercial research",
    source="gan-face-generate 1.1.1, by its authors",
    weights=Fetched(
        package="gan-face-generate",
        version="1.1.1",
        archive="gan_face_generate-1.1.1-py3-none-any.whl",
        archive_sha256="24102f4be41d164e44251168ede0458a45e498a888c81493e2aea48529640569",
        member="gan_face_generate/weights.tar",
        member_sha256="0c3b90b138cfc4e8a73310b9fd5ce2a8f1f3a542a037de277412307fcd28771f",
        key="netG_state_dict",
    ),
    layers=(
        Layer("layer1", "main.2", 512, 4, 4),
        Layer("layer2", "main.5", 256, 8, 8),
        Layer("layer3", "main.8", 128, 16, 16),
        Layer("layer4", "main.11", 64, 32, 32),
    ),
    latent_shape=(100, 1, 1),
    image_size=(64, 64),
    default_segmenter="face-parts",
    trained_on="DigiFace-1M, rendered faces",
)
PLANTED = ModelInfo(
    name="planted",
    role="generator",
    family="planted",
    title="Planted: coloured shapes from units with known meaning, for tests",
    licence="Apache-2.0",
    source="made from a seed",
    weights=Planted(seed=1),
    layers=(Layer("layer1", "units1.1", 36, 8, 8), Layer("layer2", "units2.1", 36, 16, 16)),
    latent_shape=(16, 1, 1),
    image_size=(32, 32),
    default_segmenter="planted",
    hidden=True,
)

_CATALOGUE = Catalogue("generator", FAMILIES, [FACES, *SHIPPED, PLANTED])
names, describe, ready = _CATALOGUE.names, _CATALOGUE.describe, _CATALOGUE.ready
fetch, weights_file = _CATALOGUE.fetch, _CATALOGUE.weights_file


def load(name: str, models: Path | None, device: str = "cpu") -> "Generator":
    """The generator of that name, frozen, on the device.

    Raises:
        GanatomyError: unknown name, missing or damaged weights, weights that do not fit.
    """
    info = describe(name, models)
    return _built(info.family, name, _CATALOGUE.state(info, models), device)


def add(
    name: str,
    family: str,
    weights: Path,
    models: Path,
    key: str | None = None,
    *,
    title: str = "",
    licence: str = "not stated",
    default_segmenter: str | None = None,
    trained_on: str = "",
) -> ModelInfo:
    """Registers a checkpoint of a known family in a store; `key` names its state dict where it holds several.

    The weights are read safely, built once as a check, and kept as safetensors with a JSON beside them.

    Raises:
        GanatomyError: the name is taken or impossible, the file is unreadable, or the weights do not fit.
    """
    check_name(name)
    state = import_module("analysis.models.checkpoints").read_state(weights, key)
    generator = _built(family, name, state, "cpu")
    info = ModelInfo(
        name=name,
        role="generator",
        family=family,
        title=title or name,
        licence=licence,
        source=f"added from {Path(weights).name}",
        weights=Added("", ""),
        layers=generator.layers,
        latent_shape=generator.latent_shape,
        image_size=(generator.image_shape[1], generator.image_shape[2]),
        default_segmenter=default_segmenter,
        trained_on=trained_on,
    )
    return _CATALOGUE.add(info, state, models)


def _built(family: str, name: str, state: dict, device: str) -> "Generator":
    parts = _CATALOGUE.family(family).build(state)
    generator: Generator = import_module("analysis.models.generator").Generator(
        parts.module.requires_grad_(False),
        parts.layers,
        parts.latent_shape,
        name=name,
        family=family,
        device=device,
    )
    return generator
