"""Counting the spans of a dissection in other processes: on this machine, on the queue, or on Ray."""
