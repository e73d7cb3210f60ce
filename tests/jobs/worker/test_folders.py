"""Watched folders: what becomes of a checkpoint that cannot be asked for at once."""

import os
from pathlib import Path

import pytest

from analysis.shared.errors import GanatomyError
from jobs.queue.client import Client
from jobs.system import live
from jobs.worker import folders
from jobs.worker.folders import FolderWatcher


def test_a_watched_checkpoint_that_could_not_be_asked_for_is_asked_for_again(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from analysis.models.checkpoints import save_state
    from analysis.models.families import planted_shapes as family

    folder = tmp_path / "training"
    folder.mkdir()
    save_state(folder / "step-1.safetensors", family.weights(3))
    os.utime(folder / "step-1.safetensors", (0, 0))
    request = {"segmenter": "planted", "images": 64, "calibration": 64}
    folders.add(client.layout, folders.FolderWatch("run1", str(folder), "planted", None, request))
    folders.add(client.layout, folders.FolderWatch("gone", str(folder), "planted", None, request))
    gone = live.read(client.layout.watches)
    gone["gone"]["folder"] = str(tmp_path / "nothing")
    live.write(client.layout.watches, gone)

    def refuse(*_: object) -> None:
        raise GanatomyError("not now")

    watcher = FolderWatcher(client)
    with monkeypatch.context() as patch:
        patch.setattr(client, "submit", refuse)
        while not watcher.retry_at:
            watcher.check()
    assert client.jobs() == []
    FolderWatcher(client).check()  # another worker, after a kill: it is registered, and was not asked for
    [job] = client.jobs()
    assert job.request["generator"].startswith("run1-step-1-")
    FolderWatcher(client).check()
    assert len(client.jobs()) == 1


def test_a_checkpoint_from_the_future_is_complete_once_it_stays_unchanged(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(folders.time, "monotonic", lambda: now)
    monkeypatch.setattr(folders.time, "time", lambda: 1e9)  # the clock was set back
    file = tmp_path / "step-1.pt"
    file.write_bytes(b"weights")
    watcher = FolderWatcher(client)
    assert not watcher._complete(file)
    now += 2
    file.write_bytes(b"more weights")
    assert not watcher._complete(file)
    now += folders.UNCHANGED_S + 1
    assert watcher._complete(file)


@pytest.mark.parametrize("content", ['{"run1": {"name": "run', '{"run1": {"nbme": "run1"}}', "", "[]"])
def test_a_damaged_list_of_watches_is_said_and_not_overwritten(
    client: Client, tmp_path: Path, content: str
) -> None:
    client.layout.watches.write_text(content)
    request = {"segmenter": "planted", "images": 64, "calibration": 64}
    watch = folders.FolderWatch("run2", str(tmp_path), "planted", None, request)
    for act in (
        lambda: folders.watches(client.layout),
        lambda: folders.add(client.layout, watch),
        lambda: folders.remove(client.layout, "run1"),
    ):
        with pytest.raises(GanatomyError, match="damaged; mend it, or move it away"):
            act()
    assert client.layout.watches.read_text() == content
    FolderWatcher(client).check()  # a worker goes on
    client.layout.watches.unlink()
    folders.add(client.layout, watch)
    folders.remove(client.layout, "run2")
    assert folders.watches(client.layout) == []
