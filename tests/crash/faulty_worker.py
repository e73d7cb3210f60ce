"""A worker that knows the kind `fault`.

Run it as `python -P -m faulty_worker --store DIR`, with this folder on PYTHONPATH, where `sitecustomize.py`
sets its clock.
"""

from faults import FAULT

from jobs.kinds import requests
from jobs.worker import worker

requests.KINDS["fault"] = FAULT

if __name__ == "__main__":
    worker.main()
