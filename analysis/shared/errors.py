"""The one error for people: a sentence that says what was wrong and what to do."""


class GanatomyError(Exception):
    """What was wrong; what to do. The command line prints it without a traceback and exits with 1."""
