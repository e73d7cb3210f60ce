"""The render process: `python -P -m jobs.render.server --store DIR`.

It answers edits with pictures over a Unix socket. These requests never pass through the queue. A store has
one render process, which holds a lock for its life; a second one waits for the first to end.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import uvicorn
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from jobs.kinds.base import InputsText, Name
from jobs.kinds.requests import sentence
from jobs.render import client
from jobs.system import live, locks, logs
from jobs.system.live import JsonObject
from jobs.system.settings import Settings, cores

if TYPE_CHECKING:
    from jobs.render.pictures import Pictures


MEASURE = TypeAdapter(client.MeasureRequest)
ACTIVATIONS = TypeAdapter(client.ActivationsRequest)


class RenderRequest(BaseModel):
    """The body of POST /render."""

    model_config = ConfigDict(extra="forbid")

    generator: Name
    edit: str = Field(max_length=client.LONGEST_EDIT)
    seed: int = Field(ge=0, le=client.LARGEST)
    inputs: InputsText = ""
    sha256: str = Field("", max_length=64)
    latents: list[int] = Field(min_length=1, max_length=client.MOST_LATENTS)


def application(pictures: Pictures) -> Starlette:
    """The HTTP application: POST /render, POST /measure, POST /activations, GET /health."""

    async def render(request: Request) -> Response:
        def work(body: bytes) -> JsonObject:
            return pictures.answer(**RenderRequest.model_validate_json(body).model_dump())

        return await _answer(work, request)

    async def measure(request: Request) -> Response:
        return await _answer(lambda body: pictures.measure(MEASURE.validate_json(body)), request)

    async def activations(request: Request) -> Response:
        return await _answer(lambda body: pictures.activations(ACTIVATIONS.validate_json(body)), request)

    async def health(request: Request) -> Response:
        return JSONResponse({"pid": os.getpid(), "loaded": pictures.generators.names})

    routes = [
        Route("/render", render, methods=["POST"]),
        Route("/measure", measure, methods=["POST"]),
        Route("/activations", activations, methods=["POST"]),
        Route("/health", health),
    ]
    return Starlette(routes=routes)


async def _answer(work: Callable[[bytes], JsonObject], request: Request) -> Response:
    """What `work` makes of a request's body, or in one sentence why it makes nothing."""
    try:
        return JSONResponse(await run_in_threadpool(work, await request.body()))
    except ValidationError as error:
        reason, status = sentence(error), 422
    except (GanatomyError, StoreError) as error:
        reason, status = str(error), 422
    except OSError as error:
        problem = f"The picture could not be written ({error.strerror})"
        reason, status = f"{problem}; check that the disk has room.", 422
    except Exception as error:
        structlog.get_logger().exception("a render failed")
        problem = f"The picture could not be made ({type(error).__name__}: {error})"
        reason, status = f"{problem}; see logs/render.log.", 500
    return JSONResponse({"error": reason}, status_code=status)


def main() -> None:
    """Serve until told to stop, or until no request has come for `--idle` seconds."""
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
    """Load torch and the generator `warm`, open the socket, answer requests."""
    import torch

    from jobs.render.pictures import Pictures

    log = structlog.get_logger()
    torch.set_num_threads(max(1, cores() // 2))
    pictures = Pictures(layout, Settings().render_generators)
    if warm:
        try:
            pictures.generators.get(warm, "")
        except GanatomyError as error:  # the first request for it will give the reason
            log.warning("not warmed", generator=warm, reason=str(error))
    path = client.socket(layout)
    listening = _listen(path)
    config = uvicorn.Config(
        application(pictures), log_config=None, access_log=False, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    if idle_seconds:
        threading.Thread(target=_end_when_idle, args=(server, pictures, idle_seconds), daemon=True).start()
    live.write(layout.live / "render.json", {**live.identity(), "socket": str(path)})
    log.info("render process ready", socket=str(path))
    server.run(sockets=[listening])
    log.info("render process stopped")


def _listen(path: Path) -> socket.socket:
    """A socket that only its owner can use.

    The mask holds while the file is created; a later chmod would leave a moment in which others could
    connect.
    """
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(mask)
    listening.listen(64)
    return listening


def _end_when_idle(server: uvicorn.Server, pictures: Pictures, seconds: float) -> None:
    while time.monotonic() - pictures.last_request < seconds:
        time.sleep(min(1.0, seconds / 4))
    server.should_exit = True


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main()
