"""The doctor: each check gives results, and one that fails stops no other."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analysis.shared.errors import GanatomyError
from db import store
from db.layout import Layout
from jobs.services import doctor
from jobs.services.doctor import Check
from jobs.system import slots


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "driver", lambda: False)


def test_an_empty_store_is_checked(layout: Layout) -> None:
    found = {check.what: check for check in doctor.run_checks(layout)}
    assert {"python", "torch", "memory", "slots", "disk", "store", "queue file", "queue", "workers"} <= set(
        found
    )
    assert found["queue file"].level == "ok"
    assert found["workers"].remedy == "start `ganatomy up`"
    assert all(check.remedy for check in found.values() if check.level == "wrong")


def test_a_missing_bundle_and_an_unmounted_disk_are_wrong(
    layout: Layout, write_run: Callable[..., Path]
) -> None:
    write_run("a")
    write_run("b")
    store.publish(layout)
    shutil.rmtree(layout.bundles / "b")
    found = {check.what: check for check in doctor.run_checks(layout)}
    assert (found["bundles"].level, found["bundles"].found) == ("wrong", "missing: b")
    layout.marker.unlink()
    assert any("Is its disk mounted?" in check.found for check in doctor.check_store(layout))


def test_a_check_that_fails_is_a_result(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Layout) -> Iterator[Check]:
        yield Check("first", "ok", "fine")
        raise GanatomyError("There is no such thing.")

    def broken(_: Layout) -> Iterator[Check]:
        raise ZeroDivisionError("division by zero")
        yield

    monkeypatch.setattr(doctor, "check_disk", refused)
    monkeypatch.setattr(doctor, "check_store", broken)
    found = doctor.run_checks(layout)
    assert Check("first", "ok", "fine") in found
    assert Check("check", "wrong", "There is no such thing.") in found
    assert Check("check", "wrong", "ZeroDivisionError: division by zero", "report this as a bug") in found
    assert found[-1].what in ("models", "weights")
