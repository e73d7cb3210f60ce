"""Pictures of edits, from the render process over a Unix socket in the store. Free of torch."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.system import live, locks, processes
from jobs.system.live import JsonObject

LONGEST_PATH = 100  # bytes of a socket's path; Linux allows 107
MOST_LATENTS = 64  # per request
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


def render(layout: Layout, generator: str, edit: str, seed: int, latents: Sequence[int]) -> RenderResult:
    """Before, after and difference pictures of an edit.

    Raises:
        GanatomyError: The edit does not fit the generator, or the render process does not answer.
    """
    if not 0 < len(latents) <= MOST_LATENTS:
        raise GanatomyError(f"Ask for 1 to {MOST_LATENTS} pictures at a time, not {len(latents)}.")
    began = time.perf_counter()
    numbers = tuple(int(number) for number in latents)
    answer = _post(layout, {"generator": generator, "edit": edit, "seed": seed, "latents": numbers})
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


def _post(layout: Layout, body: JsonObject) -> JsonObject:
    """The answer to a request. Starts a render process that is missing, and asks again when one dies."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            with _client(layout, 120.0) as client:
                return _answer(client.post("/render", json=body))
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
