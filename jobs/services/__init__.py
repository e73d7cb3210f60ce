"""What `ganatomy up` runs, and what `ganatomy doctor` checks."""
