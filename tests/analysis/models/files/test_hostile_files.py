"""Files made to do harm: one sentence, an unchanged store, no code run, under 2 GB and 30 s of work."""

import time
import unicodedata
from pathlib import Path

import forked
import pytest
from hostile_files import HOSTILE, Hostile, group

from analysis.models import generators
from analysis.shared.errors import GanatomyError

MOST_MB, MOST_S, LONGEST = 1700, 30, 1400  # 1,700 MB beside the 300 of a process that has torch
ONE_IN = 9  # of these files in the quick tests


def cases() -> list:
    """Every file; most are slow, so that the quick tests take some of each group."""
    marked = []
    for number, case in enumerate(HOSTILE.values()):
        marks = [pytest.mark.slow] if case.slow or number % ONE_IN else []
        marked.append(pytest.param(case, id=case.name, marks=marks))
    return marked


@pytest.mark.parametrize("case", cases())
def test_a_hostile_file(tmp_path: Path, case: Hostile) -> None:
    made, store, canary = tmp_path / "made", tmp_path / "store", tmp_path / "canary"
    made.mkdir()
    models = store / "models"
    (models / "generators").mkdir(parents=True)
    path = case.make(made, canary)
    forked.LAST.seconds = forked.LAST.megabytes = 0.0
    start = time.process_time()
    try:
        added = generators.add("mine", None, path, models)
    except GanatomyError as error:
        refusal = str(error)
        print(f"{case.name}: {refusal}")
        assert refusal.endswith(".")
        assert len(refusal) < LONGEST
        assert not [c for c in refusal if unicodedata.category(c) in ("Cc", "Cf", "Cs")]
        assert "Traceback" not in refusal
        assert not list((models / "generators").iterdir())
    else:
        assert case.accepted, "it was added"
        assert generators.load("mine", models).layers == added.layers
    seconds = time.process_time() - start + forked.LAST.seconds
    print(f"TABLE\t{group(case.name)}\t{case.name}\t{seconds:.2f}\t{forked.LAST.megabytes:.0f}")
    assert not canary.exists()
    assert list(store.iterdir()) == [models]
    assert seconds < MOST_S
    assert forked.LAST.megabytes < MOST_MB
