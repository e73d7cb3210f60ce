"""SIGKILL while a dissection is counted in 16 spans: its counts are those of one process, array by array."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from children import until
from counts_alike import same_counts
from harness import Arena

from analysis import dissect
from analysis.models import generators, segmenters
from db.store import bundles
from jobs.kinds.dissection import DissectionRequest
from jobs.queue.client import Client

SPANS = {
    "GANATOMY_SPAN_SECONDS": "0.001",  # one block of 64 images is a span
    "GANATOMY_CPU_SLOTS": "2",
    "GANATOMY_SLOT_MEMORY_GB": "4",
    "GANATOMY_RESTARTS": "5",
}
SIZES = {"images": 16 * 64, "calibration": 2 * 64, "seed": 21}


def counters(client: Client) -> list[psutil.Process]:
    """The processes that count spans for this store."""
    found = []
    for worker in client.workers():
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(worker.pid).children(recursive=True):
                with suppress(psutil.NoSuchProcess):  # a zombie too
                    found += [process] if "jobs.tasks.span" in process.cmdline() else []
    return found


def kill(processes: list[psutil.Process]) -> int:
    for process in processes:
        process.send_signal(signal.SIGKILL)
    return len(processes)


def counted(folder: Path) -> int:
    """Evaluation spans whose counts are there, or are merged and saved."""
    stops = [int(file.stem[-9:]) for file in folder.glob("evaluation-*.npz")]
    waiting = len(list((folder / "spans").glob("evaluation-*.npz")))
    return waiting + max(0, max(stops, default=128) - 192) // 64


def same_as_one_process(arena: Arena, run_id: str) -> None:
    direct = dissect(generators.load("planted", None), segmenters.load("planted", None), **SIZES)
    published = bundles.latest(arena.client.layout, run_id)
    same_counts(published, direct, but=["images"])  # a picture that is made again may differ by a grey level


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["local", "queue"])
def test_two_kills_in_sixteen_spans(arena: Arena, runner: str) -> None:
    environment = {**SPANS, "GANATOMY_SPANS": runner}
    worker = arena.start(**environment)
    asked = arena.client.submit(DissectionRequest(generator="planted", **SIZES))
    folder = arena.client.layout.work / asked.run_id

    def reached(number: int) -> Callable[[], bool]:
        return lambda: counted(folder) >= number or arena.client.job(str(asked.job_id)).ended

    until(reached(2), 120, "two spans")
    assert kill(counters(arena.client)) >= 1  # all that count at the moment
    before = counted(folder)
    until(reached(before + 2), 120, "two more spans")
    assert not arena.client.job(str(asked.job_id)).ended, arena.client.log(str(asked.job_id))
    if runner == "queue":  # the worker, with the job and all that counts for it
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
        arena.start(**environment)
    else:
        assert kill(counters(arena.client)) >= 1
    job = arena.ended(asked, 200)
    assert (job.state, job.error, job.done, job.total) == ("done", None, 1152, 1152)
    same_as_one_process(arena, asked.run_id)
    assert not folder.exists()
    until(lambda: not counters(arena.client), 20, "the end of all that count")
    left = arena.client.queue.list_workflows(name="ganatomy.span", load_input=False)
    assert [row.status for row in left] == []


@pytest.mark.slow
def test_workers_share_the_spans_of_a_job_and_end_with_it(arena: Arena) -> None:
    """Two workers; the job is cancelled in the middle, and what counts for it ends within seconds."""
    environment = {**SPANS, "GANATOMY_SPANS": "queue"}
    for _ in range(2):
        arena.start(**environment)
    asked = arena.client.submit(DissectionRequest(generator="planted", images=64 * 400, calibration=64))

    def children() -> bool:
        found = arena.client.queue.list_workflows(name="ganatomy.span", status="PENDING", load_input=False)
        return bool(found)

    until(lambda: children() and len(counters(arena.client)) >= 2, 120, "a child")
    assert [job.id for job in arena.client.jobs()] == [asked.job_id]  # a span is no job of its own
    arena.client.cancel(str(asked.job_id))
    until(lambda: not counters(arena.client), 30, "the end of all that count")
    arena.client.retry(str(asked.job_id))
    until(lambda: "spans" in arena.client.job(str(asked.job_id)).stage, 120, "the retried job's spans")
    arena.client.cancel(str(asked.job_id))
