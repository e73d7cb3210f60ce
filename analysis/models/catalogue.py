"""The catalogue of models: what there is, where the weights are, how to get them. No torch.

`analysis.models.generators` and `analysis.models.segmenters` each hold one. Names are looked up in tables
and never evaluated; a family's module is imported only to load or to add a model.
"""

import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from analysis.models import plugins
from analysis.models.archives import Progress, fetch_files
from analysis.models.layer import Layer
from analysis.models.weights import Added, Bundled, Fetched, Planted, Plugged, Weights
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError
from analysis.shared.files import file_sha256, replacing

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
FORMAT = 1  # of an added model's JSON
STALE_S = 86400.0
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
    hidden: bool = False  # not listed, but known by name: for tests, and small arms
    trained_on: str = ""  # the data set; empty where that is not known
    training: str = ""  # the training that this is a checkpoint of
    training_steps: int | None = None  # its steps so far, and the images that its critic had seen by then
    training_images: int | None = None
    config: dict[str, Any] = field(default_factory=dict)  # what its family was told, by name
    inputs: str = ""  # its own defaults of what a run may choose: "truncation=0.7"
    takes: tuple[str, ...] = ()  # which of `inputs.NAMES` a run may choose
    classes: int | None = None  # of a class-conditional generator
    notes: tuple[str, ...] = ()  # what was taken for granted when it was added, a sentence each

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
        if models is not None and NAME.fullmatch(name) and self._json(name, models).is_file():
            return self._read(self._json(name, models))
        raise GanatomyError(
            f"There is no {self.role} '{name[:80]}'; choose one of {', '.join(self.names(models))}, "
            "or add your own with `ganatomy models add`."
        )

    def weights_file(self, name: str, models: Path | None) -> Path | None:
        """Where the weights (of several files the first) lie or would lie; None: made on the spot."""
        weights = self.describe(name, models).weights
        if isinstance(weights, Planted | Plugged):
            return None
        if isinstance(weights, Bundled):
            return PACKAGE / weights.path
        if models is None:
            raise GanatomyError(
                f"The {self.role} '{name}' keeps its weights in a store; say which models folder."
            )
        if isinstance(weights, Fetched):
            return models / f"{weights.package}-{weights.version}" / weights.members[0].name
        return self._folder(models) / weights.file

    def ready(self, name: str, models: Path | None) -> bool:
        """Whether the model can be loaded without fetching or installing anything."""
        info = self.describe(name, models)
        if isinstance(info.weights, Plugged):
            return plugins.here(self.role, info.weights)
        return all(file.is_file() for file, _sha256 in self._files(info, models))

    def fetch(self, name: str, models: Path, progress: Progress | None = None) -> Path | None:
        """Gets a model's weights if they are not there yet; returns their file."""
        weights, file = self.describe(name, models).weights, self.weights_file(name, models)
        if isinstance(weights, Plugged):
            plugins.must_be_here(self.role, name, weights)
        if isinstance(weights, Fetched) and file is not None:
            fetch_files(weights, file.parent, progress)
        return file

    def state(self, info: ModelInfo, models: Path | None) -> dict[str, Any]:
        """The model's state dict, its file checked by hash.

        Raises:
            GanatomyError: the file is missing, damaged or not the registered one.
        """
        if isinstance(info.weights, Planted):
            state: dict[str, Any] = self.family(info.family).weights(info.weights.seed)
            return state
        files = self._files(info, models)
        for file, sha256 in files:
            self._check(info, file, sha256)
        key = info.weights.key if isinstance(info.weights, Fetched) else None
        states: dict[str, dict[str, Any]] = {}
        for file, _sha256 in files:
            if file.suffix == ".xml":
                states[file.stem] = import_module("analysis.models.files.openvino_ir").read_constants(file)
            elif file.suffix != ".bin":  # those are read with their .xml
                states[file.stem] = _checkpoints().read_state(file, key)
        if len(states) == 1:
            return next(iter(states.values()))
        return {f"{stem}.{name}": value for stem, state in states.items() for name, value in state.items()}

    def _files(self, info: ModelInfo, models: Path | None) -> list[tuple[Path, str]]:
        """A model's files and their SHA-256."""
        file, weights = self.weights_file(info.name, models), info.weights
        if file is None or isinstance(weights, Planted):
            return []
        if isinstance(weights, Fetched):
            return [(file.parent / member.name, member.sha256) for member in weights.members]
        return [(file, weights.sha256)]

    def files(self, name: str, models: Path) -> list[Path]:
        """The files of a model in a store's models folder: all that another models folder needs of it."""
        own = [self._json(name, models)] if self.is_own(name, models) else []
        files = [file for file, _sha256 in self._files(self.describe(name, models), models)]
        return [file for file in [*own, *files] if file.is_relative_to(models)]

    def family(self, family: str) -> Any:
        """A family's module, imported now."""
        if family not in self.families:
            raise GanatomyError(
                f"There is no {self.role} family '{family}'; choose one of {', '.join(self.families)}."
            )
        return import_module(self.families[family])

    def must_be_free(self, name: str, models: Path) -> None:
        """Refuse a name that cannot be a model's, or is one's already.

        Raises:
            GanatomyError: it cannot be added under this name.
        """
        check_name(name)
        if name in self._known or self._json(name, models).exists():
            raise GanatomyError(f"There is a {self.role} '{name}' already; choose another name.")

    def note(self, info: ModelInfo, models: Path) -> ModelInfo:
        """Notes a model of this store that needs no file of weights, under a name that is free."""
        self.must_be_free(info.name, models)
        with self.place(models):
            self._write(info, models)
        return info

    def add(self, info: ModelInfo, state: Mapping[str, Any], models: Path) -> ModelInfo:
        """Keeps a checked state dict as a model of this store, under a name that is free."""
        self.must_be_free(info.name, models)
        with self.place(models) as folder:
            file = f"{info.name}.safetensors"
            with replacing(folder / file) as aside:
                _checkpoints().save_state(aside, state)
                added = replace(info, weights=Added(file, file_sha256(aside)))
            self._write(added, models)  # last: the model is there once its JSON is
        return added

    @contextmanager
    def place(self, models: Path) -> Iterator[Path]:
        """The folder of this role's models, made if there is none; what cannot be written is one sentence."""
        folder = self._folder(models)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(".examined-*"):  # of a process that was killed
                if time.time() - left.stat().st_mtime > STALE_S:
                    shutil.rmtree(left, ignore_errors=True)
            yield folder
        except OSError as error:
            raise GanatomyError(
                f"Could not write to {folder} ({error.strerror or error}); check the folder."
            ) from error

    def adopt(self, name: str, staged: Path, models: Path, sheet: Path | None = None) -> ModelInfo:
        """Moves a model that was kept and proved in another models folder into this one."""
        self.must_be_free(name, models)
        added = self.describe(name, staged)
        for file, sha256 in self._files(added, staged):
            self._check(added, file, sha256)
        with self.place(models) as folder:
            if sheet is not None and sheet.is_file():
                os.replace(sheet, folder / f"{name}.png")
            os.replace(self._folder(staged) / f"{name}.safetensors", folder / f"{name}.safetensors")
            self._write(added, models)
        return added

    def sheet(self, name: str, models: Path) -> Path | None:
        """The PNG of a model's first images that was made when it was added; None where there is none."""
        file = self._folder(models) / f"{check_name(name)}.png"
        return file if file.is_file() else None

    def damaged(self, models: Path | None) -> dict[str, str]:
        """What is wrong with each model of a store that cannot be described, by name."""
        found = {}
        for file in self._jsons(models):
            try:
                self._read(file)
            except GanatomyError as error:
                found[file.stem] = str(error)
        return found

    def remove(self, name: str, models: Path) -> None:
        """Takes a model that was added, even a damaged one, out of a store. Results of its runs stay.

        Raises:
            GanatomyError: there is none of that name, or it comes with Ganatomy.
        """
        file = self._own(name, models)
        with self.place(models) as folder:
            file.unlink()
            for suffix in (".safetensors", ".png"):
                (folder / f"{name}{suffix}").unlink(missing_ok=True)

    def rename(self, old: str, new: str, models: Path) -> ModelInfo:
        """Gives a model that was added another name. Runs keep the name under which they were made.

        Generators whose default segmenter is renamed follow it.

        Raises:
            GanatomyError: there is none of the old name, or the new one cannot be used.
        """
        self._own(old, models)
        info = self.describe(old, models)
        self.must_be_free(new, models)
        title = new if info.title == old else info.title
        weights = info.weights
        if isinstance(weights, Added):
            weights = Added(f"{new}.safetensors", weights.sha256)
        renamed = replace(info, name=new, title=title, weights=weights)
        with self.place(models) as folder:
            for suffix in (".safetensors", ".png"):
                if (folder / f"{old}{suffix}").is_file():
                    shutil.copyfile(folder / f"{old}{suffix}", folder / f"{new}{suffix}")
            self._write(renamed, models)
        if self.role == "segmenter":
            generators = import_module("analysis.models.generators")
            for name in generators.names(models):
                if generators.describe(name, models).default_segmenter == old:
                    generators.change(name, models, default_segmenter=new)
        self.remove(old, models)
        return renamed

    def change(self, name: str, models: Path, **values: Any) -> ModelInfo:
        """Changes what is said of a model that was added: title, licence, source, trained_on and the like.

        Raises:
            GanatomyError: there is none of that name, or it comes with Ganatomy.
        """
        self._own(name, models)
        changed = replace(self.describe(name, models), **values)
        with self.place(models):
            self._write(changed, models)
        return changed

    def is_own(self, name: str, models: Path) -> bool:
        """Whether a model, damaged or not, was added to this store."""
        return bool(NAME.fullmatch(name)) and self._json(name, models).is_file()

    def _own(self, name: str, models: Path) -> Path:
        """The JSON of a model that was added to a store."""
        if name in self._known:
            raise GanatomyError(f"The {self.role} '{name}' comes with Ganatomy and stays as it is.")
        if not self.is_own(name, models):
            raise GanatomyError(
                f"There is no {self.role} '{name[:80]}' in this store; `ganatomy models list` shows all."
            )
        return self._json(name, models)

    def _write(self, info: ModelInfo, models: Path) -> None:
        with replacing(self._json(info.name, models)) as aside:
            aside.write_text(json.dumps({"format_version": FORMAT} | asdict(info), indent=1))

    def _folder(self, models: Path) -> Path:
        return models / f"{self.role}s"

    def _json(self, name: str, models: Path) -> Path:
        return self._folder(models) / f"{name}.json"

    def _jsons(self, models: Path | None) -> list[Path]:
        found = sorted(self._folder(models).glob("*.json")) if models is not None else []
        return [file for file in found if NAME.fullmatch(file.stem)]

    def _added(self, models: Path | None) -> list[str]:
        """The names of added models that can be described."""
        damaged = self.damaged(models)
        return [file.stem for file in self._jsons(models) if file.stem not in damaged]

    def _read(self, file: Path) -> ModelInfo:
        try:
            content = json.loads(file.read_text())
            version = content.pop("format_version")
            if version != FORMAT:
                raise GanatomyError(
                    f"{file} has format {str(version)[:20]!a}, and this version of Ganatomy reads "
                    f"format {FORMAT}; update Ganatomy, or remove the {self.role} and add it again."
                )
            weights: Weights = Added(f"{file.stem}.safetensors", str(content["weights"]["sha256"]))
            if "entry" in content["weights"]:
                weights = Plugged(**{name: str(value) for name, value in content["weights"].items()})
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
                    "takes": tuple(content.get("takes", ())),
                    "notes": tuple(content.get("notes", ())),
                    "concepts": tuple(Concept(**concept) for concept in content["concepts"]),
                }
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise GanatomyError(
                f"{file} is damaged; remove it and add the {self.role} again "
                f"(`ganatomy models remove {file.stem}`)."
            ) from error

    def _check(self, info: ModelInfo, file: Path, sha256: str) -> None:
        if not file.is_file():
            raise GanatomyError(
                f"The weights of {self.role} '{info.name}' are not here yet; "
                f"run `ganatomy models fetch {info.name}`."
            )
        if file_sha256(file) != sha256:
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
