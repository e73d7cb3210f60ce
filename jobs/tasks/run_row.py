"""The run's row: everything needed to repeat a run, and how long it took."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from analysis.counting.counts import Counts
from analysis.counting.plan import Plan
from db.times import utc_now
from jobs.kinds.models import ModelRequest
from jobs.system import live
from jobs.tasks import process, provenance


@dataclass(frozen=True)
class Times:
    """When a run began, and the seconds of work in it, over all attempts."""

    started_at: datetime
    seconds: float


@dataclass
class StopWatch:
    """Keeps a run's time in a file, so that the next attempt goes on from it."""

    file: Path
    _began: float = field(default_factory=time.monotonic)
    _before: Times | None = None

    def keep(self) -> Times:
        """The run's time so far, kept."""
        if self._before is None:
            found = live.read(self.file)
            started = found.get("started_at")
            self._before = Times(
                datetime.fromisoformat(started) if started else utc_now(), found.get("seconds", 0.0)
            )
        times = Times(self._before.started_at, self._before.seconds + time.monotonic() - self._began)
        live.write(self.file, {"started_at": times.started_at.isoformat(), "seconds": times.seconds})
        return times


def common(
    spec: process.Spec,
    request: ModelRequest,
    state: str,
    times: Times,
    models: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """The row of table `run`, as every kind has it: the request, its models, where and when it ran.

    The speed is that of the whole request, from which estimates are made; what is published early states its
    own.
    """
    return {
        "run_id": spec.run_id,
        "kind": request.kind.name,
        "parent_run_id": None,
        "state": state,
        "generator": models["generator"]["name"],
        "segmenter": models["segmenter"]["name"],
        "seed": request.seed,
        "generator_sha256": models["generator"]["weights_sha256"],
        "segmenter_sha256": models["segmenter"]["weights_sha256"],
        "settings": json.dumps(request.model_dump(mode="json"), sort_keys=True),
        "versions": json.dumps(provenance.versions()),
        "device": spec.slot,
        "host": provenance.host(),
        "git_revision": provenance.revision(),
        "owner": request.owner,
        "project": request.project,
        "started_at": times.started_at,
        "finished_at": utc_now(),
        "duration_s": times.seconds,
        "images_per_s": request.size() / times.seconds if times.seconds else None,
    }


def counted(plan: Plan, layers: Sequence[str], calibration: Counts, evaluation: Counts) -> dict[str, Any]:
    """What a dissection's row says besides: which latents were counted, how, on which grid."""
    height, width = evaluation.grid
    return {
        "images": evaluation.images,
        "calibration": calibration.images,
        "calibration_start": calibration.ranges[0][0],
        "calibration_stop": calibration.ranges[-1][1],
        "evaluation_start": evaluation.ranges[0][0],
        "evaluation_stop": evaluation.ranges[-1][1],
        "threshold_rule": str(plan.threshold),
        "layers": ",".join(layers),
        "grid_height": height,
        "grid_width": width,
    }
