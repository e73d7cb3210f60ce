"""Pictures of edits, asked of the render process over a Unix socket in the store. Free of torch."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from analysis.shared.errors import GanatomyError
from db.layout import Layout
from jobs.system import live, locks, processes, slots

LONGEST = 100  # bytes of a socket's path; Linux takes 107
MOST = 64  # pictures at a time
PATIENCE = 60.0  # seconds for a process that is just starting
PARTS = ("before", "after", "difference")


@dataclass(frozen=True)
class RenderResult:
    """Pictures of an edit: one path (PNG) per image, in the order of the latents."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    difference: tuple[str, ...]
    key: str
    milliseconds: float
    cached: bool


def socket(layout: Layout) -> Path:
    """The render process's socket: in the store, or where paths are short when the store's is too long."""
    inside = layout.live / "render.sock"
    if len(os.fsencode(inside)) <= LONGEST:
        return inside
    folder = slots.machine_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise GanatomyError(f"{folder} belongs to somebody else; use a store with a shorter path.")
    return folder / f"render-{hashlib.sha256(os.fsencode(layout.root)).hexdigest()[:16]}.sock"


def render(layout: Layout, generator: str, edit: str, seed: int, latents: Sequence[int]) -> RenderResult:
    """Before, after and difference pictures. Raises `GanatomyError` when the edit does not fit the
    generator."""
    if not 0 < len(latents) <= MOST:
        raise GanatomyError(f"Ask for 1 to {MOST} pictures at a time, not {len(latents)}.")
    began = time.perf_counter()
    body = {
        "generator": generator,
        "edit": edit,
        "seed": seed,
        "latents": [int(number) for number in latents],
    }
    answer = _ask(layout, body)
    files = {part: tuple(str(layout.renders / name) for name in answer[part]) for part in PARTS}
    took = (time.perf_counter() - began) * 1000
    return RenderResult(**files, key=answer["key"], milliseconds=took, cached=answer["cached"])


def ready(layout: Layout) -> bool:
    """True when the render process answers."""
    try:
        with _client(layout, 2.0) as client:
            return client.get("/health").status_code == 200
    except httpx.HTTPError:
        return False


def _client(layout: Layout, timeout: float) -> httpx.Client:
    return httpx.Client(
        transport=httpx.HTTPTransport(uds=str(socket(layout)), verify=False),
        base_url="http://render",
        timeout=timeout,
    )


def _ask(layout: Layout, body: dict[str, Any]) -> dict[str, Any]:
    """Post the request; a process that is not there is started, one that dies is waited for and asked
    again."""
    deadline = time.monotonic() + PATIENCE
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


def _answer(response: httpx.Response) -> dict[str, Any]:
    if response.status_code == 200:
        values: dict[str, Any] = response.json()
        return values
    try:
        reason = response.json()["error"]
    except (ValueError, KeyError):
        reason = "The render process failed; see logs/render.log in the store."
    raise GanatomyError(reason)


def ensure(layout: Layout) -> None:
    """Start a render process that ends by itself when nobody asks, unless one runs or a supervisor brings
    one."""
    if live.alive(live.read(layout.live / "supervisor.json")):
        return
    lock = locks.take(layout.live, "render-start")
    if lock is None:
        return
    try:
        if not live.alive(live.read(layout.live / "render.json")):
            with (layout.logs / "render.log").open("ab") as log:
                processes.start(
                    "jobs.render.server",
                    ["--store", str(layout.root), "--idle", "300"],
                    output=log,
                    bound=False,
                )
            _settle(layout)
    finally:
        lock.release()


def _settle(layout: Layout) -> None:
    """Wait until the new process has said who it is, so that nobody starts a second one."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and not live.alive(live.read(layout.live / "render.json")):
        time.sleep(0.05)
