"""A typed client of the HTTP API.

from jobs.api.client import ApiClient

with ApiClient("http://localhost:8501") as api:
    for unit in api.units("churches-1a2b3c4d5e", "layer4", detectors=True):
        print(unit.unit, unit.concept, unit.lift)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
import pyarrow as pa
from pydantic import TypeAdapter

from analysis.shared.errors import GanatomyError
from db.sql.console import ConsoleResult
from db.sql.parameters import Value
from jobs.api import records, sql

T = TypeVar("T")


class ApiError(GanatomyError):
    """What the server refused, in its own sentence; `status` is its HTTP status, 0 where none came."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class ApiClient:
    """Reads a store through its dashboard. Lists are fetched page by page, as they are read.

    Only `sql` needs the `token`.
    """

    def __init__(
        self, address: str = "http://localhost:8501", timeout: float = 60.0, token: str | None = None
    ) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else None
        self._http = httpx.Client(
            base_url=address.rstrip("/"), timeout=timeout, trust_env=False, headers=headers
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def runs(self, kind: str | None = None) -> Iterator[records.Run]:
        """Every run, newest first."""
        return self._list(records.Run, "/api/runs", kind=kind)

    def run(self, run_id: str) -> records.Run:
        """One run."""
        return self._one(records.Run, _path("runs", run_id))

    def layers(self, run_id: str) -> Iterator[records.Layer]:
        """The layers of a run, in the generator's order."""
        return self._list(records.Layer, _path("runs", run_id, "layers"))

    def concepts(self, run_id: str) -> Iterator[records.Concept]:
        """The concepts of a run, most detected first."""
        return self._list(records.Concept, _path("runs", run_id, "concepts"))

    def concept_units(self, run_id: str, concept: str) -> Iterator[records.Agreement]:
        """The units of all layers that agree best with a concept, detectors first."""
        return self._list(records.Agreement, _path("runs", run_id, "concepts", concept, "units"))

    def units(
        self, run_id: str, layer: str, concept: str | None = None, detectors: bool = False
    ) -> Iterator[records.Unit]:
        """The units of a layer under their names, the largest lift first."""
        path = _path("runs", run_id, "layers", layer, "units")
        return self._list(records.Unit, path, concept=concept, detectors="true" if detectors else None)

    def unit(self, run_id: str, layer: str, unit: int) -> records.Unit:
        """One unit."""
        return self._one(records.Unit, _path("runs", run_id, "layers", layer, "units", unit))

    def unit_concepts(self, run_id: str, layer: str, unit: int) -> Iterator[records.Agreement]:
        """One unit beside every concept, the largest lift first."""
        return self._list(
            records.Agreement, _path("runs", run_id, "layers", layer, "units", unit, "concepts")
        )

    def top_images(self, run_id: str, layer: str, unit: int) -> Iterator[records.TopImage]:
        """The images that activate a unit most."""
        return self._list(records.TopImage, _path("runs", run_id, "layers", layer, "units", unit, "images"))

    def picture(self, run_id: str, layer: str, unit: int, **size: int) -> bytes:
        """The unit's top images as PNG; `size` has columns, rows and width."""
        path = _path("runs", run_id, "layers", layer, "units", unit, "picture.png")
        return self._get(path, size).content

    def causes(self, run_id: str) -> Iterator[records.Cause]:
        """The units of a causes run, the largest alpha first."""
        return self._list(records.Cause, _path("runs", run_id, "causes"))

    def cause_summary(self, run_id: str) -> Iterator[records.CauseSummary]:
        """What a causes run found, one row per segmenter."""
        return self._list(records.CauseSummary, _path("runs", run_id, "causes", "summary"))

    def curves(self, run_id: str) -> Iterator[records.Curve]:
        """Effects of a causes run against the number of units."""
        return self._list(records.Curve, _path("runs", run_id, "causes", "curves"))

    def contexts(self, run_id: str) -> Iterator[records.Context]:
        """Effects of insertions by what was there before."""
        return self._list(records.Context, _path("runs", run_id, "context"))

    def context_summary(self, run_id: str) -> Iterator[records.ContextSummary]:
        """What insertions change on average, one row per strength."""
        return self._list(records.ContextSummary, _path("runs", run_id, "context", "summary"))

    def artifact_units(self, run_id: str) -> Iterator[records.ArtifactUnit]:
        """The units of an artifacts run, by ranking, worst first."""
        return self._list(records.ArtifactUnit, _path("runs", run_id, "artifacts"))

    def artifact_effects(self, run_id: str) -> Iterator[records.ArtifactEffect]:
        """Distances to the reference before and after units are switched off."""
        return self._list(records.ArtifactEffect, _path("runs", run_id, "artifacts", "effects"))

    def sql(
        self, statement: str, rows: int = 10_000, seconds: float = 20.0, **values: Value
    ) -> ConsoleResult:
        """The answer to one reading statement; the client needs the token of the dashboard.

        `values` are those of parameters, such as `run="churches-1"` for `:run`.

        Raises ApiError where the server refuses the token or the statement.
        """
        asked = {"statement": statement, "rows": rows, "seconds": seconds, "values": values}
        answer = self._send("POST", sql.PATH, json=asked, headers={"accept": sql.ARROW})
        table = pa.ipc.open_stream(answer.content).read_all()
        facts = answer.headers
        return ConsoleResult(table, facts["x-truncated"] == "true", float(facts["x-seconds"]))

    def _one(self, record: type[T], path: str) -> T:
        return TypeAdapter(record).validate_python(self._get(path, {}).json())

    def _list(self, record: type[T], path: str, **takes: str | None) -> Iterator[T]:
        adapter = TypeAdapter(list[record])  # type: ignore[valid-type]
        asked: dict[str, Any] = {name: value for name, value in takes.items() if value is not None}
        following: str | None = path
        while following:
            page = self._get(following, asked).json()
            yield from adapter.validate_python(page["items"])
            following, asked = page["next"], {}

    def _get(self, path: str, asked: dict[str, Any]) -> httpx.Response:
        return self._send("GET", path, params=asked or None)

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **content)
        except httpx.HTTPError as error:
            told = f"{self._http.base_url} does not answer ({error}); is the dashboard running there?"
            raise ApiError(told, 0) from error
        if answer.status_code != 200:
            try:
                sentence = str(answer.json()["error"])
            except (ValueError, KeyError, TypeError):
                sentence = f"{self._http.base_url} answers {answer.status_code}; it may be no dashboard."
            raise ApiError(sentence, answer.status_code)
        return answer


def _path(*parts: str | int) -> str:
    return "/api/" + "/".join(quote(str(part), safe="") for part in parts)
