"""`ganatomy demo`: from nothing to dissected GANs in the browser. Churches comes with Ganatomy and starts at
once; faces follows when it can be fetched. Run again, it goes on from what is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from analysis.models import generators, segmenters
from analysis.shared.errors import GanatomyError
from jobs.cli.dissect import speed
from jobs.cli.models import pair
from jobs.kinds.requests import DissectionRequest
from jobs.queue.client import Client
from jobs.queue.records import Job, Submission
from jobs.services import supervisor
from jobs.system import logs

FIRST = DissectionRequest(generator="churches", images=1000, calibration=500, project="demo")
SECOND = DissectionRequest(generator="faces", images=400, calibration=200, project="demo")


def run(
    client: Client, port: int, address: str, images: int | None, calibration: int | None, until_done: bool
) -> None:
    """Start everything, queue churches, fetch and queue faces, show how far they are; until Ctrl-C."""
    sizes = {"images": images, "calibration": calibration}
    asked = {name: size for name, size in sizes.items() if size is not None}
    requests = [request.model_copy(update=asked) for request in (FIRST, SECOND)]
    services = supervisor.standard(client.layout, port, address, warm=FIRST.generator)
    services.claim()
    logs.structured(client.layout.logs / "supervisor.log")
    console = Console()
    with Progress(*COLUMNS, console=console) as bar:
        shows = [Show(client, bar, request) for request in requests]
        try:
            shows[0].submit()
        except BaseException:
            services.close()
            raise
        threading.Thread(target=shows[1].fetch_and_submit, daemon=True).start()
        services.run(Look(services, shows, until_done, console))
    if until_done and any(show.failed for show in shows):
        raise GanatomyError(next(show.failed for show in shows if show.failed))


COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    TextColumn("{task.completed}/{task.total}"),
    TextColumn("{task.fields[speed]}"),
)


@dataclass
class Show:
    """What the terminal says of one dissection: its fetching, its progress, its end."""

    client: Client
    bar: Progress
    request: DissectionRequest
    task: TaskID | None = None
    submission: Submission | None = None
    failed: str = ""
    done: bool = False
    said: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """What is dissected."""
        return self.request.generator

    def submit(self) -> None:
        """Queue it, or recognise it."""
        self.submission = self.client.submit(self.request)
        self.say("queued", self.submission.message)

    def fetch_and_submit(self) -> None:
        """Fetch what it needs, then queue it. Without a network that is said, and nothing is lost."""
        try:
            for model in pair(self.client.layout, self.name):
                registry = generators if model == self.name else segmenters
                if not registry.ready(model, self.client.layout.models):
                    registry.fetch(model, self.client.layout.models, self._fetching(model))
            self.submit()
        except (GanatomyError, OSError) as error:
            self.say(
                "left out", f"{self.name.title()} is left out: {error} Run `ganatomy demo` again to try."
            )
            self.done = True
        finally:
            self.hide()

    def _fetching(self, model: str) -> Callable[[int, int], None]:
        return lambda done, total: self.show(f"fetching {model}", done // 1024, total // 1024 or None, "kB")

    def look(self) -> None:
        """Say what there is to say of its job."""
        if self.done or self.submission is None:
            return
        job = self.client.job(self.submission.job_id) if self.submission.job_id else None
        if job is not None and not job.ended:
            self.tell(job)
        else:
            self.end(job)

    def tell(self, job: Job) -> None:
        """A line of progress, and the news that pages have something to show."""
        self.show(f"{self.name}: {job.stage or job.state}", job.done, job.total or None, speed(job))
        if job.published:
            self.say("first", f"First numbers of {self.name} are on the pages; the rest follows in place.")

    def end(self, job: Job | None) -> None:
        """The job has ended, or was done before."""
        self.done = True
        self.hide()
        if job is not None and job.state != "done":
            self.failed = f"The dissection of {self.name} {job.state}: {job.error or 'no reason given'}"
            self.say("failed", self.failed)
        elif self.submission is not None:
            self.say("done", f"The dissection of {self.name} is done: run {self.submission.run_id}.")

    def show(self, what: str, done: int, total: int | None, pace: str) -> None:
        """Its line among the bars."""
        if self.task is None:
            self.task = self.bar.add_task(what, total=total, speed=pace)
        self.bar.update(self.task, description=what, completed=done, total=total, speed=pace, visible=True)

    def hide(self) -> None:
        """No line of its own for now."""
        if self.task is not None:
            self.bar.update(self.task, visible=False)

    def say(self, what: str, text: str) -> None:
        """Say something once."""
        if what not in self.said:
            self.said.add(what)
            self.bar.console.print(text, highlight=False)


@dataclass
class Look:
    """Looks at everything, at most twice a second; ends it when all is done and that was asked for."""

    services: supervisor.Supervisor
    shows: list[Show]
    until_done: bool
    console: Console
    open: bool = False
    due: float = 0.0

    def __call__(self) -> None:
        if time.monotonic() < self.due:
            return
        self.due = time.monotonic() + 0.5
        if not self.open and supervisor.answers(self.services.address):
            self.open = True
            self.console.print(f"Open {self.services.address}  (Ctrl-C stops everything)", highlight=False)
        for show in self.shows:
            show.look()
        all_done = all(show.done for show in self.shows)
        if self.until_done and all_done and (self.open or any(show.failed for show in self.shows)):
            self.services.stopping = True
