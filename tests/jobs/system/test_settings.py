"""Settings: every one is documented as it is; slots and threads fill the machine once."""

from pathlib import Path

import pytest

from jobs.system.settings import Settings, cores

DOCUMENT = Path(__file__).parents[3] / "docs" / "jobs.md"
COMPUTED = {
    "cpu_slots": "one per four cores",
    "slot_memory_gb": "85 % of the machine's, shared by the slots",
    "spans": "off",
    "notify": "none",
    "queue": "`queue.sqlite` in the store",
    "results": "none",
    "metrics_port": "none",
    "metrics_address": "127.0.0.1",
    "host": "the host name",
    "project": "the store's folder",
    "admins": "nobody",
    "members": "`*`, everybody",
    "project_jobs": "no limit",
}


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    field = Settings.model_fields[name]
    default = COMPUTED.get(name) or f"{field.default:g}" if name != "store" else f"`{field.default}`"
    assert f"| `GANATOMY_{name.upper()}` | {default} | {field.description} |\n" in DOCUMENT.read_text()


def test_slots_and_threads_fill_the_machine_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for slots in (1, 2, 3):
        settings = Settings(cpu_slots=slots)
        assert settings.slots() == slots
        assert settings.slots() * settings.threads() <= max(cores(), slots)
    monkeypatch.setenv("GANATOMY_SLOT_MEMORY_GB", "2.5")
    assert Settings().memory_bytes(4) == int(2.5 * 2**30)


def test_people_are_listed_with_commas_or_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Settings().admins, Settings().members) == ([], ["*"])
    monkeypatch.setenv("GANATOMY_ADMINS", "ada@example.org, *@lab.example.org")
    monkeypatch.setenv("GANATOMY_MEMBERS", "")
    monkeypatch.setenv("GANATOMY_PROJECT_JOBS", '{"*": 20}')
    assert Settings().admins == ["ada@example.org", "*@lab.example.org"]
    assert (Settings().members, Settings().project_jobs) == ([], {"*": 20})
