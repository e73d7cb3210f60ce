"""Changes of a store's models on the page and the command line, noted in the workspace. No torch."""

from __future__ import annotations

import json
from typing import Any

from analysis.models.catalogue import ModelInfo
from analysis.models.weights import Added
from db.layout import Layout
from db.permissions import Person
from jobs.models.shelf import REGISTRIES


def register(
    layout: Layout,
    info: ModelInfo,
    person: Person,
    key: str | None = None,
    was: str = "",
    whose: str = "",
) -> None:
    """Note in the workspace who added a model, and what is said of it now, where SQL can join it.

    `key` is that of its weights in their file. Without one, that of an earlier note stays; `was` is the name
    of that note, where the model had another. A model stays whose it was, there or by `whose`.
    """
    from db import workspace  # a second that other requests need not spend

    given = {"key": key} if key else settings(layout, info.role, was or info.name)
    same = {name: getattr(info, name) for name in ("name", "role", "family", "title", "licence")}
    weights = info.weights
    workspace.open(layout, person).add(
        "model",
        whose or owner(layout, info.role, was or info.name) or person.name,
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


def owner(layout: Layout, role: str, name: str) -> str:
    """Who added a model; "" where that was not noted."""
    from db import workspace

    rows = workspace.open(layout).rows("model", role=role, name=name)
    return str(rows["author"].iloc[-1]) if len(rows) else ""


def allow(layout: Layout, person: Person, action: str, role: str, name: str) -> str:
    """Whose a model of the store is. Raises NotAllowedError where a person may not do that to it."""
    whose = owner(layout, role, name)
    require(layout, person, action, role, name, whose)
    return whose


def require(layout: Layout, person: Person, action: str, role: str, name: str, whose: str) -> None:
    """Raise NotAllowedError where a person may not do that to somebody's model."""
    from db import workspace

    workspace.allow(layout, person, action, role, name, whose)


def forget(layout: Layout, role: str, name: str, person: Person) -> None:
    """Remove the workspace's note of a model."""
    from db import workspace

    space = workspace.open(layout, person)
    for number in space.rows("model", role=role, name=name)["id"]:
        space.remove("model", int(number))


def rename(layout: Layout, role: str, old: str, new: str, person: Person) -> ModelInfo:
    """Give a model that was added another name. Generators follow the new name of their default segmenter.

    Raises:
        GanatomyError: there is none of the old name, or the new one cannot be used.
        NotAllowedError: it is somebody else's.
    """
    allow(layout, person, "rename", role, old)
    info: ModelInfo = REGISTRIES[role].rename(old, new, layout.models)
    register(layout, info, person, was=old)
    forget(layout, role, old, person)
    return info


def change(layout: Layout, role: str, name: str, person: Person, **values: Any) -> ModelInfo:
    """Change what is said of a model that was added.

    Raises:
        GanatomyError: there is none of that name, or it comes with Ganatomy.
        NotAllowedError: it is somebody else's.
    """
    allow(layout, person, "change", role, name)
    info: ModelInfo = REGISTRIES[role].change(name, layout.models, **values)
    register(layout, info, person)
    return info
