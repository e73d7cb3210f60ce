"""Pictures of edits, from the render process over a Unix socket in the store. Free of torch."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import httpx
import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field

from analysis.models import generators
from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.kinds import catalogue
from jobs.kinds.base import InputsText, Name
from jobs.system import live, locks, processes
from jobs.system.live import JsonObject

LONGEST_PATH = 100  # bytes of a socket's path; Linux allows 107
MOST_LATENTS = 64  # per request
LONGEST_EDIT, LARGEST = 20_000, 2**53  # characters of an edit; a seed, or the number of a latent
START_S = 60.0  # for a render process to start
PARTS = ("before", "after", "difference")


@dataclass(frozen=True)
class RenderResult:
    """A request and its pictures: one path (PNG) per latent, in their order."""

    generator: str
    edit: str
    seed: int
    latents: tuple[int, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    difference: tuple[str, ...]
    key: str
    milliseconds: float
    cached: bool
    inputs: str = ""  # what the generator was given beside the latents


@dataclass(frozen=True)
class MeasureRequest:
    """An edit of one image, and the segmenter that looks at it; the render process checks the values."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    generator: Name
    segmenter: Name
    edit: Annotated[str, Field(max_length=LONGEST_EDIT)]
    seed: Annotated[int, Field(ge=0, le=LARGEST)]
    latent: Annotated[int, Field(ge=0, le=LARGEST)]
    inputs: InputsText = ""  # complete, as "truncation=0.7 class=207"
    sha256: Annotated[str, Field(max_length=64)] = ""  # of the generator's weights, where others are refused


@dataclass(frozen=True)
class MeasureResult:
    """What a segmenter sees in one image before and after an edit.

    A concept's shares are those of the pixels of the image, of the edited cells, and of all others (None
    where there are none). The changes are root mean squares of pixel values, which lie in [-1, 1]. The label
    maps are paths (PNG).
    """

    before: dict[str, tuple[float, float | None, float | None]]
    after: dict[str, tuple[float, float | None, float | None]]
    stroke: float
    change_in_stroke: float | None
    change_elsewhere: float | None
    colours: dict[str, str]
    labels_before: str
    labels_after: str
    ms: float


