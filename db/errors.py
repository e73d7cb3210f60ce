"""What the store says when it cannot go on."""


class StoreError(Exception):
    """One sentence for a person: what was wrong, and what to do about it. Never shown with a traceback."""


class ConsoleError(StoreError):
    """A statement that the SQL console refused, stopped, or could not run."""
