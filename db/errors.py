"""What the store says when it cannot go on."""


class StoreError(Exception):
    """One sentence for a person: what was wrong, and what to do about it. Never shown with a traceback."""


class NotAllowedError(StoreError):
    """What a person may not do (`db.permissions`); nothing was changed."""


class ConsoleError(StoreError):
    """A statement that the SQL console refused, stopped, or could not run.

    `position` is the character of the statement that the sentence is about, where DuckDB names one.
    """

    def __init__(self, sentence: str, position: int | None = None) -> None:
        super().__init__(sentence)
        self.position = position
