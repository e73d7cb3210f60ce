"""A store under faults: `python -m benchmarks.soak`."""
