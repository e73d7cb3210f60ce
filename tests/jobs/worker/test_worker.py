"""A worker's own log."""

import structlog
from structlog.testing import capture_logs

from jobs.system.logs import FailureLog


def test_a_failure_that_stays_is_logged_once_with_its_traceback() -> None:
    structlog.reset_defaults()
    failures = FailureLog("maintenance fails")
    with capture_logs() as logged:
        for _ in range(50):
            failures.log(ValueError("database disk image is malformed"))
        failures.log(OSError("another"))
    assert [entry["reason"] for entry in logged] == [
        "ValueError: database disk image is malformed",
        "OSError: another",
    ]
    assert all("exc_info" in entry for entry in logged)
