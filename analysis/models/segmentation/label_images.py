"""Label maps that were made elsewhere, of images that `ganatomy export-images` wrote.

    images/000000.png ...      what is to be labelled, named by latent number
    manifest.json              which generator, inputs and seed, and which latents a dissection uses
    labels/000000.png ...      made by the user: each pixel's number, in one channel of 8 or 16 bits
    vocabulary.json            made by the user: what the numbers mean, see `analysis.models.vocabularies`

Where a pixel carries several labels at once, the vocabulary names its maps, and each has its own folder:
labels/object/000000.png, labels/part/000000.png.

Such a segmenter knows the exported images alone. It serves dissections of that generator, seed and range.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from analysis.models.checkpoints import State, weights_sha256
from analysis.models.choice import Choice
from analysis.models.families.family import Config
from analysis.models.files.formats import disk_bytes
from analysis.models.files.limits import label_bytes
from analysis.models.segmentation import hub
from analysis.models.segmentation.family import Files, SegmenterFamily, answers
from analysis.models.vocabularies import Vocabulary, parse, read
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError

MANIFEST, VOCABULARY = "manifest.json", "vocabulary.json"
FORMAT = 1
LARGEST_SIDE = 2048
FILE = re.compile(r"0*(\d{1,15})\.png")
IGNORED = 255


def _opens(path: Path) -> bool:
    """Whether a folder holds exported images."""
    return (path / MANIFEST).is_file()


def manifest(path: Path) -> dict[str, Any]:
    """A folder's manifest, checked.

    Raises:
        GanatomyError: it is none.
    """
    content = hub.plain(path / MANIFEST)
    seed, identity = content.get("seed"), content.get("generator_identity")
    ranges = [content.get("calibration"), content.get("evaluation")]
    fits = content.get("format_version") == FORMAT and type(seed) is int and isinstance(identity, str)
    if not fits or not all(
        isinstance(each, list) and len(each) == 2 and all(type(number) is int for number in each)
        for each in ranges
    ):
        raise GanatomyError(
            f"{MANIFEST} is not one that `ganatomy export-images` wrote; export the images again."
        )
    return content


def _read(path: Path, chosen: Mapping[str, str]) -> Files:
    about = manifest(path)
    vocabulary = read(path / VOCABULARY)
    numbers, folders = _numbers(path, vocabulary), _folders(path, vocabulary)
    ignored = _ignored(chosen.get("ignore", str(IGNORED)))
    kind = _kind(vocabulary)
    most = label_bytes(sum(disk_bytes(_file(folder, each)) for folder in folders for each in numbers))
    maps: NDArray[Any] | None = None
    for row, number in enumerate(numbers):
        stack = np.stack([_map(_file(folder, number)) for folder in folders])
        if maps is None:
            needed = stack.size * len(numbers) * kind.itemsize
            if needed > most:
                raise GanatomyError(
                    f"{len(numbers):,} label maps of {stack.shape[2]}x{stack.shape[1]} pixels would take "
                    f"{needed / 1e6:,.0f} MB of memory, and {most / 1e6:,.0f} MB are the most for files of "
                    "this size; make the maps smaller, such as 256 pixels wide."
                )
            maps = np.zeros((len(numbers), *stack.shape), kind)
        if stack.shape != maps.shape[1:]:
            raise GanatomyError(
                f"The label map of latent {number} has {stack.shape[2]}x{stack.shape[1]} pixels, and the "
                f"first has {maps.shape[3]}x{maps.shape[2]}; make all of one size."
            )
        maps[row] = _labels(stack, vocabulary, ignored, number, kind)
    assert maps is not None
    state = {
        "labels": torch.from_numpy(maps),
        "numbers": torch.tensor(numbers, dtype=torch.int64),
    }
    return Files(state, {"manifest": about, "vocabulary": vocabulary.as_json()})


def _folders(path: Path, vocabulary: Vocabulary) -> list[Path]:
    if len(vocabulary.map_names) == 1:
        return [path / "labels"]
    for name in vocabulary.map_names:
        if not re.fullmatch(r"[\w-]{1,40}", name):
            raise GanatomyError(f"'{name[:40]}' cannot name a folder of label maps; use letters and digits.")
    return [path / "labels" / name for name in vocabulary.map_names]


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.png"


def _numbers(path: Path, vocabulary: Vocabulary) -> list[int]:
    """The latents that have a label map in every folder."""
    found: set[int] | None = None
    for folder in _folders(path, vocabulary):
        files = sorted(folder.glob("*.png")) if folder.is_dir() else []
        odd = [file.name for file in files if not (FILE.fullmatch(file.name) and file == _canonical(file))]
        if odd:
            raise GanatomyError(
                f"{odd[0][:60]} in {folder.name} is not named as the image that it labels, such as "
                "000012.png; rename or remove it."
            )
        numbers = {int(file.stem) for file in files}
        if not numbers:
            raise GanatomyError(
                f"There are no label maps in {folder.relative_to(path)}; write one for each "
                "image, under its name."
            )
        if found is not None and found != numbers:
            one = min(found ^ numbers)
            raise GanatomyError(f"Latent {one} has a label map in one folder and none in another; add it.")
        found = numbers
    assert found is not None
    return sorted(found)


def _canonical(file: Path) -> Path:
    return _file(file.parent, int(file.stem))


def _kind(vocabulary: Vocabulary) -> np.dtype[Any]:
    """The smallest type of torch that holds every label; a vocabulary has 10,000 concepts at most."""
    return np.dtype(np.uint8 if len(vocabulary.concepts) < 2**8 else np.int16)


def _map(file: Path) -> NDArray[Any]:
    """A label map (height, width) of whole numbers: grey values, or numbers of a palette."""
    try:
        with Image.open(file, formats=["PNG"]) as image:
            if max(image.size) > LARGEST_SIDE:
                raise GanatomyError(
                    f"{file.name} is over {LARGEST_SIDE} pixels wide or high; make it smaller."
                )
            if image.mode not in ("L", "P", "I", "I;16", "1"):
                raise GanatomyError(
                    f"{file.name} is a colour picture ({image.mode}); write numbers in one channel, "
                    "0 for nothing."
                )
            values = np.asarray(image)
            return values.astype(np.uint8) if values.dtype == bool else values
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise GanatomyError(f"{file.name} cannot be read as a PNG; write it again.") from error


def _ignored(text: str) -> int | None:
    if text == "none":
        return None
    if not (text.isdecimal() and len(text) < 6):
        raise GanatomyError(f"'{text[:40]}' is no label; give the number that is to be ignored, or none.")
    return int(text)


def _labels(
    stack: NDArray[Any], vocabulary: Vocabulary, ignored: int | None, number: int, kind: np.dtype[Any]
) -> NDArray[Any]:
    """Positions of concepts plus one (maps, h, w), from the numbers of the vocabulary."""
    found = np.zeros(stack.shape, kind)
    known = np.zeros(stack.shape, bool)
    for position, (group, level) in enumerate(zip(vocabulary.groups, vocabulary.maps, strict=True), start=1):
        for label in group:
            here = stack[level] == label
            found[level][here] = position
            known[level] |= here
    rest = ~known & (stack != 0)
    if ignored is not None:
        rest &= stack != ignored
    if rest.any():
        odd = int(stack[rest][0])
        raise GanatomyError(
            f"The label map of latent {number} holds {odd}, which the vocabulary does not know; add it to "
            f"{VOCABULARY}, or say which label is ignored with --set ignore={odd}."
        )
    return found


def _recognises(state: State, config: Config) -> bool:
    return set(state) == {"labels", "numbers"} and state["labels"].ndim == 4


def _build(state: State, config: Config, name: str, device: str) -> LabelImages:
    answers(FAMILY, config)
    beside = config.get("config", {})
    if config.get("vocabulary"):
        raise GanatomyError(
            f"The concepts of label maps are in {VOCABULARY} of their folder; write them there."
        )
    if not _recognises(state, config) or "manifest" not in beside:
        raise GanatomyError("These are no label maps of exported images; give the folder with manifest.json.")
    vocabulary = parse(beside["vocabulary"], VOCABULARY)
    return LabelImages(state, beside["manifest"], vocabulary, name)


class LabelImages:
    """Knows the labels (N, maps, h, w) of exported images by latent number, and of no other pictures."""

    family = "label-images"

    def __init__(self, state: State, about: Mapping[str, Any], vocabulary: Vocabulary, name: str) -> None:
        self.name, self.device = name, torch.device("cpu")
        self.concepts: Sequence[Concept] = vocabulary.concepts
        self.colours = vocabulary.colours
        self.seed, self.labelled_generator = int(about["seed"]), str(about["generator_identity"])
        self.generator_name = str(about.get("generator", ""))
        self._labels = state["labels"]
        self._rows = {int(number): row for row, number in enumerate(state["numbers"].tolist())}
        self.weights_sha256 = weights_sha256(state)

    @property
    def numbers(self) -> list[int]:
        """The latents that are labelled."""
        return sorted(self._rows)

    def labels_of(self, seed: int, numbers: Sequence[int]) -> Tensor:
        """Labels (N, maps, h, w), int64, of a seed's latents by number.

        Raises:
            GanatomyError: one of them is not labelled.
        """
        if seed != self.seed:
            raise GanatomyError(
                f"The label maps of '{self.name}' are of seed {self.seed}, not of {seed}; choose that seed."
            )
        missing = [number for number in numbers if number not in self._rows]
        if missing:
            raise GanatomyError(
                f"'{self.name}' has no label map of latent {missing[0]}; it has {len(self._rows)} maps, "
                f"up to latent {max(self._rows)}: choose as many images and calibration images as were "
                "exported."
            )
        return self._labels[[self._rows[number] for number in numbers]].long()

    def labels(self, images: Tensor) -> Tensor:
        """Labels of pictures are unknown.

        Raises:
            GanatomyError: always.
        """
        raise self._unable()

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        """Probabilities of pictures are unknown.

        Raises:
            GanatomyError: always.
        """
        raise self._unable()

    def _unable(self) -> GanatomyError:
        return GanatomyError(
            f"'{self.name}' holds label maps of exported images, and knows nothing of other pictures; "
            "choose a segmenter that is a network."
        )


def write_manifest(folder: Path, about: Mapping[str, Any]) -> None:
    """Write what an export is of, which `manifest` reads."""
    (folder / MANIFEST).write_text(json.dumps({"format_version": FORMAT} | dict(about), indent=1) + "\n")


FAMILY = SegmenterFamily(
    "Label images of exported pictures",
    _recognises,
    _build,
    (Choice("ignore", "The number that means nothing beside 0, or none.", (), str(IGNORED)),),
    opens=_opens,
    read=_read,
)
