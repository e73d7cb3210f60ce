"""`ganatomy demo`: from nothing to pages full of results in the browser.

Churches comes with Ganatomy and is dissected at once. Causes, contexts and artifact units of it, which take
minutes to make, come with Ganatomy too (`jobs/demo`) and are imported. Then follow churches with random
weights, an earlier checkpoint of churches to compare with, and, when they can be fetched, photographic faces
(ffhq). A second run continues from the results of the first.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.progress import BarColumn, Progress, TaskID, TextColumn

from analysis.dissection.settings import DissectionSettings
from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from jobs.cli.common import console
from jobs.cli.models import registry_of, with_segmenter
from jobs.cli.submission import follow, require_done, speed
from jobs.demo import results
from jobs.kinds.base import Request
from jobs.kinds.dissection import DissectionRequest
from jobs.queue.client import Client
from jobs.queue.records import Submission
from jobs.services import supervisor
from jobs.system import logs

BASELINE = results.CHURCHES.replace(control="random-weights")
EARLIER = results.CHURCHES.replace(generator="churches-32px")
FACES = DissectionRequest(
    generator="ffhq", settings=DissectionSettings(images=300, calibration=150), project="demo"
)
REQUESTS = (results.CHURCHES, BASELINE, EARLIER, FACES)
COLUMNS = (
    TextColumn("{task.description}", markup=False),
    BarColumn(),
    TextColumn("{task.completed}/{task.total}", markup=False),
    TextColumn("{task.fields[speed]}", markup=False),
)


@dataclass
class Demo:
    """The demo on one store. Sizes that are None have their defaults."""

    client: Client
    images: int | None
    calibration: int | None
    until_done: bool
    open: bool = False
    due: float = 0.0  # on time.monotonic()

    def run(self, port: int, address: str, open_to_all: bool = False) -> None:
        """Start worker, render process and dashboard, dissect, and show progress until Ctrl-C.

        Raises:
            GanatomyError: With `until_done`, a dissection failed.
        """
        sizes = {"images": self.images, "calibration": self.calibration}
        asked = {name: size for name, size in sizes.items() if size is not None}
        requests = [request.replace(**asked) for request in REQUESTS]
        generator = requests[0].generator
        services = supervisor.standard(
            self.client.layout, port, address, warm=generator, open_to_all=open_to_all
        )
        services.claim()
        logs.structured(self.client.layout.logs / "supervisor.log")
        with Progress(*COLUMNS, console=console) as bar:
            parts = [Part(self.client, bar, request) for request in requests]
            try:
                parts[0].submit()
            except BaseException:
                services.close()
                raise
            threading.Thread(target=_follow_up, args=(parts,), daemon=True).start()
            services.run(lambda: self._update(services, parts))
        failed = next((part.failed for part in parts if part.failed), "")
        if self.until_done and failed:
            raise GanatomyError(failed)

    def _update(self, services: supervisor.Supervisor, parts: list[Part]) -> None:
        """Show what is new, at most twice per second, and stop when all is done and `until_done` is set."""
        if time.monotonic() < self.due:
            return
        self.due = time.monotonic() + 0.5
        if not self.open and supervisor.answers(services.address):
            self.open = True
            console.print(f"Open {services.address}  (Ctrl-C stops everything)")
        for part in parts:
            part.update()
        done, failed = all(part.done for part in parts), any(part.failed for part in parts)
        if self.until_done and done and (self.open or failed):
            services.stopping = True


def _follow_up(parts: list[Part]) -> None:
    """Import what comes with Ganatomy, and queue what follows the first dissection."""
    console.print(imported(parts[0].client, parts[0].request))
    for part in parts[1:]:
        part.fetch_and_submit()


def imported(client: Client, dissection: DissectionRequest) -> str:
    """Import the results that come with Ganatomy; a sentence about it. The demo goes on without them."""
    try:
        new = results.import_into(client.layout, dissection)
    except (GanatomyError, StoreError, OSError) as error:
        return f"Causes, contexts and artifact units are left out: {error}"
    if not new:
        return "Causes, contexts and artifact units of churches are there already."
    return (
        f"Causes, contexts and artifact units of churches came with Ganatomy: {len(new)} runs are imported."
    )


def make_bundles(client: Client) -> None:
    """Make the results that come with Ganatomy again, by jobs in this store.

    Raises:
        GanatomyError: A job failed.
    """

    def run(request: Request) -> str:
        submission = client.submit(request)
        console.print(f"{request.title()}: {submission.message}")
        if submission.job_id is not None:
            require_done(follow(client, submission.job_id))
        return str(submission.run_id)

    for path in results.make(client.layout, run):
        console.print(str(path))


@dataclass
class Part:
    """One dissection of the demo: its downloads, its job, and what the terminal shows of them."""

    client: Client
    bar: Progress
    request: DissectionRequest
    task: TaskID | None = None
    submission: Submission | None = None
    failed: str = ""
    done: bool = False
    printed: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        """What is dissected."""
        twin = self.request.control == "random-weights"
        return f"{self.request.generator} with random weights" if twin else self.request.generator

    def submit(self) -> None:
        """Queue the dissection, or find its results."""
        self.submission = self.client.submit(self.request)
        self._print_once("queued", self.submission.message)

    def fetch_and_submit(self) -> None:
        """Fetch the models, then queue the dissection. Without a network the demo goes on without it."""
        name, models = self.request.generator, self.client.layout.models
        try:
            for model in with_segmenter(self.client.layout, name):
                registry = registry_of(self.client.layout, model)
                if not registry.ready(model, models):
                    registry.fetch(model, models, self._reporter(model))
            self.submit()
        except (GanatomyError, OSError) as error:
            text = f"{self.name.capitalize()} is left out: {error} Run `ganatomy demo` again to try again."
            self._print_once("left out", text)
            self.done = True
        finally:
            self._hide_bar()

    def _reporter(self, model: str) -> Callable[[int, int], None]:
        return lambda done, total: self._show_bar(
            f"fetching {model}", done // 1024, total // 1024 or None, "kB"
        )

    def update(self) -> None:
        """Show the progress of the job, and its end."""
        if self.done or self.submission is None:
            return
        name = self.name
        job = self.client.job(self.submission.job_id) if self.submission.job_id else None
        if job is not None and not job.ended:
            self._show_bar(f"{name}: {job.stage or job.state}", job.done, job.total or None, speed(job))
            if job.published:
                text = f"First numbers of {name} are on the pages; the rest follows in place."
                self._print_once("published", text)
            return
        self.done = True
        self._hide_bar()
        if job is not None and job.state != "done":
            end = "was cancelled" if job.state == "cancelled" else "failed"
            self.failed = f"The dissection of {name} {end}: {job.error or 'no reason given'}"
            self._print_once("failed", self.failed)
        else:
            self._print_once("done", f"The dissection of {name} is done: run {self.submission.run_id}.")

    def _show_bar(self, text: str, done: int, total: int | None, pace: str) -> None:
        if self.task is None:
            self.task = self.bar.add_task(text, total=total, speed=pace)
        self.bar.update(self.task, description=text, completed=done, total=total, speed=pace, visible=True)

    def _hide_bar(self) -> None:
        if self.task is not None:
            self.bar.update(self.task, visible=False)

    def _print_once(self, event: str, text: str) -> None:
        if event not in self.printed:
            self.printed.add(event)
            console.print(text)
