"""Settings: every one documented; slots and threads fill the machine once."""

from pathlib import Path

import pytest

from jobs.system.settings import Settings, cores

DOCUMENT = Path(__file__).parents[3] / "docs" / "jobs.md"


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_documented(name: str) -> None:
    assert f"`GANATOMY_{name.upper()}`" in DOCUMENT.read_text()
    assert Settings.model_fields[name].description


def test_slots_and_threads_fill_the_machine_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for slots in (1, 2, 3):
        settings = Settings(cpu_slots=slots)
        assert settings.slots() == slots
        assert settings.slots() * settings.threads() <= max(cores(), slots)
    monkeypatch.setenv("GANATOMY_SLOT_MEMORY_GB", "2.5")
    assert Settings().memory_bytes(4) == int(2.5 * 2**30)
