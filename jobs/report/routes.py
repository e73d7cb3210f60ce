"""Reports and cards as addresses of the dashboard's server: `/report/KIND?...` and `/embed/unit?...`."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from analysis.shared.errors import GanatomyError
from db import store
from db.errors import StoreError
from db.layout import Layout
from jobs.api.endpoints import MissingError
from jobs.report import contents, html

FRAMED = f"{html.POLICY}; frame-ancestors *"


def routes(layout: Layout) -> list[Route]:
    """The routes of one store."""

    def report(request: Request) -> Response:
        kind = request.path_params["kind"]
        return _answered(layout, request, kind, download="download" in request.query_params)

    def card(request: Request) -> Response:
        return _answered(layout, request, "card")

    return [
        Route("/report/{kind}", report, methods=["GET"]),
        Route("/embed/unit", card, methods=["GET"]),
    ]


def _answered(layout: Layout, request: Request, kind: str, download: bool = False) -> Response:
    asked, address = dict(request.query_params), str(request.base_url)
    policy = FRAMED if kind == "card" else html.POLICY
    headers = {"content-security-policy": policy, "cache-control": "no-cache"}
    try:
        snapshot = store.open(layout, make=False)
        made = contents.card if kind == "card" else None
        text = made(snapshot, asked, address) if made else contents.report(snapshot, kind, asked, address)
    except (MissingError, StoreError, GanatomyError) as error:
        text = html.document("Not found", str(error))
        return HTMLResponse(text, status_code=404, headers=headers)
    if download:
        headers["content-disposition"] = f'attachment; filename="{file_name(kind, asked)}"'
    return HTMLResponse(text, headers=headers)


def file_name(kind: str, asked: dict[str, str]) -> str:
    """A name for the file of a report.

    >>> file_name("unit", {"run": "churches-1", "layer": "layer4", "unit": "3", "download": ""})
    'unit-churches-1-layer4-3.html'
    """
    parts = [kind, *(asked.get(name, "") for name in contents.REPORTS[kind].needs)]
    return re.sub(r"[^A-Za-z0-9._-]+", "-", "-".join(parts))[:120].strip("-") + ".html"
