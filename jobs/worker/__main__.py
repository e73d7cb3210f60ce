"""`python -P -m jobs.worker --store DIR`: a worker process."""

from jobs.worker.worker import main

if __name__ == "__main__":
    main()
