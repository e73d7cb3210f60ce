"""Whose job is next: urgency first, then owners in turn, then the time of asking.

The queue sorts by one number. It is urgency * STEP + turn, where an owner's n-th waiting job has turn n
counted from the turn now running (start-time fair queueing), so somebody with one job is not behind
somebody's hundred.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

STEP = 100_000_000


@dataclass(frozen=True)
class Place:
    """A job that is waiting or running: who asked, its number in the queue, and whether it runs."""

    owner: str
    number: int
    running: bool


def number(urgency: int, owner: str, places: Iterable[Place]) -> int:
    """The queue's number for a new job of `owner`, given every unfinished job. Lower runs first."""
    peers = [place for place in places if place.number // STEP == urgency]
    mine = [place.number % STEP for place in peers if place.owner == owner]
    running = [place.number % STEP for place in peers if place.running]
    waiting = [place.number % STEP for place in peers if not place.running]
    now = max(running) if running else min(waiting, default=0)
    turn = max(mine) + 1 if mine else now
    return urgency * STEP + min(turn, STEP - 1)


def urgency(number: int | None) -> int:
    """The urgency (1 first, 9 last) behind a queue number."""
    return max(1, min(9, (number or 5 * STEP) // STEP))
