"""The task of an insertion: `python -P -m jobs.tasks.context`, started by a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import structlog

from analysis.context.context import Context, insertion_context
from analysis.shared.number_lists import numbers
from db import store
from db.queries import context
from jobs.kinds.context import ContextRequest
from jobs.tasks.task import LayerTask, main

OWN_K = "mean"  # the causes runs whose constants are k; of others only the units are taken


@dataclass
class ContextTask(LayerTask[ContextRequest]):
    """Forces a concept's units on at every cell."""

    def run(self) -> None:
        self.watch.save()
        request, settings = self.request, self.request.settings
        units, values = self.units()
        structlog.get_logger().info(
            "loading",
            generator=request.generator,
            parent=request.parent,
            units=units or "of best IoU",
            causes=request.causes,
        )
        found = insertion_context(
            self.generator,
            self.segmenter,
            layer=request.layer,
            concept=request.concept,
            units=units,
            values=values,
            seed=request.seed,
            settings=settings,
            progress=self.stages,
            keep=self.kept,
        )
        self.finish_layer(Stored(found), settings.images, found.latents)

    def units(self) -> tuple[list[int] | None, list[float] | None]:
        """The units to force on and, where a causes run measured them, their constants k."""
        if self.request.units is not None:
            return numbers(self.request.units), None
        if self.request.causes is None:
            return None, None
        rows = context.causal_set(store.open(self.spec.layout), self.request.causes)
        units = [int(unit) for unit in rows["unit"]]
        if rows.empty or rows["insert_kind"].iloc[0] != OWN_K:
            return units or None, None
        return units, [float(value) for value in rows["insert_value"]]


@dataclass(frozen=True)
class Stored:
    """An insertion as it is stored: maps at the precision of a picture; the tables have the numbers."""

    found: Context

    def tables(self) -> dict[str, Any]:
        return self.found.tables()

    def arrays(self) -> dict[str, dict[str, Any]]:
        arrays = self.found.arrays()
        arrays["cells"] = {
            name: value.astype("float32") if value.dtype == "float64" and value.ndim > 2 else value
            for name, value in arrays["cells"].items()
        }
        return arrays


if __name__ == "__main__":
    main(ContextTask)
