"""The generators that Ganatomy knows. Importing this imports no torch.

names()                                        # ['faces', ...]
describe("faces").layers                       # units, sizes and module paths, without loading
fetch("faces", models, progress)               # progress(bytes done, bytes in all)
generator = load("faces", models)              # a Generator
add("mine", None, Path("netG.pth"), models)    # your own weights; the family is recognised
remove("mine", models)
"""

import hashlib
import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.models import plugins
from analysis.models.catalogue import Catalogue, ModelInfo
from analysis.models.files.inspection import NO_ANSWERS, SHEET, Inspection, examined, inspect
from analysis.models.files.words import plain
from analysis.models.inputs import NAMES, Inputs
from analysis.models.layer import Layer
from analysis.models.shipped.ffhq import FFHQ
from analysis.models.shipped.generators import SHIPPED
from analysis.models.weights import Fetched, Member, Planted, Plugged
from analysis.shared.errors import GanatomyError

if TYPE_CHECKING:
    from torch import Tensor

    from analysis.models.families.family import Family, Parts
    from analysis.models.generator import Generator

__all__ = [
    "Inspection",
    "ModelInfo",
    "add",
    "change",
    "damaged",
    "describe",
    "fetch",
    "files",
    "inspect",
    "is_own",
    "load",
    "names",
    "plug",
    "ready",
    "remove",
    "rename",
    "sheet",
    "weights_file",
]

