"""The command line `ganatomy`."""
