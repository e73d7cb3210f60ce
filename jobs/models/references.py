"""What of a store refers to a model. No torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from analysis.shared.errors import GanatomyError
from jobs.models.shelf import listed
from jobs.queue.client import Client
from jobs.worker import folders

JOBS = 200  # that are looked at
FIELDS = {"generator": ("generator",), "segmenter": ("segmenter", "second_segmenter")}  # of a request


def referring(client: Client, role: str, name: str, renamed: bool = False) -> list[str]:
    """What of this store names a model, a few words each: schedules, watched folders, jobs, other models.

    Runs do too; they keep what they have found. With `renamed`, what follows a new name is left out.
    """

    def names(request: Mapping[str, object]) -> bool:
        return any(request.get(each) == name for each in FIELDS[role])

    found = [f"the schedule {schedule.name}" for schedule in client.schedules() if names(schedule.request)]
    try:
        watches = folders.watches(client.layout)
    except GanatomyError as error:
        watches = []
        found.append(f"perhaps a watched folder ({error})")
    found += [f"the watched folder {watch.name}" for watch in watches if names(watch.request)]
    waiting = [job for job in client.overview(JOBS).jobs if not job.ended and names(job.request)]
    found += [f"the job {job.id} ({job.state})" for job in waiting]
    if role == "segmenter" and not renamed:
        users = [model.info for model in listed(client.layout) if model.info.default_segmenter == name]
        found += [f"the generator {info.name}, whose default it is" for info in users]
    return found


def in_words(kinds: list[str]) -> str:
    """Runs by kind: "2 dissections, 1 run of causes"; empty for none."""
    counts = Counter(kinds)
    said = []
    for kind, count in counts.most_common():
        runs = "run" if count == 1 else "runs"
        said.append(f"{count} {runs} of {kind}" if kind != "render" else f"{count} pinned {runs}")
    return ", ".join(said)
