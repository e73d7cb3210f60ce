"""Routes served over real HTTP."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from children import free_port
from starlette.applications import Starlette
from starlette.routing import Route


@contextmanager
def served(routes: Sequence[Route]) -> Iterator[str]:
    """The address at which the routes answer until the block ends."""
    port = free_port()
    config = uvicorn.Config(Starlette(routes=[*routes]), host="127.0.0.1", port=port, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        time.sleep(0.05)
    assert server.started
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)
