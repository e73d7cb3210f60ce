"""The HTTP API as routes of the dashboard's server: read-only, each answer from one version of the store.

`/api/openapi.json` describes it. A version of the store never changes, so its name and the program's version
are the ETag of every answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from analysis.shared.errors import GanatomyError
from db import store
from db.errors import StoreError
from db.layout import Layout
from db.store import Snapshot
from jobs.api import openapi, sql
from jobs.api.endpoints import ENDPOINTS, PICTURE, SINGLE, Asked, Endpoint, MissingError, run_row, unit_row
from jobs.render import top_images

PROGRAM = version("ganatomy")
MOST, USUAL = 1000, 100  # records of one answer
Answer = Callable[[Snapshot, Request], Response]


def routes(layout: Layout) -> list[Route]:
    """The routes of one store."""
    made = [Route(each.path, _answered(layout, _records(each)), methods=["GET"]) for each in ENDPOINTS]
    return [
        Route("/api", _answered(layout, _index), methods=["GET"]),
        Route("/api/openapi.json", lambda _: JSONResponse(openapi.document()), methods=["GET"]),
        *made,
        sql.route(layout),
        Route(sql.PATH, sql.not_fetched, methods=["GET"]),
        Route(PICTURE, _answered(layout, _picture), methods=["GET"]),
        Route("/api/{rest:path}", _nothing, methods=["GET"]),
    ]


def _nothing(request: Request) -> Response:
    return refusal(f"There is nothing at {request.url.path}; /api/openapi.json lists the addresses.", 404)


def refusal(sentence: str, status: int) -> Response:
    """An error as one sentence."""
    return JSONResponse({"error": sentence}, status_code=status)


def _answered(layout: Layout, answer: Answer) -> Callable[[Request], Response]:
    """A route's function: Starlette runs it in a thread."""

    def route(request: Request) -> Response:
        try:
            snapshot = store.open(layout, make=False)
            tag = f'"{snapshot.version.stem}-{PROGRAM}"'
            if tag in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers={"etag": tag})
            made = answer(snapshot, request)
        except MissingError as error:
            return refusal(str(error), 404)
        except StoreError as error:
            return refusal(str(error), 503 if not layout.current.exists() else 404)
        except GanatomyError as error:
            return refusal(str(error), 400)
        except Exception as error:
            structlog.get_logger().exception("an address of the API failed")
            told = f"This address failed by a mistake in Ganatomy ({type(error).__name__}); see the log."
            return refusal(told, 500)
        made.headers["etag"], made.headers["cache-control"] = tag, "no-cache"
        return made

    return route


def _index(snapshot: Snapshot, request: Request) -> Response:
    about = {"version": snapshot.version.stem, "openapi": "/api/openapi.json", "runs": "/api/runs"}
    return JSONResponse(about)


def _asked(request: Request, known: set[str]) -> Asked:
    """The parameters of a request. Raises `GanatomyError` for one that the address does not take."""
    for name in request.query_params:
        if name not in known:
            takes = ", ".join(sorted(known)) or "no parameter"
            raise GanatomyError(f"There is no parameter {name} here; this address takes {takes}.")
    return {**request.query_params, **request.path_params}


def _whole(asked: Asked, name: str, default: int, low: int, high: int) -> int:
    said = asked.get(name, str(default))
    if not (said.isascii() and said.isdigit() and len(said) < 16 and low <= int(said) <= high):
        raise GanatomyError(f"The parameter {name} is {said}; it is a whole number from {low} to {high}.")
    return int(said)


def _records(endpoint: Endpoint) -> Answer:
    single = endpoint.path in SINGLE

    def answer(snapshot: Snapshot, request: Request) -> Response:
        paging = set() if single else {"limit", "offset"}
        asked = _asked(request, {*endpoint.takes, *paging})
        limit = _whole(asked, "limit", USUAL, 1, MOST)
        offset = _whole(asked, "offset", 0, 0, 10**12)
        frame = endpoint.answer(snapshot, asked)
        if single:
            return _json(items(frame.head(1), endpoint.record)[0])
        page = items(frame.iloc[offset : offset + limit], endpoint.record)
        following = None
        if offset + limit < len(frame):
            more = {**request.query_params, "limit": limit, "offset": offset + limit}
            following = f"{request.url.path}?{urlencode(more)}"
        return _json({"items": page, "total": len(frame), "next": following})

    return answer


def _json(content: Any) -> Response:
    return Response(json.dumps(content, allow_nan=False, ensure_ascii=False), media_type="application/json")


def items(frame: pd.DataFrame, record: type | None = None) -> list[dict[str, Any]]:
    """The rows of a frame as plain values: those of a record, else all; null for what is missing."""
    names = [each.name for each in fields(record)] if record else [str(name) for name in frame.columns]
    shown = frame.reindex(columns=names)
    columns = [[plain(value) for value in shown[name].tolist()] for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def plain(value: Any) -> Any:
    """A cell as JSON has it: times in ISO format as UTC, null for what is missing or infinite."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return None
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, datetime):
        return f"{value.isoformat()}Z"
    return value


def _picture(snapshot: Snapshot, request: Request) -> Response:
    asked = _asked(request, {"columns", "rows", "width"})
    own = (
        _whole(asked, "columns", 4, 1, 8),
        _whole(asked, "rows", 1, 1, 4),
        _whole(asked, "width", 128, 32, 512),
    )
    return Response(unit_picture(snapshot, asked, *own), media_type="image/png")


def unit_picture(snapshot: Snapshot, asked: Asked, columns: int, rows: int, width: int) -> bytes:
    """The top images of the unit that `run_id`, `layer` and `unit` name, as PNG."""
    unit, run = unit_row(snapshot, asked).iloc[0], run_row(snapshot, asked["run_id"]).iloc[0]
    grid = (int(run["grid_height"]), int(run["grid_width"]))
    threshold = None if pd.isna(unit["threshold"]) else float(unit["threshold"])
    bundle, low = snapshot.bundle(asked["run_id"]), unit["side"] == "low"
    number = int(asked["unit"])
    return top_images.unit(bundle, asked["layer"], number, threshold, grid, columns, rows, width, low)
