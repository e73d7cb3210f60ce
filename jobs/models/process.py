"""The process of a trial: `python -P -m jobs.models.process --store DIR --trial ID`, started by a page.

It reads `request.json` in the trial's folder, and leaves `answer.json` there, with pictures beside it. What
is refused is one sentence under "refused".
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from analysis.models.catalogue import ModelInfo
from analysis.shared.errors import GanatomyError
from db import permissions
from db.errors import StoreError
from db.layout import Layout
from db.permissions import Person
from jobs.kinds import catalogue
from jobs.models import changes, inbox, removal
from jobs.models.shelf import REGISTRIES
from jobs.system import live, locks, processes
from jobs.system.live import JsonObject

AT_ONCE = 2  # processes of a store that do something at the same time
TOLD_S = 0.3  # between two reports of progress
ABOUT = ("title", "licence", "source", "default_segmenter", "trained_on", "inputs")


@dataclass
class Work:
    """A request, and where its answer goes."""

    layout: Layout
    folder: Path
    request: JsonObject
    _told: float = 0.0

    @property
    def person(self) -> Person:
        """Who asks; without a name, who runs this program."""
        given = self.request.get("person")
        return Person(**given) if given else permissions.operator()

    def path(self, source: JsonObject) -> Path:
        """The file or folder that a source names, or the folder of a hub's revision, which is fetched."""
        if source.get("hub"):
            self.tell("Fetching from the hub")
            hub = import_module("analysis.models.segmentation.hub")
            folder: Path = hub.snapshot(str(source["hub"]))
            return folder
        return inbox.path(self.layout, str(source.get("file", "")))

    def tell(self, stage: str, done: int = 0, total: int = 0) -> None:
        """Say how far this is."""
        if not total or done >= total or time.monotonic() - self._told > TOLD_S:
            self._told = time.monotonic()
            live.write(self.folder / "progress.json", {"stage": stage, "done": done, "total": total})


def inspect(work: Work) -> JsonObject:
    """What a generator's file holds, and a sheet of samples."""
    from analysis.models import generators

    work.tell("Reading the file and drawing samples")
    asked = work.request
    found = generators.inspect(
        work.path(asked),
        asked.get("key"),
        asked.get("family"),
        asked.get("answers", {}),
        memory_gb=asked.get("memory_gb"),
    )
    (work.folder / "sheet.png").write_bytes(found.sheet)
    return found.as_json()


def add(work: Work) -> JsonObject:
    """Adds a model under the name that was asked for."""
    role, name, person = str(work.request["role"]), str(work.request["name"]), work.person
    changes.require(work.layout, person, "add", role, name, person.name)
    work.tell("Adding the model and comparing its pictures")
    info = added(work, name)
    changes.register(work.layout, info, person, work.request.get("key"))
    inbox.discard(work.layout, str(work.request.get("file", "")))
    return catalogue.plain(info)


def replace(work: Work) -> JsonObject:
    """Puts new weights in the place of a model's: they are proved first, and the old ones are kept aside."""
    role, name = str(work.request["role"]), str(work.request["name"])
    whose = changes.allow(work.layout, work.person, "replace", role, name)
    registry = REGISTRIES[role]
    old = registry.describe(name, work.layout.models)
    aside = f"replacing-{work.folder.name}"
    work.tell("Adding the new weights and comparing their pictures")
    about = {key: getattr(old, key) for key in ABOUT}
    about["title"] = "" if old.title == name else old.title
    if work.request.get("source"):
        about["source"] = work.request["source"]
    work.request.update(about)
    if vocabulary := old.config.get("vocabulary"):
        file = work.folder / "vocabulary.json"
        file.write_text(json.dumps(vocabulary))
        work.request["vocabulary"] = str(file)
    if aside in registry.names(work.layout.models):
        registry.remove(aside, work.layout.models)
    added(work, aside)
    removal.remove(work.layout, role, name, work.person)  # generators go on naming a segmenter of this name
    info: ModelInfo = registry.rename(aside, name, work.layout.models)
    changes.register(work.layout, info, work.person, work.request.get("key"), whose=whose)
    inbox.discard(work.layout, str(work.request.get("file", "")))
    return catalogue.plain(info)


def added(work: Work, name: str) -> ModelInfo:
    """The model of the request's file, added under a name."""
    asked = work.request
    about: dict[str, Any] = {key: asked[key] for key in ABOUT if asked.get(key)}
    path, models = work.path(asked), work.layout.models
    if asked["role"] == "generator":
        from analysis.models import generators

        return generators.add(
            name,
            asked.get("family"),
            path,
            models,
            asked.get("key"),
            answers=asked.get("answers", {}),
            memory_gb=asked.get("memory_gb"),
            **about,
        )
    info: ModelInfo = import_module("jobs.models.smoke").add_segmenter(name, asked, path, models)
    return REGISTRIES["segmenter"].change(name, models, source=about["source"]) if "source" in about else info


def fetch(work: Work) -> JsonObject:
    """Fetches the published weights of models, and checks their hash."""
    for role, name in work.request["models"]:
        registry = REGISTRIES[role]
        if not registry.ready(name, work.layout.models):
            stage = f"Fetching {name}"
            work.tell(stage)
            registry.fetch(
                name,
                work.layout.models,
                lambda done, total, stage=stage: work.tell(stage, int(done), int(total or 0)),
            )
    return {"fetched": [name for _role, name in work.request["models"]]}


def _smoke(name: str) -> Callable[[Work], JsonObject]:
    """A function of the module that needs torch, imported when it is called."""
    return lambda work: getattr(import_module("jobs.models.smoke"), name)(work)


DOES: dict[str, Callable[[Work], JsonObject]] = {
    "inspect": inspect,
    "add": add,
    "replace": replace,
    "fetch": fetch,
    "segmenter": _smoke("segmenter"),
    "samples": _smoke("samples"),
    "smoke": _smoke("smoke"),
}


def answered(work: Work, what: str) -> JsonObject:
    """The answer to a request, or the sentence why there is none."""
    try:
        work.tell("Waiting for another trial to end")
        slot = None
        while slot is None:
            taken = (locks.take(work.layout.trials, f"slot-{number}") for number in range(AT_ONCE))
            slot = next((lock for lock in taken if lock is not None), None)
            if slot is None:
                time.sleep(0.2)
        return DOES[what](work)
    except (GanatomyError, StoreError) as error:
        return {"refused": str(error)}
    except MemoryError:
        return {"refused": "This needs more memory than a trial may take; use a smaller model or machine."}
    except Exception as error:
        traceback.print_exc()
        return {
            "refused": f"This could not be done, by a mistake in Ganatomy ({type(error).__name__}); "
            f"see {work.folder.name}/log.txt in the store's folder live/trials."
        }


def main() -> None:
    """Answer the trial that the command line names."""
    processes.expendable()
    parser = argparse.ArgumentParser(prog="jobs.models.process")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--trial", required=True)
    options = parser.parse_args()
    layout = Layout(options.store)
    folder = layout.trials / options.trial
    asked = live.read(folder / "request.json")
    answer = answered(Work(layout, folder, dict(asked["request"])), str(asked["what"]))
    live.write(folder / "answer.json", answer)
    sys.exit(1 if "refused" in answer else 0)


if __name__ == "__main__":
    main()
