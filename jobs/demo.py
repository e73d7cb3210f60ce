"""`ganatomy demo`: from nothing to a dissected GAN in the browser. Run again, it goes on from what is
there."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from analysis.errors import GanatomyError
from jobs import logs, supervisor
from jobs.client import Client
from jobs.commands.dissect import speed
from jobs.commands.models import fetch_one, pair
from jobs.requests import DissectRequest
from jobs.views import JobView, Submission

GENERATOR = "faces"


def run(client: Client, port: int, address: str, images: int, calibration: int, until_done: bool) -> None:
    """Fetch, start everything, queue the dissection, show its progress; until Ctrl-C."""
    console = Console()
    services = supervisor.standard(client.layout, port, address, warm=GENERATOR)
    services.open()
    try:
        for name in pair(client.layout, GENERATOR):
            fetch_one(client.layout, name)
        logs.structured(client.layout.logs / "supervisor.log")
        request = DissectRequest(generator=GENERATOR, images=images, calibration=calibration, project="demo")
        submission = client.submit(request)
    except BaseException:
        services.close()
        raise
    console.print(f"{submission.message} The dashboard starts at {services.address}", highlight=False)
    with Progress(*COLUMNS, console=console) as bar:
        show = Show(client, services, submission, bar, bar.add_task("starting", total=None, speed=""))
        services.run(lambda: show.look(until_done))
    if show.failed:
        raise GanatomyError(show.failed)


COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TextColumn("{task.fields[speed]}"),
)


@dataclass
class Show:
    """What the terminal says while everything runs."""

    client: Client
    services: supervisor.Supervisor
    submission: Submission
    bar: Progress
    task: TaskID
    said: set[str] = field(default_factory=set)
    failed: str = ""
    next_look: float = 0.0

    def look(self, until_done: bool) -> None:
        """Look once, at most twice a second."""
        if time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + 0.5
        if "ready" not in self.said and supervisor.answers(self.services.address):
            self.say("ready", f"Open {self.services.address}  (Ctrl-C stops everything)")
        job = self.client.job(self.submission.job_id) if self.submission.job_id else None
        if job is not None:
            self.tell(job)
        if job is None or job.ended:
            self.end(job, until_done)

    def tell(self, job: JobView) -> None:
        """A line of progress, and the news that pages have something to show."""
        self.bar.update(
            self.task, description=job.stage or job.state, completed=job.done, total=job.total or None
        )
        self.bar.update(self.task, speed=speed(job))
        if job.published:
            self.say("first", "First numbers are on the pages; the rest follows in place.")

    def end(self, job: JobView | None, until_done: bool) -> None:
        """The job has ended, or was done before."""
        if job is not None and job.state != "done":
            self.say("failed", f"The dissection {job.state}: {job.error or 'no reason given'}")
            self.failed = f"The dissection {job.state}: {job.error}" if until_done else ""
        else:
            self.say("done", f"The dissection is done: run {self.submission.run_id}.")
            self.bar.update(self.task, visible=False)
        if until_done and ("ready" in self.said or self.failed):
            self.services.stopping = True

    def say(self, what: str, text: str) -> None:
        """Say something once."""
        if what not in self.said:
            self.said.add(what)
            self.bar.console.print(text, highlight=False)
