import forked
import pytest

from analysis.models.files import inspection


@pytest.fixture(autouse=True)
def forked_reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader's process is a fork of the test, which has torch; marked `real_process`, it is a new one."""
    if "real_process" not in request.keywords:
        monkeypatch.setattr(inspection, "_run", forked.run)
