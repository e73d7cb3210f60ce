"""The OpenAPI document of the HTTP API, made from its addresses and records."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from jobs.api import sql
from jobs.api.endpoints import ENDPOINTS, PICTURE, SINGLE, Endpoint

_REF = "#/components/schemas/{model}"
_PAGING = {"limit": "records of one answer, 100 by default, 1,000 at most", "offset": "records to pass over"}
_PICTURE_TAKES = {
    "columns": "images in a row, 1 to 8",
    "rows": "rows, 1 to 4",
    "width": "pixels of one image",
}


@cache
def document() -> dict[str, Any]:
    """The document; it is the same for every store."""
    schemas = {
        "Error": {"type": "object", "properties": {"error": {"type": "string"}}, "required": ["error"]}
    }
    for record in {each.record.__name__: each.record for each in ENDPOINTS}.values():
        made = TypeAdapter(record).json_schema(ref_template=_REF)
        schemas |= made.pop("$defs", {})
        schemas[record.__name__] = made
    paths = {each.path: {"get": _operation(each)} for each in ENDPOINTS}
    png = {"description": "The unit's top images, its mask outlined.", "content": {"image/png": {}}}
    paths[PICTURE] = {
        "get": {
            "summary": "Top images of a unit as one picture.",
            "parameters": _parameters(PICTURE, _PICTURE_TAKES),
            "responses": {"200": png, **_errors()},
        }
    }
    paths[sql.PATH] = {"post": _sql()}
    about = "What a store of Ganatomy holds. The columns are explained in the documentation of the schema."
    return {
        "openapi": "3.1.0",
        "info": {"title": "Ganatomy", "version": "1", "description": about},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _sql() -> dict[str, Any]:
    number = {"type": "number"}
    limits = {
        name: {**number, "default": usual, "maximum": most} for name, (usual, most) in sql.LIMITS.items()
    }
    values = {"type": "object", "description": "a value for each parameter, such as :run"}
    asked = {"statement": {"type": "string"}, "values": values, **limits}
    request = {"type": "object", "properties": asked, "required": ["statement"]}
    row = {"type": "array", "items": {}}
    found = {
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "rows": {"type": "array", "items": row},
            "truncated": {"type": "boolean"},
            "seconds": number,
        },
        "required": ["columns", "rows", "truncated", "seconds"],
    }
    content = {kind: {"schema": found} if kind == "application/json" else {} for kind in sql.FORMATS}
    error = {"application/json": {"schema": {"$ref": _REF.format(model="Error")}}}
    return {
        "summary": "The answer to one reading statement.",
        "security": [{"token": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        "responses": {
            "200": {"description": "The rows.", "content": content},
            "400": {"description": "The statement is refused; the sentence says why.", "content": error},
            "401": {"description": "The token is missing or wrong.", "content": error},
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    record: dict[str, Any] = {"$ref": _REF.format(model=endpoint.record.__name__)}
    single = endpoint.path in SINGLE
    page = {
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": record},
            "total": {"type": "integer"},
            "next": {"type": ["string", "null"], "description": "address of the next page"},
        },
        "required": ["items", "total", "next"],
    }
    content = {"application/json": {"schema": record if single else page}}
    return {
        "summary": endpoint.about,
        "parameters": _parameters(endpoint.path, {**endpoint.takes, **({} if single else _PAGING)}),
        "responses": {"200": {"description": endpoint.about, "content": content}, **_errors()},
    }


def _parameters(path: str, takes: dict[str, str]) -> list[dict[str, Any]]:
    text = {"type": "string"}
    named = re.findall(r"{(\w+)}", path)
    return [{"name": name, "in": "path", "required": True, "schema": text} for name in named] + [
        {"name": name, "in": "query", "description": about, "schema": text} for name, about in takes.items()
    ]


def _errors() -> dict[str, Any]:
    schema = {"$ref": _REF.format(model="Error")}
    content = {"application/json": {"schema": schema}}
    return {
        "400": {"description": "A parameter does not fit; the sentence says why.", "content": content},
        "404": {
            "description": "The store does not have it; the sentence says what it has.",
            "content": content,
        },
    }
