"""Timing pairs side by side: what is compared runs in turn, so that a busy machine slows both."""

import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

BASELINES = Path(__file__).parent / "baselines"


def interleaved(
    runs: dict[str, Callable[[], object]], repeats: int, clock: str = "wall"
) -> dict[str, list[float]]:
    """Seconds of every run, `repeats` times in turn, after one unmeasured round.

    The clock "cpu" counts processor time: at one thread, what a machine with nothing else to do would take.
    """
    now = time.process_time if clock == "cpu" else time.perf_counter
    found: dict[str, list[float]] = {name: [] for name in runs}
    for round_number in range(repeats + 1):
        for name, run in runs.items():
            start = now()
            run()
            if round_number:
                found[name].append(now() - start)
    return found


def ratio(seconds: dict[str, list[float]], of: str, over: str) -> float:
    """The median over rounds of one run's time over another's."""
    return median(a / b for a, b in zip(seconds[of], seconds[over], strict=True))


def report(name: str, figures: dict[str, Any], write: bool) -> None:
    """Prints figures beside the committed baseline; with `write` they become the baseline."""
    file = BASELINES / f"{name}.json"
    before = json.loads(file.read_text()) if file.exists() else {}
    for key, value in figures.items():
        shown = f"{value:.3g}" if isinstance(value, float) else value
        print(f"{name}: {key} = {shown}" + (f"   (baseline {before[key]})" if key in before else ""))
    if write:
        BASELINES.mkdir(exist_ok=True)
        rounded = {k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in figures.items()}
        made = {
            "threads": torch.get_num_threads(),
            "machine": platform.machine(),
            "torch": torch.__version__,
        }
        file.write_text(json.dumps(rounded | made, indent=1) + "\n")
