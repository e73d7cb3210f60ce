"""The render process: `python -P -m jobs.render.server --store DIR`.

It answers edits over a Unix socket, past the queue.

One such process serves a store. It holds a lock for its life; a second one waits for the first to end.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from jobs.kinds.requests import Name, sentence
from jobs.render import client
from jobs.system import live, locks, logs
from jobs.system.settings import Settings, cores

if TYPE_CHECKING:
    from jobs.render.pictures import Pictures


class RenderRequest(BaseModel):
    """What may be asked for."""

    model_config = ConfigDict(extra="forbid")

    generator: Name
    edit: str = Field(max_length=20_000)
    seed: int = Field(ge=0, le=2**53)
    latents: list[int] = Field(min_length=1, max_length=client.MOST)


class Idle:
    """When somebody last asked."""

    def __init__(self) -> None:
        self.since = time.monotonic()

    def touch(self) -> None:
        """Somebody asks now."""
        self.since = time.monotonic()


def application(pictures: Pictures, idle: Idle) -> Starlette:
    """The HTTP application: POST /render, GET /health."""

    async def render(request: Request) -> Response:
        idle.touch()
        try:
            asked = RenderRequest.model_validate_json(await request.body())
            return JSONResponse(await run_in_threadpool(pictures.answer, **asked.model_dump()))
        except ValidationError as error:
            return _refused(sentence(error))
        except (GanatomyError, StoreError) as error:
            return _refused(str(error))
        except OSError as error:
            return _refused(f"The picture could not be kept ({error.strerror}); see that the disk has room.")
        except Exception as error:
            structlog.get_logger().exception("a render failed")
            reason = f"The picture could not be made ({type(error).__name__}: {error}); see logs/render.log."
            return JSONResponse({"error": reason}, status_code=500)

    async def health(request: Request) -> Response:
        loaded = [name for name, _ in pictures.shelf._loaded]
        return JSONResponse({"pid": os.getpid(), "loaded": loaded})

    return Starlette(routes=[Route("/render", render, methods=["POST"]), Route("/health", health)])


def _refused(reason: str) -> Response:
    return JSONResponse({"error": reason}, status_code=422)


def main() -> None:
    """Serve until told to stop, or until nobody has asked for `--idle` seconds."""
    parser = argparse.ArgumentParser(prog="jobs.render.server", description="Answer edits with pictures.")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument(
        "--idle", type=float, default=0.0, help="end after this many seconds without a request"
    )
    parser.add_argument("--warm", default="", help="load this generator at once")
    options = parser.parse_args()
    layout = Layout.create(options.store)
    logs.structured(layout.logs / "render.log")
    while (lock := locks.take(layout.live, "render")) is None:
        time.sleep(0.2)
    serve(layout, options.idle, options.warm)
    lock.release()


def serve(layout: Layout, idle_seconds: float, warm: str) -> None:
    """Load torch, open the socket, answer."""
    import torch

    from jobs.render.pictures import Pictures

    settings = Settings()
    torch.set_num_threads(max(1, cores() // 2))
    pictures, idle = Pictures(layout, settings.render_generators), Idle()
    _warm(pictures, warm)
    path = client.socket(layout)
    listening = _listen(path)
    options: dict[str, Any] = {"log_config": None, "access_log": False, "timeout_graceful_shutdown": 2}
    server = uvicorn.Server(uvicorn.Config(application(pictures, idle), **options))
    if idle_seconds:
        threading.Thread(target=_end_when_idle, args=(server, idle, idle_seconds), daemon=True).start()
    live.write(layout.live / "render.json", {**live.me(), "socket": str(path)})
    structlog.get_logger().info("render process ready", socket=str(path))
    server.run(sockets=[listening])
    structlog.get_logger().info("render process stopped")


def _listen(path: Path) -> socket.socket:
    """The socket, for its owner only from the start."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(mask)
    listening.listen(64)
    return listening


def _warm(pictures: Pictures, name: str) -> None:
    """Load a generator before the first request; one that cannot be loaded is said when it is asked for."""
    if not name:
        return
    try:
        pictures.shelf.get(name)
    except GanatomyError as error:
        structlog.get_logger().warning("not warmed", generator=name, reason=str(error))


def _end_when_idle(server: uvicorn.Server, idle: Idle, seconds: float) -> None:
    while time.monotonic() - idle.since < seconds:
        time.sleep(min(1.0, seconds / 4))
    server.should_exit = True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main()
