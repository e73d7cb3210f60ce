"""What a child process with limits does with a segmenter: it is read, built, tried, kept and compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from analysis.models import segmenters
from analysis.models.catalogue import ModelInfo
from analysis.models.files.limits import allow, confined
from analysis.models.files.words import plain
from analysis.models.segmentation.family import SegmenterFamily
from analysis.models.segmentation.trial import compare, problems, tried
from analysis.models.weights import Added
from analysis.shared.errors import GanatomyError

Request = Mapping[str, Any]
UNNAMED = {"name": "it", "title": "", "licence": "", "source": ""}


def inspected(request: Request, path: Path) -> dict[str, Any]:
    """The plain values of a `SegmenterInspection`; why it cannot be added is among its problems.

    Raises:
        GanatomyError: nothing is recognised.
    """
    family = request["family"] or segmenters.recognised(path, request["key"])
    kind: SegmenterFamily = segmenters.family_of(family)
    found: dict[str, Any] = {
        "family": family,
        "title": kind.title,
        "choices": [asdict(choice) for choice in kind.choices],
        "answers": dict(request["answers"]),
        "concepts": [],
        "notes": [],
        "problems": [],
    }
    try:
        info, state = _opened({**request, "family": family, "info": UNNAMED}, path)
        segmenter = segmenters.built(info, state, "cpu")
        wrong = problems(segmenter)
    except GanatomyError as error:
        return found | {"problems": [str(error)]}
    return found | {
        "concepts": [asdict(concept) for concept in segmenter.concepts],
        "notes": [plain(note, 400) for note in getattr(segmenter, "notes", ())],
        "problems": list(wrong),
    }


def kept(request: Request, path: Path, models: Path) -> dict[str, Any]:
    """Keeps a segmenter as a store would, under the name in `info`, loads it as a job does, and compares.

    Raises:
        GanatomyError: it cannot be built, breaks the contract, or labels differently once it is kept.
    """
    info, state = _opened(request, path)
    segmenter = segmenters.built(info, state, "cpu")
    seen = tried(segmenter)
    notes = (*getattr(segmenter, "notes", ()), *problems(segmenter))
    concepts = tuple(segmenter.concepts)
    del segmenter  # one at a time is in memory
    segmenters.keep(replace(info, concepts=concepts, notes=notes), state, models)
    del state
    compare(seen, tried(segmenters.load(info.name, models)), info.name)
    return {"family": info.family}


def _opened(request: Request, path: Path) -> tuple[ModelInfo, dict[str, Any]]:
    asked = (request["family"], request["key"], request["answers"], request["vocabulary"])
    family, files, config = segmenters.opened(path, *asked)
    if confined():
        allow(request["limits"]["seconds"])  # it is read; what follows takes longer
    info = ModelInfo(**request["info"], role="segmenter", family=family, weights=Added("", ""), config=config)
    return info, files.state