NO_INPUTS = Inputs()
# Each has FAMILY, a `Family`.
FAMILIES = {
    "biggan": "analysis.models.families.biggan.biggan",
    "biggan-deep": "analysis.models.families.biggan.biggan_deep",
    "dcgan": "analysis.models.families.dcgan",
    "diffusers": "analysis.models.families.diffusers_models",
    "gandissect": "analysis.models.families.gandissect",
    "mobile_stylegan": "analysis.models.families.mobile_stylegan",
    "onnx": "analysis.models.families.onnx_graph",
    "planted": "analysis.models.families.planted_shapes",
    "planted-scenes": "analysis.models.families.planted_scenes",
    "progan": "analysis.models.families.progan",
    "progan-zoo": "analysis.models.families.progan_zoo",
    "sngan": "analysis.models.families.resnet.sngan",
    "studiogan": "analysis.models.families.resnet.studiogan",
    "stylegan2": "analysis.models.families.stylegan.stylegan2",
    "stylegan2-ada": "analysis.models.families.stylegan.stylegan2_ada",
    "stylegan3": "analysis.models.families.stylegan.stylegan3",
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
        members=(
            Member(
                "gan_face_generate/weights.tar",
                "0c3b90b138cfc4e8a73310b9fd5ce2a8f1f3a542a037de277412307fcd28771f",
            ),
        ),
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

_CATALOGUE = Catalogue("generator", FAMILIES, [FFHQ, FACES, *SHIPPED, PLANTED])
names, describe, ready = _CATALOGUE.names, _CATALOGUE.describe, _CATALOGUE.ready
fetch, weights_file, files = _CATALOGUE.fetch, _CATALOGUE.weights_file, _CATALOGUE.files
damaged, is_own, remove, rename, change, sheet, adopt = (
    _CATALOGUE.damaged,
    _CATALOGUE.is_own,
    _CATALOGUE.remove,
    _CATALOGUE.rename,
    _CATALOGUE.change,
    _CATALOGUE.sheet,
    _CATALOGUE.adopt,
)


def load(
    name: str,
    models: Path | None,
    device: str = "cpu",
    inputs: Inputs = NO_INPUTS,
    *,
    exact: bool = False,
) -> "Generator":
    """The generator of that name, frozen, on the device; `inputs` over its own defaults.

    With `exact`, the inputs are complete, as those of a stored run are: its defaults may have changed since.

    Raises:
        GanatomyError: unknown name, missing or damaged weights, weights that do not fit, or inputs that this
            generator does not take.
    """
    info = describe(name, models)
    given = _checked_inputs(info, inputs) if exact else given_inputs(info, inputs)
    if isinstance(info.weights, Plugged):
        return _plugged(info, info.weights, device, given)
    built = parts(info, _CATALOGUE.state(info, models), given)
    # With its own inputs it was surveyed when it was added or shipped: large models draw an image in seconds.
    same_layers = _paths(info) == _named(built.layers) | built.extra_layers
    usual = str(given) == info.inputs and given.truncation != 0  # which may have been set since
    known = info.image_size if same_layers and usual else None
    return assembled(info, built, device, given, known)


def _paths(info: ModelInfo) -> dict[str, str]:
    return {layer.name: layer.path for layer in info.layers}


def _named(layers: list[str] | dict[str, str]) -> dict[str, str]:
    if isinstance(layers, dict):
        return layers
    return {f"layer{number}": path for number, path in enumerate(layers, start=1)}


def given_inputs(info: ModelInfo, inputs: Inputs) -> Inputs:
    """The inputs of a run over a model's own defaults.

    Raises:
        GanatomyError: the model does not take one of them, or has no such class.
    """
    return _checked_inputs(info, inputs).over(Inputs.parse(info.inputs))


def _checked_inputs(info: ModelInfo, inputs: Inputs) -> Inputs:
    for name in inputs.named():
        if name not in info.takes:
            takes = f"it takes {', '.join(info.takes)}" if info.takes else "it takes its latent alone"
            raise GanatomyError(f"The generator '{info.name}' has no input '{name}'; {takes}.")
    for number, _weight in inputs.classes:
        if info.classes is not None and number >= info.classes:
            raise GanatomyError(
                f"'{info.name}' has no class {number}; its classes are numbered 0 to {info.classes - 1}."
            )
    return inputs


def add(
    name: str,
    family: str | None,
    weights: Path,
    models: Path,
    key: str | None = None,
    *,
    answers: Mapping[str, str] = NO_ANSWERS,
    title: str = "",
    licence: str = "not stated",
    source: str = "",
    default_segmenter: str | None = None,
    trained_on: str = "",
    inputs: str = "",
    memory_gb: float | None = None,
) -> ModelInfo:
    """Registers a checkpoint in a store: a file of torch.save, safetensors, a pickle, or a folder.

    A process with limits reads the weights, recognises their family, builds the generator, keeps the weights
    as safetensors with a JSON beside them, loads them again as a job does and compares its pictures bit for
    bit. Only then is the model moved into the store.

    Args:
        name: the model's name, which is free.
        family: its family; None is recognised from the file.
        weights: the file, or a folder with weights and a config.json.
        models: the store's models folder.
        key: which state dict, where the file holds several generators.
        answers: to what the family asks and the file does not say, by name.
        title: what people call it.
        licence: the weights' licence.
        source: where they come from.
        default_segmenter: the segmenter of its dissections, unless another is chosen.
        trained_on: the data set.
        inputs: its own defaults of what a run may choose, as "truncation=0.7".
        memory_gb: how much memory that process may take, beyond what follows from the file's size.

    Raises:
        GanatomyError: the name is taken or impossible, the file is unreadable, or the weights do not fit.
    """
    if family is not None and family not in FAMILIES:
        raise GanatomyError(no_family(family))
    _CATALOGUE.must_be_free(name, models)
    info = {
        "name": name,
        "title": title or name,
        "licence": licence,
        "source": source or f"added from {plain(Path(weights).name)}",
        "default_segmenter": default_segmenter,
        "trained_on": trained_on,
        "inputs": inputs,
    }
    with (
        _CATALOGUE.place(models) as within,
        examined(weights, key, family, answers, info=info, within=within, memory_gb=memory_gb) as folder,
    ):
        return _CATALOGUE.adopt(name, folder / "models", models, folder / SHEET)


def no_family(family: str) -> str:
    """The sentence for a family that there is not."""
    listed = ", ".join(name for name in FAMILIES if not name.startswith("planted"))
    return f"There is no generator family '{plain(family)}'; choose one of {listed}."


def keep(info: ModelInfo, state: Mapping[str, "Tensor"], models: Path) -> ModelInfo:
    """Writes a checked generator into a models folder."""
    return _CATALOGUE.add(info, state, models)


def plug(
    name: str, entry: str, models: Path, *, default_segmenter: str | None = None, trained_on: str = ""
) -> ModelInfo:
    """Registers a plug-in of an installed package in a store. This runs its code, in this process.

    Afterwards `describe` and `ready` need none of it, and `load` runs it again.

    Raises:
        GanatomyError: the name is taken or impossible, no package has such a plug-in, or what it returns
            cannot be dissected or differs from call to call.
    """
    _CATALOGUE.must_be_free(name, models)
    plugin = plugins.plugin("generator", entry)
    generator = plugins.generator(plugin, name, "cpu", NO_INPUTS)
    info = ModelInfo(
        name=name,
        role="generator",
        family=plugins.FAMILY,
        title=f"{name}: the plug-in '{entry}' of {plugin.distribution}",
        licence=plugin.licence,
        source=f"code of {plugin.distribution} {plugin.version}: {plugin.function}",
        weights=Plugged(entry, plugin.distribution, plugin.version, generator.weights_sha256),
        layers=generator.layers,
        latent_shape=generator.latent_shape,
        image_size=(generator.image_shape[1], generator.image_shape[2]),
        default_segmenter=default_segmenter,
        trained_on=trained_on,
        takes=plugins.taken_inputs(plugin, generator),
        classes=generator.classes,
        notes=generator.notes,
    )
    if not plugins.same_images(generator, plugins.generator(plugin, name, "cpu", NO_INPUTS)):
        raise GanatomyError(
            f"{plugin} returns another generator at each call; load its weights from a file, or seed them."
        )
    return _CATALOGUE.note(info, models)


def _plugged(info: ModelInfo, weights: Plugged, device: str, inputs: Inputs) -> "Generator":
    plugins.must_be_here("generator", info.name, weights)
    plugin = plugins.plugin("generator", weights.entry)
    generator = plugins.generator(plugin, info.name, device, inputs)
    if generator.weights_sha256 != weights.sha256 or generator.layers != info.layers:
        raise GanatomyError(
            f"{plugin} returned other weights or layers than when '{info.name}' was added; add it again "
            "under another name."
        )
    return generator


def takes(family: "Family", parts: "Parts") -> tuple[str, ...]:
    """Which inputs a run of this generator may choose."""
    conditional = ("class",) if parts.classes is not None else ()
    return tuple(
        name for name in NAMES if name in (*family.inputs, *conditional) and (name != "class" or conditional)
    )


def parts(info: ModelInfo, state: Mapping[str, "Tensor"], inputs: Inputs) -> "Parts":
    """What a generator's family builds of its weights.

    Raises:
        GanatomyError: they do not fit.
    """
    family: Family = _CATALOGUE.family(info.family).FAMILY
    return family.build(dict(state), info.config, inputs)


def with_config(sha256: str, config: Mapping[str, Any]) -> str:
    """The hash of weights that are used as `config` says; for an empty one that of the weights alone.

    The same weights with another nonlinearity are another generator.
    """
    about = {name: value for name, value in config.items() if value not in ({}, [], "", None)}
    if not about:
        return sha256
    return hashlib.sha256(f"{sha256} {json.dumps(about, sort_keys=True)}".encode()).hexdigest()


def assembled(
    info: ModelInfo,
    parts: "Parts",
    device: str,
    inputs: Inputs,
    surveyed_size: tuple[int, int] | None = None,
) -> "Generator":
    """The generator of a family's parts, frozen, on the device.

    With the height and width of its images, the layers and notes of `info` are those of an earlier survey.
    """
    survey = import_module("analysis.models.survey").Survey
    surveyed = survey(info.layers, (3, *surveyed_size), info.notes) if surveyed_size else None
    generator: Generator = import_module("analysis.models.generator").Generator.of(
        parts._replace(module=parts.module.requires_grad_(False)),
        inputs=inputs,
        surveyed=surveyed,
        name=info.name,
        family=info.family,
        device=device,
    )
    generator.code = with_config("", info.config)  # goes over to its random twin, too
    generator.weights_sha256 = with_config(generator.weights_sha256, info.config)
    return generator
