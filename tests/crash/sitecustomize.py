"""Sets the wall clock of a worker and of its job processes.

Python imports this module at its start when this folder is on PYTHONPATH. The file that FAULT_CLOCK names
holds the seconds by which the clock is ahead; without the file the clock is right.
"""

import os
import time

if file := os.environ.get("FAULT_CLOCK"):
    right = time.time

    def wrong() -> float:
        """The time, and what the file says."""
        try:
            with open(file) as ahead:
                return right() + float(ahead.read() or 0)
        except FileNotFoundError:
            return right()

    time.time = wrong
