"""What a checkpoint holds, found out in a process of its own with limits. No torch.

found = inspect(Path("G.pt"))
print(found.title, found.layers, found.notes)
Path("sheet.png").write_bytes(found.sheet)
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.models.choice import Choice
from analysis.models.files.limits import GB, Limits, label_bytes
from analysis.models.files.words import plain
from analysis.models.layer import Layer
from analysis.shared.errors import GanatomyError

RESULT, SHEET = "result.json", "sheet.png"
MANIFEST = "manifest.json"  # of a folder of label maps
NO_ANSWERS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Inspection:
    """A generator as it was found in a file.

    Attributes:
        format: what the file is, such as "PyTorch checkpoint".
        key: where in it the weights lie; empty for the file itself.
        family: the family's name, and `title` what people call it.
        config: plain values that lie beside the weights.
        choices: what the file does not say, with the values to choose from; `answers` are those used.
        layers: names, paths, units and grid sizes.
        takes: which inputs a run may choose: truncation, class, timestep, noise.
        notes: what was taken for granted, and what seems odd, a sentence each.
        seconds_per_image: of one image on this machine's CPU.
        sheet: up to 16 images, as a PNG.
    """

    file: str
    format: str
    key: str
    family: str
    title: str
    config: dict[str, Any]
    choices: tuple[Choice, ...]
    answers: dict[str, str]
    layers: tuple[Layer, ...]
    latent_shape: tuple[int, ...]
    classes: int | None
    takes: tuple[str, ...]
    image_size: tuple[int, int]
    parameters: int
    notes: tuple[str, ...]
    seconds_per_image: float
    sheet: bytes = b""

    def as_json(self) -> dict[str, Any]:
        """Plain values, without the sheet."""
        values = asdict(self)
        del values["sheet"]
        return values

    @classmethod
    def of_json(cls, values: Mapping[str, Any], sheet: bytes = b"") -> Inspection:
        """The inspection of plain values."""
        tuples = {name: tuple(values[name]) for name in ("latent_shape", "takes", "image_size", "notes")}
        choices = tuple(Choice(**{**each, "values": tuple(each["values"])}) for each in values["choices"])
        layers = tuple(Layer(**layer) for layer in values["layers"])
        return cls(**{**values, **tuples, "choices": choices, "layers": layers, "sheet": sheet})


def inspect(
    path: Path,
    key: str | None = None,
    family: str | None = None,
    answers: Mapping[str, str] = NO_ANSWERS,
    *,
    memory_gb: float | None = None,
) -> Inspection:
    """What a checkpoint holds: its family is recognised, it is built, and a few images are drawn.

    Args:
        path: a checkpoint file, or a folder with weights and a config.json.
        key: which state dict, where a file holds several generators.
        family: its family, where it is not recognised.
        answers: to the family's choices, by name.
        memory_gb: how much memory it may take, beyond what follows from its size.

    Raises:
        GanatomyError: it cannot be read or is of no known family; one sentence says what it is.
    """
    with examined(path, key, family, answers, memory_gb=memory_gb) as folder:
        return result(folder)


def result(folder: Path) -> Inspection:
    """What a child left in its folder."""
    sheet = folder / SHEET
    values = json.loads((folder / RESULT).read_text())
    return Inspection.of_json(values, sheet.read_bytes() if sheet.is_file() else b"")


@contextmanager
def examined(
    path: Path,
    key: str | None = None,
    family: str | None = None,
    answers: Mapping[str, str] = NO_ANSWERS,
    *,
    role: str = "generator",
    info: Mapping[str, Any] | None = None,
    vocabulary: Mapping[str, Any] | None = None,
    within: Path | None = None,
    memory_gb: float | None = None,
) -> Iterator[Path]:
    """A folder with what a child process made of a checkpoint, there while the block runs.

    With `info`, what a catalogue is to say of it, the model lies in `models` in it as in a store. `within` is
    the folder in which it is made, so that files can be moved from it. `vocabulary` is a segmenter's.
    """
    path = Path(path)
    segments = role == "segmenter"
    size = _size_of_labels(path) if segments and (path / MANIFEST).is_file() else _size(path)
    limits = Limits.of_segmenter(size, memory_gb) if segments else Limits.of(size, memory_gb)
    request = {
        "path": str(path.absolute()),
        "key": key,
        "family": family,
        "answers": dict(answers),
        "role": role,
        "info": dict(info) if info is not None else None,
        "vocabulary": dict(vocabulary) if vocabulary is not None else None,
        "limits": asdict(limits),
    }
    folder = Path(tempfile.mkdtemp(prefix=".examined-", dir=within))
    try:
        status = _run(request | {"folder": str(folder)}, limits, folder)
        _check(status, folder, path, limits)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _size(path: Path) -> int:
    """The bytes that a file takes on the disk, or a folder's files."""
    try:
        if path.is_dir():
            return sum(_size(file) for file in path.iterdir() if file.is_file())
        facts = path.stat()
        return min(facts.st_size, facts.st_blocks * 512 + 4096)
    except FileNotFoundError:
        raise GanatomyError(
            f"There is no file {plain(path, 200)}; check the path, or fetch it again."
        ) from None
    except (OSError, ValueError) as error:
        raise GanatomyError(f"{plain(path, 200)} cannot be read ({plain(error)}); check the path.") from error


def _size_of_labels(path: Path) -> int:
    """The bytes that a folder's label maps may take once they are read."""
    return label_bytes(sum(_size(file) for file in (path / "labels").rglob("*.png")))


def _run(request: Mapping[str, Any], limits: Limits, folder: Path) -> int:
    """Runs the child; its status, negative for the signal that ended it."""
    passed = ("PATH", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH")
    threads = {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")}
    environment = {name: os.environ[name] for name in passed if name in os.environ} | threads
    command = [sys.executable, "-P", "-m", "analysis.models.files.child"]
    with (folder / "errors.txt").open("wb") as errors:
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=errors, stderr=errors, env=environment, process_group=0
        )
        try:
            child.communicate(json.dumps(request).encode(), timeout=limits.patience)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            return -signal.SIGXCPU
        except BaseException:
            child.kill()
            child.wait()
            raise
    return child.returncode


def _check(status: int, folder: Path, path: Path, limits: Limits) -> None:
    """Says in one sentence why a child made nothing of a file."""
    name = plain(path.name or path.absolute().name)
    file = folder / RESULT
    values = json.loads(file.read_text()) if file.is_file() else {}
    if status == 0 and values and "refused" not in values:
        return
    if "refused" in values:
        raise GanatomyError(values["refused"])
    if -status == signal.SIGXCPU:
        raise GanatomyError(
            f"{name} took more than {limits.reading:.0f} s of processor time to be read, or "
            f"{limits.seconds:.0f} s to be drawn, and was given up; it is damaged, made to do harm, or too "
            "large for this machine."
        )
    raise GanatomyError(
        f"{name} was given up, because its process ended ({_reason(status)}); it is damaged, made to do "
        f"harm, or needs more than {limits.memory / GB:.1f} GB of memory, which can be raised."
    )


def _reason(status: int) -> str:
    try:
        return signal.Signals(-status).name if status < 0 else f"status {status}"
    except ValueError:
        return f"signal {-status}"
