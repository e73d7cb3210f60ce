"""Quotas: how many unfinished jobs a project may have at a time."""

from __future__ import annotations

from collections.abc import Mapping

OTHERS = "*"  # stands for every project that the setting does not name


def refusal(limits: Mapping[str, int], project: str, unfinished: int, more: int = 1) -> str:
    """Why a project cannot have that many more jobs, in a sentence; "" where it can.

    >>> refusal({"*": 2}, "thesis", 2)
    'Project thesis has 2 unfinished jobs of at most 2 (GANATOMY_PROJECT_JOBS); wait until one has ended.'
    >>> refusal({"*": 2}, "thesis", 1), refusal({"other": 2}, "thesis", 9)
    ('', '')
    """
    most = limits.get(project, limits.get(OTHERS))
    if most is None or unfinished + more <= most:
        return ""
    jobs = "job" if unfinished == 1 else "jobs"
    has = f"Project {project} has {unfinished} unfinished {jobs} of at most {most} (GANATOMY_PROJECT_JOBS)"
    if more > 1:
        return f"{has}, and this would add {more}; wait until some have ended."
    return f"{has}; wait until one has ended."
