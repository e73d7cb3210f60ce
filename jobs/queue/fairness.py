"""Whose job is next: first by urgency, then owners in turn, then by the time of asking.

The queue sorts by one number, urgency * STEP + turn. An owner's n-th waiting job has turn n, counted from the
turn now running (start-time fair queueing). So an owner with one job is not behind another owner's hundred.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

STEP = 100_000_000


@dataclass(frozen=True)
class Place:
    """An unfinished job: who asked for it, its number in the queue, and whether it runs."""

    owner: str
    number: int
    running: bool


def number(urgency: int, owner: str, places: Iterable[Place]) -> int:
    """The queue's number of a new job of `owner`, beside every unfinished job. Lower numbers run first."""
    peers = [place for place in places if place.number // STEP == urgency]
    mine = [place.number % STEP for place in peers if place.owner == owner]
    running = [place.number % STEP for place in peers if place.running]
    waiting = [place.number % STEP for place in peers if not place.running]
    # Counting from the present turn, not from 0: an owner who was away has no claim on turns that are past.
    now = max(running) if running else min(waiting, default=0)
    turn = max(mine) + 1 if mine else now
    return urgency * STEP + min(turn, STEP - 1)


def urgency(number: int | None) -> int:
    """The urgency (1 first, 9 last) behind a queue number."""
    return max(1, min(9, (number or 5 * STEP) // STEP))
