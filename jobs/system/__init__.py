"""Processes, locks, slots, devices, logs and settings of a machine."""
