from pathlib import Path
from typing import Any

import pytest

from analysis.models import checkpoints
from analysis.models.files import child, inspection
from analysis.models.segmentation import hub, unified


@pytest.fixture(autouse=True)
def read_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child's work in this process: a fork of one with a tokenizer's threads may stand still."""

    def run(asked: dict[str, Any], limits: object, folder: Path) -> int:
        return child.answered(asked)

    if "real_process" not in request.keywords:
        monkeypatch.setattr(inspection, "_run", run)
        monkeypatch.setattr(checkpoints, "read_apart", checkpoints.read_state)
        monkeypatch.setattr(hub, "read_apart", checkpoints.read_state)
        monkeypatch.setattr(unified, "read_apart", checkpoints.read_state)
