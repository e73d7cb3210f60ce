"""A worker that knows the kind `fault`.

Run it as `python -P -m faulty_worker --store DIR`, with this folder on PYTHONPATH. While the file that
FAULT_CLOCK names exists, the worker's wall clock is one hour slow.
"""

import os
import time
from pathlib import Path

from faults import FAULT

from jobs.kinds import requests
from jobs.worker import worker

requests.KINDS["fault"] = FAULT

if clock := os.environ.get("FAULT_CLOCK"):
    right = time.time
    time.time = lambda: right() - 3600 * Path(clock).exists()

if __name__ == "__main__":
    worker.main()
