"""SQL over HTTP: `POST /api/sql` runs one reading statement in the sandbox of the SQL page, given the token.

The answer is JSON, or CSV, Parquet or an Arrow stream where `Accept` asks for that.
"""

from __future__ import annotations

import asyncio
import hmac
import io
import json
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from db.errors import ConsoleError, StoreError
from db.layout import Layout
from db.sql import console, mistakes, parameters

PATH = "/api/sql"
TOKEN = "GANATOMY_API_TOKEN"  # in the environment of the dashboard; without one, nobody may ask
LOOK_S = 0.3  # how often a running statement looks whether its client is still there
SHORTEST = 16  # characters of a token
LARGEST = 1 << 20  # bytes of a request
LIMITS = {"rows": (10_000, 100_000), "seconds": (20.0, 60.0)}  # used where none is given, and the most
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"


def route(layout: Layout) -> Route:
    """The route of one store."""

    async def answer(request: Request) -> Response:
        if said := refused(request.headers.get("authorization", "")):
            return _error(said, 401)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LARGEST:
                return _error(f"A request may have {LARGEST:,} bytes; send a shorter statement.", 413)
        gone, accept = threading.Event(), request.headers.get("accept", "")
        running = asyncio.ensure_future(run_in_threadpool(_run, layout, body, accept, gone))
        while not (await asyncio.wait({running}, timeout=LOOK_S))[0]:
            if await request.is_disconnected():
                gone.set()
        return running.result()

    return Route(PATH, answer, methods=["POST"])


def not_fetched(request: Request) -> Response:
    """What somebody reads who opens the address in a browser."""
    return JSONResponse(
        {"error": f"{PATH} takes a POST with a statement; /api/openapi.json says how."},
        status_code=405,
        headers={"allow": "POST"},
    )


def refused(authorization: str) -> str:
    """Why the header does not let one in, in a sentence; "" if it does."""
    token = os.environ.get(TOKEN, "")
    if len(token) < SHORTEST:
        return (
            f"SQL over HTTP is off; start the dashboard with {TOKEN} set to a secret of {SHORTEST} "
            "characters or more."
        )
    kind, _, said = authorization.partition(" ")
    if kind.lower() == "bearer" and hmac.compare_digest(said.strip().encode(), token.encode()):
        return ""
    return "This address needs the token of the dashboard: send 'Authorization: Bearer TOKEN'."


def _error(sentence: str, status: int) -> Response:
    return JSONResponse({"error": sentence}, status_code=status)


def _run(layout: Layout, body: bytes, accept: str, gone: threading.Event) -> Response:
    """The answer to a request; nobody reads it once `gone` is set, which ends the statement."""

    def tick() -> None:
        if gone.is_set():
            raise ConsoleError("The client closed the connection, which ended the statement.")

    asked: Mapping[str, Any] = {}
    try:
        asked = _asked(body)
        wanted = next((kind for kind in FORMATS if kind in accept), "application/json")
        binary = wanted in (ARROW, PARQUET)
        found = console.run(
            layout,
            asked["statement"],
            asked["rows"],
            asked["seconds"],
            binary=binary,
            values=asked["values"],
            tick=tick,
        )
        content = FORMATS[wanted](found)
    except ConsoleError as error:
        return _error(mistakes.sentence(asked["statement"], error) if asked else str(error), 400)
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        return _error(f"This format cannot hold the answer ({reason}); cast it to VARCHAR.", 400)
    except StoreError as error:
        return _error(str(error), 503)
    facts = {"x-truncated": str(found.truncated).lower(), "x-seconds": f"{found.elapsed:.6f}"}
    return Response(content, media_type=wanted, headers=facts | {"cache-control": "no-store"})


def _asked(body: bytes) -> Mapping[str, Any]:
    """The statement and its limits. Raises ConsoleError for a request that is none."""
    try:
        asked = json.loads(body)
    except ValueError:
        asked = None
    if not isinstance(asked, dict) or not isinstance(asked.get("statement"), str):
        raise ConsoleError('Send JSON such as {"statement": "SELECT * FROM run"}.')
    for name in asked:
        if name not in ("statement", "values", *LIMITS):
            takes = ", ".join(("statement", "values", *LIMITS))
            raise ConsoleError(f"There is no parameter {name[:40]} here; this address takes {takes}.")
    for name, (usual, most) in LIMITS.items():
        value = asked.setdefault(name, usual)
        whole = isinstance(value, int) or (name == "seconds" and isinstance(value, float))
        if isinstance(value, bool) or not whole or not 0 < value <= most:
            raise ConsoleError(f"The parameter {name} is a number up to {most:,g}; give another.")
    _check(asked["statement"], asked.setdefault("values", {}))
    return asked


def _check(statement: str, values: object) -> None:
    """Raise ConsoleError where these are no values of the statement's parameters."""
    kinds = str | int | float | None
    if not isinstance(values, dict) or not all(isinstance(value, kinds) for value in values.values()):
        raise ConsoleError('The values of parameters are texts and numbers, such as {"run": "churches-1"}.')
    used = parameters.names(statement)
    if unused := [name for name in values if name not in used]:
        told = ", ".join(used) or "none"
        raise ConsoleError(f"The statement has no parameter {unused[0][:40]}; its parameters: {told}.")


def _json(found: console.ConsoleResult) -> bytes:
    text = found.frame.to_json(orient="split", index=False, date_format="iso")
    rows = json.loads(str(text))
    facts = {"truncated": found.truncated, "seconds": found.elapsed}
    return json.dumps({"columns": rows["columns"], "rows": rows["data"], **facts}).encode()


def _arrow(found: console.ConsoleResult) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, found.table.schema) as stream:
        stream.write_table(found.table)
    return sink.getvalue()


def _parquet(found: console.ConsoleResult) -> bytes:
    sink = io.BytesIO()
    pq.write_table(found.table, sink)
    return sink.getvalue()


FORMATS: dict[str, Callable[[console.ConsoleResult], bytes]] = {
    "text/csv": lambda found: str(found.frame.to_csv(index=False)).encode(),
    PARQUET: _parquet,
    ARROW: _arrow,
    "application/json": _json,
}