@dataclass(frozen=True)
class ActivationsRequest:
    """A unit and the latents on whose images it is looked at; the render process checks the values."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    generator: Name
    layer: Annotated[str, Field(max_length=200)]
    unit: Annotated[int, Field(ge=0, le=LARGEST)]
    seed: Annotated[int, Field(ge=0, le=LARGEST)]
    latents: Annotated[tuple[int, ...], Field(min_length=1, max_length=MOST_LATENTS)]
    inputs: InputsText = ""  # complete, as "truncation=0.7 class=207"
    sha256: Annotated[str, Field(max_length=64)] = ""  # of the generator's weights, where others are refused


@dataclass(frozen=True)
class Activations:
    """A unit's maps (n, h, w) float32 on the images of some latents, and the images' paths (PNG)."""

    latents: tuple[int, ...]
    images: tuple[str, ...]
    maps: NDArray[np.float32]


def socket(layout: Layout) -> Path:
    """The render process's socket: in the store, or elsewhere when the store's path is too long."""
    inside = layout.live / "render.sock"
    if len(os.fsencode(inside)) <= LONGEST_PATH:
        return inside
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp") / f"ganatomy-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise GanatomyError(f"{folder} belongs to another user; use a store with a shorter path.")
    return folder / f"render-{hashlib.sha256(os.fsencode(layout.root)).hexdigest()[:16]}.sock"


def render(
    layout: Layout,
    generator: str,
    edit: str,
    seed: int,
    latents: Sequence[int],
    inputs: str | None = None,
    sha256: str = "",
) -> RenderResult:
    """Before, after and difference pictures of an edit.

    `inputs` are complete, as "truncation=0.7 class=207"; None are the generator's own. With `sha256`, that
    of a run's generator, the pictures are refused where the generator of that name has other weights now.

    Raises:
        GanatomyError: The edit does not fit the generator, or the render process does not answer.
    """
    if not 0 < len(latents) <= MOST_LATENTS:
        raise GanatomyError(f"Ask for 1 to {MOST_LATENTS} pictures at a time, not {len(latents)}.")
    _must_know(layout, "generator", generator)
    given = generators.describe(generator, layout.models).inputs if inputs is None else inputs
    began = time.perf_counter()
    numbers = tuple(int(number) for number in latents)
    body = {"generator": generator, "edit": edit, "seed": seed, "latents": numbers}
    answer = _post(layout, "render", {**body, "inputs": given, "sha256": sha256})
    before, after, difference = (tuple(str(layout.renders / name) for name in answer[part]) for part in PARTS)
    return RenderResult(
        generator,
        edit,
        seed,
        numbers,
        before,
        after,
        difference,
        key=answer["key"],
        milliseconds=(time.perf_counter() - began) * 1000,
        cached=answer["cached"],
        inputs=given,
    )


def measure(layout: Layout, asked: MeasureRequest) -> MeasureResult:
    """What a segmenter sees in one image before and after an edit.

    Raises:
        GanatomyError: The edit does not fit the generator, or the render process does not answer.
    """
    for role, name in (("generator", asked.generator), ("segmenter", asked.segmenter)):
        _must_know(layout, role, name)
    answer = _post(layout, "measure", asdict(asked))
    for part in ("labels_before", "labels_after"):
        answer[part] = str(layout.renders / answer[part])
    for part in ("before", "after"):
        answer[part] = {name: tuple(shares) for name, shares in answer[part].items()}
    return MeasureResult(**answer)


def activations(layout: Layout, asked: ActivationsRequest) -> Activations:
    """A unit's activation on the images of some latents.

    Raises:
        GanatomyError: The generator has no such layer or unit, or the render process does not answer.
    """
    _must_know(layout, "generator", asked.generator)
    answer = _post(layout, "activations", asdict(asked))
    maps = np.frombuffer(base64.b64decode(answer["maps"]), np.float32).reshape(answer["shape"])
    images = tuple(str(layout.renders / name) for name in answer["images"])
    return Activations(tuple(asked.latents), images, maps)


def _must_know(layout: Layout, role: str, name: str) -> None:
    if not catalogue.is_known(layout, role, name):
        raise GanatomyError(
            f"Pictures with '{name}' cannot be rendered, because that {role} is not registered in this "
            "store; add it with `ganatomy models add`."
        )


def ready(layout: Layout) -> bool:
    """Whether the render process answers."""
    try:
        with _client(layout, 2.0) as client:
            return client.get("/health").status_code == 200
    except httpx.HTTPError:
        return False


def _client(layout: Layout, timeout: float) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=str(socket(layout)), verify=False)
    return httpx.Client(transport=transport, base_url="http://render", timeout=timeout)


def _post(layout: Layout, path: str, body: JsonObject) -> JsonObject:
    """The answer to a request. Starts a render process that is missing, and asks again when one dies."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            with _client(layout, 120.0) as client:
                return _answer(client.post(f"/{path}", json=body))
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            if time.monotonic() > deadline:
                raise GanatomyError("The render process does not answer; see `ganatomy doctor`.") from error
            ensure(layout)
            time.sleep(0.1)
        except httpx.TimeoutException as error:
            raise GanatomyError("The render process took too long; ask for fewer pictures.") from error


def _answer(response: httpx.Response) -> JsonObject:
    if response.status_code == 200:
        values: JsonObject = response.json()
        return values
    try:
        reason = response.json()["error"]
    except (ValueError, KeyError):
        reason = "The render process failed; see logs/render.log in the store."
    raise GanatomyError(reason)


def ensure(layout: Layout) -> None:
    """Start a render process that ends when it is idle, unless one runs or a supervisor starts it."""
    if live.alive(live.read(layout.live / "supervisor.json")):
        return
    lock = locks.take(layout.live, "render-start")
    if lock is None:
        return
    file = layout.live / "render.json"
    try:
        if live.alive(live.read(file)):
            return
        arguments = ["--store", str(layout.root), "--idle", "300"]
        with (layout.logs / "render.log").open("ab") as log:
            processes.start("jobs.render.server", arguments, output=log, bound=False)
        # The lock is held until the new process has written its file, so that nobody starts a second one.
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and not live.alive(live.read(file)):
            time.sleep(0.05)
    finally:
        lock.release()
