"""Pictures of edits, from a process that keeps generators loaded."""
