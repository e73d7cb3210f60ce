"""Spans as plain tasks of a Ray cluster (`pip install ganatomy[ray]`), whose nodes may share no folder.

A task is given everything by value: the request, edges, thresholds and the models' files. It returns the file
of counts as bytes. They are tasks and not actors: an actor that is started again after its node died may find
no free CPU, and then its lost result blocks for ever.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from analysis.dissection.spans import Span
from analysis.models import generators, segmenters
from analysis.shared.errors import GanatomyError
from db.layout import Layout
from db.store import files
from jobs.spans.folder import SpanFolder, plain
from jobs.spans.helpers import span_request
from jobs.system.live import JsonObject

ANSWER_S = 10.0  # for the first answer of a cluster
RETRIES = 5  # of a task whose node or process died
# From the request, with the bytes of edges, thresholds (none in the calibration) and models by path.
Count = Callable[[JsonObject, bytes, bytes, dict[str, bytes]], bytes]


class RayRunner:
    """The runner `ray`. `count` is what a task calls; its module must be installed on every node."""

    def __init__(self, spec: JsonObject, layout: Layout, folder: SpanFolder, count: Count) -> None:
        self.ray = connected()
        self.spec, self.folder = spec, folder
        self.gpus = 1 if spec["device"] == "cuda" else 0
        self.cpus = max(1, min(int(spec["threads"]), max(int(node.get("CPU", 0)) for node in self._nodes())))
        options = {"num_cpus": self.cpus, "num_gpus": self.gpus, "max_retries": RETRIES}
        self._count = self.ray.remote(**options)(count)
        request = spec["request"]
        pairs = ((generators, request["generator"]), (segmenters, request["segmenter"]))
        paths = [file for registry, name in pairs for file in registry.files(str(name), layout.models)]
        models = {str(file.relative_to(layout.models)): file.read_bytes() for file in paths}
        self._models = self.ray.put(models)
        self._given: dict[Path, Any] = {}  # files that were put into the object store
        self._running: dict[Any, Span] = {}

    def map(self, spans: Sequence[Span]) -> Iterator[Span]:
        """Count spans on the cluster."""
        there = [span for span in spans if self.folder.counts(span).exists()]
        yield from there
        wanted = {*spans} - {*there}
        waiting = [span for span in spans if span in wanted and span not in self._running.values()]
        while wanted:
            while waiting and len(self._running) < 2 * self._slots():
                span = waiting.pop(0)
                self._running[self._start(span)] = span
            for reference in self.ray.wait(list(self._running), num_returns=1, timeout=1.0)[0]:
                span = self._running.pop(reference)
                self._keep(span, reference)
                if span in wanted:
                    wanted.remove(span)
                    yield span

    def _nodes(self) -> list[dict[str, float]]:
        """The resources of each node that is alive."""
        return [node["Resources"] for node in self.ray.nodes() if node["Alive"]]

    def _slots(self) -> int:
        """How many tasks the cluster runs at once, and at least one: a node may be on its way."""
        each = [
            min(
                int(node.get("CPU", 0)) // self.cpus,
                int(node.get("GPU", 0)) // self.gpus if self.gpus else 2**30,
            )
            for node in self._nodes()
        ]
        return max(1, sum(each))

    def _start(self, span: Span) -> Any:
        """A task that counts a span."""
        edges = self._put(self.folder.edges(span.key))
        thresholds = self._put(self.folder.thresholds(span.key)) if span.part == "evaluation" else b""
        work = span_request(self.spec, [plain(span)]) | {"threads": self.cpus}
        return self._count.remote(work, edges, thresholds, self._models)

    def _put(self, file: Path) -> Any:
        if file not in self._given:
            self._given[file] = self.ray.put(file.read_bytes())
        return self._given[file]

    def _keep(self, span: Span, reference: Any) -> None:
        """Write a task's counts to the span's file."""
        try:
            content = self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as error:
            raise GanatomyError(f"A Ray task could not count {span.name}: {error.cause}") from error
        except self.ray.exceptions.RayError as error:
            raise GanatomyError(f"Ray lost {span.name} more than {RETRIES} times: {error}") from error
        with files.replacing(self.folder.counts(span)) as aside:
            aside.write_bytes(content)

    def close(self) -> None:
        """Cancel what runs, and leave the cluster."""
        for reference in self._running:
            self.ray.cancel(reference, force=True)
        self._running.clear()
        if self.ray.is_initialized():
            self.ray.shutdown()


def connected() -> Any:
    """The module `ray`, connected to the cluster at RAY_ADDRESS, else to that of this machine."""
    try:
        import ray
    except ImportError:
        raise GanatomyError("GANATOMY_SPANS=ray needs Ray; run `pip install ganatomy[ray]`.") from None
    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS", "auto")
        try:
            _check_reachable(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, RuntimeError) as error:
            raise GanatomyError(
                f"No Ray cluster answers at '{address}' ({error}); start one with `ray start --head`, or "
                "set RAY_ADDRESS."
            ) from error
    return ray


def _check_reachable(address: str) -> None:
    """Raise `OSError` at once where nothing listens. Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if "/" not in host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
