"""The catalogue of models: what there is, where the weights are, how to get them. No torch.

`analysis.models.generators` and `analysis.models.segmenters` each hold one. Names are looked up in tables
and never evaluated; a family's module is imported only to load or to add a model.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from analysis.models.archives import Progress, fetch_file
from analysis.models.layer import Layer
from analysis.models.weights import Added, Bundled, Fetched, Planted, Weights
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError
from analysis.shared.files import file_sha256, replacing

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
PACKAGE = Path(__file__).parent / "shipped"


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model without loading it."""

    name: str
    role: str  # generator or segmenter
    family: str
    title: str
    licence: str
    source: str
    weights: Weights
    layers: tuple[Layer, ...] = ()
    latent_shape: tuple[int, ...] = ()
    image_size: tuple[int, int] | None = None  # height, width
    concepts: tuple[Concept, ...] = ()
    default_segmenter: str | None = None
    variant: str = ""  # a family's own option, such as a vocabulary
    hidden: bool = False  # for tests: not listed
    trained_on: str = ""  # the data set; empty where that is not known
    training: str = ""  # the training that this is a checkpoint of
    training_steps: int | None = None  # its steps so far, and the images that its critic had seen by then
    training_images: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Plain values for `models show --json`."""
        return asdict(self) | {"weights": type(self.weights).__name__.lower()}


class Catalogue:
    """The models of one role: those that come with Ganatomy, and those added to a store's models folder."""

    def __init__(self, role: str, families: Mapping[str, str], known: Iterable[ModelInfo]) -> None:
        self.role, self.families = role, dict(families)
        self._known = {info.name: info for info in known}

    def names(self, models: Path | None = None) -> list[str]:
        """The names on the shelf; with a models folder, those added there too."""
        listed = [info.name for info in self._known.values() if not info.hidden]
        return listed + [name for name in self._added(models) if name not in self._known]

    def describe(self, name: str, models: Path | None = None) -> ModelInfo:
        """What is known of a model.

        Raises:
            GanatomyError: there is no model of that name; the sentence names those that exist.
        """
        if name in self._known:
            return self._known[name]
        if name in self._added(models) and models is not None:
            return self._read(self._folder(models) / f"{name}.json")
        raise GanatomyError(
            f"There is no {self.role} '{name}'; choose one of {', '.join(self.names(models))}, "
            "or add your own with `ganatomy models add`."
        )

    def weights_file(self, name: str, models: Path | None) -> Path | None:
        """Where the weights lie or would lie; None when they are made on the spot."""
        weights = self.describe(name, models).weights
        if isinstance(weights, Planted):
            return None
        if isinstance(weights, Bundled):
            return PACKAGE / weights.path
        if models is None:
            raise GanatomyError(
                f"The {self.role} '{name}' keeps its weights in a store; say which models folder."
            )
        if isinstance(weights, Fetched):
            return models / f"{weights.package}-{weights.version}" / Path(weights.member).name
        return self._folder(models) / weights.file

    def ready(self, name: str, models: Path | None) -> bool:
        """Whether the model can be loaded without fetching anything."""
        file = self.weights_file(name, models)
        return file is None or file.is_file()

    def fetch(self, name: str, models: Path, progress: Progress | None = None) -> Path | None:
        """Gets a model's weights if they are not there yet; returns their file."""
        weights, file = self.describe(name, models).weights, self.weights_file(name, models)
        if isinstance(weights, Fetched) and file is not None:
            fetch_file(weights, file, progress)
        return file

    def state(self, info: ModelInfo, models: Path | None) -> dict[str, Any]:
        """The model's state dict, its file checked by hash.

        Raises:
            GanatomyError: the file is missing, damaged or not the registered one.
        """
        if isinstance(info.weights, Planted):
            state: dict[str, Any] = self.family(info.family).weights(info.weights.seed)
            return state
        file = self.weights_file(info.name, models)
        assert file is not None
        self._check(info, file)
        key = info.weights.key if isinstance(info.weights, Fetched) else None
        loaded: dict[str, Any] = _checkpoints().read_state(file, key)
        return loaded

    def family(self, family: str) -> Any:
        """A family's module, imported now."""
        if family not in self.families:
            raise GanatomyError(
                f"There is no {self.role} family '{family}'; choose one of {', '.join(self.families)}."
            )
        return import_module(self.families[family])

    def add(self, info: ModelInfo, state: Mapping[str, Any], models: Path) -> ModelInfo:
        """Keeps a checked state dict as a model of this store, under a name that is free."""
        check_name(info.name)
        if info.name in self.names(models) or info.name in self._known:
            raise GanatomyError(f"There is a {self.role} '{info.name}' already; choose another name.")
        folder = self._folder(models)
        folder.mkdir(parents=True, exist_ok=True)
        file = f"{info.name}.safetensors"
        try:
            with replacing(folder / file) as aside:
                _checkpoints().save_state(aside, state)
                added = replace(info, weights=Added(file, file_sha256(aside)))
            with replacing(
                folder / f"{info.name}.json"
            ) as aside:  # last: the model is there once its JSON is
                aside.write_text(json.dumps({"format_version": 1} | asdict(added), indent=1))
        except OSError as error:
            raise GanatomyError(
                f"Could not write to {folder} ({error.strerror}); check the folder."
            ) from error
        return added

    def _folder(self, models: Path) -> Path:
        return models / f"{self.role}s"

    def _added(self, models: Path | None) -> list[str]:
        found = sorted(self._folder(models).glob("*.json")) if models is not None else []
        return [file.stem for file in found if NAME.fullmatch(file.stem)]

    def _read(self, file: Path) -> ModelInfo:
        try:
            content = json.loads(file.read_text())
            content.pop("format_version")
            weights = Added(f"{file.stem}.safetensors", str(content["weights"]["sha256"]))
            size = content["image_size"]
            return ModelInfo(
                **content
                | {
                    "name": file.stem,
                    "role": self.role,
                    "weights": weights,
                    "layers": tuple(Layer(**layer) for layer in content["layers"]),
                    "latent_shape": tuple(content["latent_shape"]),
                    "image_size": tuple(size) if size else None,
                    "concepts": tuple(Concept(**concept) for concept in content["concepts"]),
                }
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise GanatomyError(f"{file} is damaged; remove it and add the {self.role} again.") from error

    def _check(self, info: ModelInfo, file: Path) -> None:
        if not file.is_file():
            raise GanatomyError(
                f"The weights of {self.role} '{info.name}' are not here yet; "
                f"run `ganatomy models fetch {info.name}`."
            )
        weights = info.weights
        expected = weights.member_sha256 if isinstance(weights, Fetched) else getattr(weights, "sha256", "")
        if file_sha256(file) != expected:
            raise GanatomyError(
                f"{file} is damaged or not the file that '{info.name}' was registered with; "
                "remove it and fetch or add it again."
            )


def check_name(name: str) -> str:
    """The name, if it can be a file name, a table cell and a part of a URL.

    Raises:
        GanatomyError: it cannot.
    """
    if not NAME.fullmatch(name):
        raise GanatomyError(
            f"'{name[:80]}' cannot be a model's name; use up to 63 lower-case letters, digits, '-' and '_', "
            "beginning with a letter or digit."
        )
    return name


def _checkpoints() -> Any:
    return import_module("analysis.models.checkpoints")  # torch: only when weights are read
