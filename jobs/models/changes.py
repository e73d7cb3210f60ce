"""Changes of a store's models on the page and the command line, noted in the workspace. No torch."""

from __future__ import annotations

import json
from typing import Any

from analysis.models.catalogue import ModelInfo
from analysis.models.weights import Added
from db.layout import Layout
from jobs.models.shelf import REGISTRIES

PAGE = "dashboard"  # the author of what is changed on the page


def register(layout: Layout, info: ModelInfo, author: str, key: str | None = None, was: str = "") -> None:
    """Note in the workspace who added or changed a model and when, where SQL can join it.

    `key` is that of its weights in their file. Without one, that of an earlier note stays; `was` is the name
    of that note, where the model had another.
    """
    from db import workspace  # a second that other requests need not spend

    given = {"key": key} if key else settings(layout, info.role, was or info.name)
    same = {name: getattr(info, name) for name in ("name", "role", "family", "title", "licence")}
    weights = info.weights
    workspace.open(layout).add(
        "model",
        author,
        **same,
        weights_file=weights.file if isinstance(weights, Added) else None,
        weights_sha256=getattr(weights, "sha256", None),
        settings=json.dumps(given) if given else None,
    )


def settings(layout: Layout, role: str, name: str) -> dict[str, Any]:
    """What the workspace notes of how a model was added: its key in the file, if one was named."""
    from db import workspace

    rows = workspace.open(layout).rows("model", role=role, name=name)
    noted = rows["settings"].iloc[-1] if len(rows) else None
    try:
        found = json.loads(noted) if noted else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def forget(layout: Layout, role: str, name: str) -> None:
    """Remove the workspace's note of a model."""
    from db import workspace

    space = workspace.open(layout)
    for number in space.rows("model", role=role, name=name)["id"]:
        space.remove("model", int(number))


def rename(layout: Layout, role: str, old: str, new: str, author: str) -> ModelInfo:
    """Give a model that was added another name. Generators follow the new name of their default segmenter.

    Raises:
        GanatomyError: there is none of the old name, or the new one cannot be used.
    """
    info: ModelInfo = REGISTRIES[role].rename(old, new, layout.models)
    register(layout, info, author, was=old)
    forget(layout, role, old)
    return info


def change(layout: Layout, role: str, name: str, author: str, **values: Any) -> ModelInfo:
    """Change what is said of a model that was added.

    Raises:
        GanatomyError: there is none of that name, or it comes with Ganatomy.
    """
    info: ModelInfo = REGISTRIES[role].change(name, layout.models, **values)
    register(layout, info, author)
    return info
