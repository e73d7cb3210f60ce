"""ganatomy doctor"""

from __future__ import annotations

import sys
from dataclasses import asdict

from jobs.cli.common import Json, Store, client, show_json, show_table


def doctor(store: Store = None, json: Json = False) -> None:
    """Look at everything; say what is wrong and what to do. Exit 1 when something is wrong."""
    from jobs.services import doctor as checks

    found = checks.run_checks(client(store).layout)
    if json:
        show_json([asdict(check) for check in found])
    else:
        show_table(["", "what", "found", "remedy"], [[c.level, c.what, c.found, c.remedy] for c in found], "")
    if any(check.level == "wrong" for check in found):
        sys.exit(1)
