"""A worker that knows the kind `fault`.

Run it as `python -P -m faulty_worker --store DIR`, with this folder on PYTHONPATH.
"""

import faults  # noqa: F401 - registers the kind

from jobs.worker import worker

if __name__ == "__main__":
    worker.main()
