"""What a soak runs, how often it disturbs, and which sentences it accepts."""

from __future__ import annotations

from jobs.kinds.dissection import DissectionRequest

WORKERS, READERS = 2, 2
ACTIVE = 6  # jobs that wait or run at a time
GAP_S = 3.0  # between two faults, in the mean
CALM_MINUTES = 6.0  # without faults, after which a job without an end hangs
MARK = "GANATOMY_SOAK"  # environment variable by which the soak's processes are known
ENVIRONMENT = {
    "GANATOMY_CPU_SLOTS": str(WORKERS),
    "GANATOMY_STUCK_SECONDS": "120",
    "GANATOMY_SLOT_MEMORY_GB": "3",
    "GANATOMY_RESTARTS": "60",  # a busy machine kills a process many times before it has loaded
    "GANATOMY_POLL_SECONDS": "0.4",
    "NUMBA_NUM_THREADS": "1",
}
# Images and calibration images, threshold: small ones, and some that are killed in the middle of counting.
VARIANTS = [
    (images, calibration, seed, threshold)
    for seed in (1, 2, 3)
    for images, calibration, threshold in (
        (64, 64, "iqr"),
        (320, 128, "iqr"),
        (640, 320, 0.005),
        (1920, 640, "iqr"),
    )
]
# What each kind of process has in its command line.
PROCESSES = {
    "worker": "faulty_worker",
    "job": "--job",
    "reader": "benchmarks.soak.reader",
    "render": "jobs.render.server",
    "command": "jobs.cli",
}
FULL = r"[Dd]isk is full|No space left|disk I/O error|File too large"
# What a failed job, a refused call or a command may say.
SENTENCES = {
    "full disk": FULL,
    "as asked": r"There is no such layer; choose another\.",
    "killed": r"Its process was killed|Its process ended with status",
    "bundle away": r"is missing\. Its rows are still in the file",
    "backup in part": r"runs, .* MB, read back",  # beside a bundle that is away; exit status 1
    "not published yet": r"Some bundles are not published yet",
    "not queued": r"there is nothing to cancel|only failed and cancelled jobs can be retried",
    "render process": r"The render process",
}


def dissection(generator: str, number: int) -> DissectionRequest:
    """The request of a variant."""
    images, calibration, seed, threshold = VARIANTS[number]
    values = {"images": images, "calibration": calibration, "seed": seed, "threshold": threshold}
    return DissectionRequest.model_validate({"generator": generator, "segmenter": "planted", **values})


def ended(state: str) -> bool:
    """Whether nothing more happens to a job of this state."""
    return state in ("done", "failed", "cancelled", "replaced")
