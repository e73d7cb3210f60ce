"""Push and pull, against a real S3 server (moto) in a process of its own."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import s3_server
from children import free_port, until

from db import store
from db.errors import StoreError
from db.layout import Layout
from db.schema.base import run
from db.store import bundles, remote

pytest.importorskip("s3fs", reason="pip install -e '.[dev]' brings s3fs and moto")

WriteRun = Callable[..., Path]
PUSH = (
    "import sys; from pathlib import Path; from db.layout import Layout; from db.store import remote; "
    "remote.push(Layout(Path(sys.argv[1])), sys.argv[2])"
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with s3_server.running() as endpoint:
        yield endpoint


@pytest.fixture
def address(server: str, request: pytest.FixtureRequest) -> str:
    """A new folder in a bucket of the server."""
    bucket = f"bucket-{abs(hash(request.node.name))}"
    s3_server.files().mkdir(bucket)
    return f"s3://{bucket}/bundles"


@pytest.fixture
def other(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "other")


def images(layout: Layout) -> dict[str, int]:
    found = store.open(layout).read(run.select())
    return dict(zip(found.run_id, found.images, strict=True))


def test_push_and_pull(layout: Layout, other: Layout, write_run: WriteRun, address: str) -> None:
    write_run("a")
    write_run("b")
    assert remote.push(layout, address).keys == ["a/1", "b/1"]
    assert remote.push(layout, address) == remote.Copied()
    assert remote.pull(other, address).keys == ["a/1", "b/1"]
    assert remote.pull(other, address) == remote.Copied()
    assert images(other) == {"a": 64, "b": 64}


def test_what_another_process_has_pushed_is_seen(
    layout: Layout, other: Layout, write_run: WriteRun, address: str
) -> None:
    write_run("a")
    remote.push(layout, address)
    remote.pull(other, address)
    write_run("b")
    subprocess.run([sys.executable, "-c", PUSH, str(layout.root), address], check=True)
    assert remote.pull(other, address).keys == ["b/1"]


@pytest.mark.parametrize("number", [2, 5])
def test_final_numbers_beat_the_provisional_ones_of_another_host(
    layout: Layout, other: Layout, write_run: WriteRun, address: str, tmp_path: Path, number: int
) -> None:
    """The revision of the final result is lower than, or the same as, that of a host that died."""
    dead = Layout.create(tmp_path / "dead")
    write_run(into=dead, revision=5, state="provisional", images=320)
    remote.push(dead, address)
    remote.pull(other, address)
    assert images(other) == {"run-1": 320}
    write_run(revision=number, images=6400)
    assert remote.push(layout, address).keys == [f"run-1/{number}"]
    assert remote.push(dead, address).keys == []
    assert remote.pull(other, address).keys == [f"run-1/{number}"]
    assert images(other) == {"run-1": 6400}
    assert remote.pull(other, address).keys == []
    fresh = Layout.create(tmp_path / "fresh")
    assert remote.pull(fresh, address).keys == [f"run-1/{number}"]


def test_a_damaged_bundle_stops_no_other_one(
    layout: Layout, other: Layout, write_run: WriteRun, address: str
) -> None:
    for run_id in "abc":
        write_run(run_id)
    victim = layout.bundles / "b" / "1" / "tables" / "unit.parquet"
    whole = victim.read_bytes()
    victim.write_bytes(b"")
    pushed = remote.push(layout, address)
    assert pushed.keys == ["a/1", "c/1"]
    assert len(pushed.problems) == 1
    assert f"{victim} is damaged" in pushed.problems[0]
    victim.write_bytes(whole)
    remote.push(layout, address)
    s3_server.files().pipe(f"{address}/b/1/tables/unit.parquet", b"")
    pulled = remote.pull(other, address)
    assert pulled.keys == ["a/1", "c/1"]
    assert len(pulled.problems) == 1
    assert f"{address}/b/1/tables/unit.parquet is damaged" in pulled.problems[0]
    assert images(other) == {"a": 64, "c": 64}
    assert sorted(p.name for p in other.bundles.iterdir()) == [".store-id", "a", "c"]


@pytest.mark.parametrize("ask", [remote.push, remote.pull])
def test_a_bucket_that_is_not_there_is_an_error(
    layout: Layout, write_run: WriteRun, server: str, tmp_path: Path, ask: Callable[..., object]
) -> None:
    write_run()
    for nothing in ("s3://nothing/bundles", f"file://{tmp_path}/nothing"):
        with pytest.raises(StoreError, match=f"There is no folder or bucket at {nothing}"):
            ask(layout, nothing)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("ask", [remote.push, remote.pull])
def test_an_endpoint_that_is_down_is_a_sentence(
    layout: Layout, write_run: WriteRun, server: str, ask: Callable[..., object]
) -> None:
    write_run()
    with pytest.raises(StoreError, match=r"cannot be used \(Could not connect.*check the address"):
        ask(layout, "s3://bucket/bundles", endpoint_url=f"http://127.0.0.1:{free_port()}")


def test_a_push_that_is_killed_leaves_no_part_of_a_bundle(
    layout: Layout, other: Layout, write_run: WriteRun, address: str
) -> None:
    names = [f"run-{number:02d}" for number in range(48)]  # enough that a kill comes before the last one
    for run_id in names:
        write_run(run_id)
    with subprocess.Popen([sys.executable, "-c", PUSH, str(layout.root), address]) as process:
        until(lambda: len(s3_server.files().glob(f"{address}/*/*/manifest.json")) >= 3)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    pulled = remote.pull(other, address)
    assert pulled.problems == []
    assert 3 <= len(pulled.keys) < len(names)
    assert images(other) == {key.split("/")[0]: 64 for key in pulled.keys}
    assert len(remote.push(layout, address).keys) == len(names) - len(pulled.keys)
    remote.pull(other, address)
    assert bundles.run_ids(other) == names
