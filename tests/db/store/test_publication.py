"""Publishing and reading: whole per run, versioned, rebuildable; a damaged file is one sentence."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import sqlalchemy as sa

from db import store, workspace
from db.errors import StoreError
from db.layout import Layout
from db.schema import ddl
from db.schema.base import run
from db.schema.dissection import unit_concept
from db.schema.views import layer_summary, run_comparison, unit_label
from db.sql import console
from db.store import bundles, publication, versions

WriteRun = Callable[..., Path]


def runs(layout: Layout) -> dict[str, int]:
    found = store.open(layout).read(run.select())
    return dict(zip(found.run_id, found.revision, strict=True))


def everything(layout: Layout) -> dict[str, pd.DataFrame]:
    snapshot = store.open(layout)
    tables = [t for t in ddl.metadata.sorted_tables if t.name != "store_info"]
    frames = {t.name: snapshot.read(t.select()) for t in tables}
    return {name: f.sort_values(list(f.columns), ignore_index=True) for name, f in frames.items()}


def test_an_empty_store_has_the_tables_and_no_rows(layout: Layout) -> None:
    snapshot = store.open(layout)
    assert len(snapshot.read(unit_label.select())) == 0
    assert "iou_low" in snapshot.read(unit_concept.select()).columns


def test_no_store_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no store at"):
        store.open(Layout(tmp_path / "nix"))
    assert not (tmp_path / "nix").exists()


def test_every_waiting_bundle_goes_into_one_commit(layout: Layout, write_run: WriteRun) -> None:
    first = store.publish(layout)
    for name in ("a", "b", "c"):
        write_run(name)
    second = store.publish(layout, ["a"])
    assert runs(layout) == {"a": 1, "b": 1, "c": 1}
    assert second.name.startswith("v00000002-")
    assert first != second


def test_nothing_waiting_writes_nothing(layout: Layout, write_run: WriteRun) -> None:
    write_run()
    version = store.publish(layout)
    assert store.publish(layout) == version


def test_a_later_revision_replaces_the_earlier_whole(layout: Layout, write_run: WriteRun) -> None:
    write_run(units=6, state="provisional")
    store.publish(layout)
    before = store.open(layout)
    write_run(units=3, state="final")
    store.publish(layout)
    now = store.open(layout)
    assert now.read(run.select())[["state", "revision"]].to_numpy().tolist() == [["final", 2]]
    assert len(now.read(unit_concept.select())) == 6
    assert len(before.read(unit_concept.select())) == 12
    assert before.bundle("run-1").revision == 1


def test_old_revisions_go_once_nobody_can_be_reading_them(
    layout: Layout, write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = write_run()
    write_run()
    store.publish(layout)
    assert old.exists()
    monkeypatch.setattr(publication, "REVISION_GRACE_S", -1.0)
    write_run("other")
    store.publish(layout)
    assert bundles.revisions(layout, "run-1") == [2]


def test_the_views_answer_the_everyday_questions(layout: Layout, write_run: WriteRun) -> None:
    write_run(units=4)
    store.publish(layout)
    snapshot = store.open(layout)
    labels = snapshot.read(unit_label.select().order_by(unit_label.c.unit))
    assert labels.concept.fillna("").tolist() == ["", "tree", "tree", "tree"]
    assert labels.detector.tolist()[1:] == [False, True, True]
    assert labels.iou.tolist()[1:] == [0.1, 0.2, 0.3]
    summary = snapshot.read(layer_summary.select()).iloc[0]
    assert (summary.named, summary.detectors, summary.detected_concepts) == (3, 2, 1)
    assert (summary.multiple, summary.paper_named) == (0, 3)
    assert (summary.best_iou, round(summary.mean_iou, 6)) == (0.3, 0.25)
    assert summary.best_lift == pytest.approx(0.15 / 0.85)
    assert pd.isna(summary.twin_detectors)
    compared = snapshot.read(run_comparison.select().order_by(run_comparison.c.category))
    counted = compared[["category", "named", "detectors", "paper_named"]].to_numpy().tolist()
    assert counted == [["object", 3, 2, 3], ["part", 0, 0, 0]]


def test_rebuilding_from_bundles_gives_equal_tables(layout: Layout, write_run: WriteRun) -> None:
    for name in ("b", "a"):
        for units in (3, 5):
            write_run(name, units=units)
            store.publish(layout)
    before = everything(layout)
    store.rebuild(layout)
    for name, frame in everything(layout).items():
        pd.testing.assert_frame_equal(frame, before[name])


def damage(path: Path, at: float, length: int) -> None:
    content = bytearray(path.read_bytes())
    start = int(len(content) * at)
    content[start : start + length] = bytes(b ^ 0x5A for b in content[start : start + length])
    path.chmod(0o644)
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["flip", "flip-head", "truncate", "empty", "missing", "no link"])
def test_a_damaged_version_is_one_sentence_and_rebuild_mends_it(
    layout: Layout, write_run: WriteRun, how: str
) -> None:
    write_run("a", units=300)
    version = store.publish(layout)
    write_run("b")
    match how:
        case "flip":
            damage(version, 0.02, version.stat().st_size)
        case "flip-head":
            damage(version, 0, 64)
        case "truncate":
            version.chmod(0o644)
            os.truncate(version, version.stat().st_size // 2)
        case "empty":
            version.chmod(0o644)
            os.truncate(version, 0)
        case "missing":
            version.unlink()
        case _:
            layout.current.unlink()
            layout.current.write_text("not a link")
    for ask in (everything, store.publish):
        with pytest.raises(StoreError, match=r"cannot be read.*ganatomy store rebuild"):
            ask(layout)
    left = [p for p in layout.versions.iterdir() if p != version]
    assert left == []
    store.rebuild(layout)
    assert runs(layout) == {"a": 1, "b": 1}


def test_a_version_of_another_schema_is_made_again_when_it_is_opened(
    layout: Layout, write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run()
    before = store.publish(layout)
    monkeypatch.setattr(ddl, "fingerprint", lambda: "another")
    assert store.open(layout).version != before
    assert runs(layout) == {"run-1": 1}


def test_a_plain_session_reads_the_link(layout: Layout, write_run: WriteRun) -> None:
    write_run()
    store.publish(layout)
    program = (
        "import duckdb,sys; print(duckdb.connect(sys.argv[1], read_only=True).sql('FROM run').df().run_id[0])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(layout.current)], capture_output=True, check=True
    )
    assert answer.stdout.decode().strip() == "run-1"
    store.open(layout)
    with duckdb.connect(str(layout.current), read_only=True) as here:  # beside a snapshot of this process
        assert here.execute("SELECT count(*) FROM unit_label").fetchall() == [(4,)]


def test_somebody_who_opens_the_file_for_writing_locks_no_reader_out(
    layout: Layout, write_run: WriteRun
) -> None:
    write_run()
    version = store.publish(layout)
    write_run("b")
    version.chmod(0o644)
    program = (
        "import duckdb,sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(layout.current)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as intruder:
        assert intruder.stdout
        assert intruder.stdout.readline() == b"open\n"
        ask = "import sys; from db import store; from db.layout import Layout; l = Layout(sys.argv[1]); "
        ask += "print(len(store.open(l).read(__import__('sqlalchemy').text('FROM run')))); store.publish(l)"
        reader = subprocess.run(
            [sys.executable, "-c", ask, str(layout.root)], capture_output=True, check=False
        )
        intruder.kill()
    assert reader.stdout == b"1\n", reader.stderr.decode()
    assert runs(layout) == {"run-1": 1, "b": 1}


def test_forty_commits_leave_one_version_and_every_reader_gets_an_answer(
    layout: Layout, write_run: WriteRun
) -> None:
    """Readers in other processes resolve the link while versions come and go."""
    write_run()
    store.publish(layout)
    ask = "import sys; from db import store; from db.layout import Layout; l = Layout(sys.argv[1])\n"
    ask += "from db.store import health; import sqlalchemy as sa\n"
    ask += "for n in range(10**6):\n    found = len(store.open(l).read(sa.text('FROM run')))\n"
    ask += "    problems = health.check(l).problems if n % 20 == 0 else []\n"
    ask += "    problems = [each for each in problems if 'not published yet' not in each]\n"
    ask += "    if problems: sys.exit(str(problems))\n"
    ask += "    print(found, flush=True)"
    with subprocess.Popen([sys.executable, "-c", ask, str(layout.root)], stdout=subprocess.PIPE) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == b"1\n"
        most = 0
        for number in range(40):
            write_run(f"more-{number % 3}")
            store.publish(layout)
            most = max(most, len(list(layout.versions.iterdir())))
        assert reader.poll() is None
        reader.kill()
        answers = reader.stdout.read().split()
    assert len(answers) > 5
    assert most <= 3  # the newest, one that is read, a copy that a check reads
    write_run("last")
    newest = store.publish(layout)
    left = [path for path in layout.versions.iterdir() if not path.name.startswith(versions.COPY)]
    assert left == [newest]  # a copy that the killed reader's check was reading goes later


def test_sql_on_a_version_that_is_gone_reads_the_newest(layout: Layout, write_run: WriteRun) -> None:
    write_run()
    store.publish(layout)
    snapshot = store.open(layout)
    write_run("b")
    store.publish(layout)
    assert not snapshot.version.exists()
    assert console.run(layout, "SELECT count(*) AS n FROM run", snapshot=snapshot).frame.n.tolist() == [2]


def test_old_versions_stay_while_somebody_reads_them(layout: Layout, write_run: WriteRun) -> None:
    read = store.publish(layout)
    program = (
        "import duckdb,sys; c = duckdb.connect(sys.argv[1], read_only=True); print('open', flush=True); "
    )
    program += "sys.stdin.read(); print(len(c.sql('FROM run').fetchall()))"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(read)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as reader:
        assert reader.stdout
        assert reader.stdout.readline() == b"open\n"
        for name in "abc":
            write_run(name)
            newest = store.publish(layout)
        assert sorted(layout.versions.iterdir()) == [read, newest]
        assert reader.communicate()[0] == b"0\n"
    write_run("d")
    newest = store.publish(layout)
    assert list(layout.versions.iterdir()) == [newest]


def test_a_snapshot_outlives_its_file(layout: Layout, write_run: WriteRun) -> None:
    write_run()
    store.publish(layout)
    snapshot = store.open(layout)
    snapshot.version.unlink()
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(len(snapshot.read(unit_label.select()))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [4] * 8


def test_what_people_wrote_is_joined_at_the_next_commit(layout: Layout, write_run: WriteRun) -> None:
    space = workspace.open(layout)
    space.add("note", "ada", run_id="run-1", layer="layer1", unit=2, text="left side only")
    write_run()
    store.publish(layout)
    joined = sa.text(
        "SELECT unit_label.concept, text, author FROM unit_label JOIN note USING (run_id, layer, unit)"
    )
    assert store.open(layout).read(joined).to_numpy().tolist() == [["tree", "left side only", "ada"]]


def test_a_damaged_workspace_keeps_no_result_back(layout: Layout, write_run: WriteRun) -> None:
    workspace.open(layout).add("note", "ada", text="kept")
    write_run("a")
    store.publish(layout)
    layout.workspace.write_bytes(b"no database at all" * 100)
    write_run("b")
    store.publish(layout)
    assert runs(layout) == {"a": 1, "b": 1}
    assert store.open(layout).read(sa.text("FROM note")).text.tolist() == ["kept"]


def test_final_rows_stay_when_a_provisional_bundle_has_a_higher_number(
    layout: Layout, write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(revision=5, state="provisional", images=320)
    store.publish(layout)
    final = write_run(revision=2, images=6400)
    store.publish(layout)
    assert runs(layout) == {"run-1": 2}
    assert bundles.latest(layout, "run-1").path == final
    write_run(revision=9, state="provisional", images=64)
    store.publish(layout)
    store.rebuild(layout)
    assert store.open(layout).read(run.select()).images.tolist() == [6400]
    monkeypatch.setattr(publication, "REVISION_GRACE_S", -1.0)
    publication.prune(layout)
    assert bundles.revisions(layout, "run-1") == [2]
    assert write_run(images=12800).name == "3"
    store.publish(layout)
    assert runs(layout) == {"run-1": 3}


def test_final_rows_stay_when_their_bundle_is_missing_and_a_provisional_one_comes(
    layout: Layout, write_run: WriteRun
) -> None:
    write_run(images=6400)
    store.publish(layout)
    shutil.rmtree(layout.bundles / "run-1")
    write_run(state="provisional", revision=7)
    store.publish(layout)
    assert store.open(layout).read(run.select()).images.tolist() == [6400]


def test_a_revision_goes_only_when_a_newer_one_is_published(
    layout: Layout, write_run: WriteRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run()
    store.publish(layout)
    (write_run() / "tables" / "unit.parquet").write_bytes(b"")
    write_run("another")
    monkeypatch.setattr(publication, "REVISION_GRACE_S", -1.0)
    store.publish(layout)
    assert bundles.revisions(layout, "run-1") == [1, 2]
