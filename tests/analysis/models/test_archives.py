"""Fetching, tried against real package indexes on this machine, and in the slow suite against pip's own."""

import hashlib
import io
import subprocess
import sys
import tarfile
import threading
import zipfile
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from analysis.models.archives import fetch_files, pip_options
from analysis.models.weights import Fetched, Member
from analysis.shared.errors import GanatomyError

CONTENT = b"weights" * 100_000
EVIL = "raise SystemExit('setup.py ran')"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


MEMBERS = (Member("toy/w.pth", sha256(CONTENT)),)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of archives that pip is told to look into, and no index that answers."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", tmp_path.joinpath("empty").as_uri())
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture(params=["wheel", "sdist"])
def source(request: pytest.FixtureRequest, shelf: Path) -> Fetched:
    """A package on the shelf, as wheel or as source archive."""
    archive = shelf / ("toy-1.0-py3-none-any.whl" if request.param == "wheel" else "toy-1.0.tar.gz")
    if request.param == "wheel":
        with zipfile.ZipFile(archive, "w") as zipped:
            zipped.writestr("toy/other.pth", b"other")
            zipped.writestr("toy/w.pth", CONTENT)
    else:
        with tarfile.open(archive, "w:gz") as tarred:
            for name, content in (
                ("setup.py", EVIL.encode()),
                ("toy/other.pth", b"other"),
                ("toy/w.pth", CONTENT),
            ):
                entry = tarfile.TarInfo(f"toy-1.0/{name}")
                entry.size = len(content)
                tarred.addfile(entry, io.BytesIO(content))
    return Fetched("toy", "1.0", archive.name, sha256(archive.read_bytes()), MEMBERS)


def left(folder: Path) -> list[str]:
    """What a fetch left behind, but for its lock."""
    return [path.name for path in folder.rglob("*") if path.suffix != ".lock"]


def test_one_file_is_taken_out_and_nothing_else_is_left(source: Fetched, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    folder = tmp_path / "models"
    (file,) = fetch_files(source, folder, lambda done, total: seen.append((done, total)))
    assert file.read_bytes() == CONTENT
    assert left(folder) == ["w.pth"]
    assert seen[-1][0] == seen[-1][1] > 0
    fetch_files(replace(source, package="no-longer-there"), folder)  # the right file is there: nothing to do
    file.write_bytes(b"damaged")
    fetch_files(source, folder)
    assert file.read_bytes() == CONTENT


def test_several_files_come_from_one_download_or_none_does(source: Fetched, tmp_path: Path) -> None:
    folder, other = tmp_path / "models", Member("toy/other.pth", sha256(b"other"))
    seen: list[int] = []
    both = replace(source, members=(*MEMBERS, other))
    files = fetch_files(both, folder, lambda done, _total: seen.append(done))
    assert [file.read_bytes() for file in files] == [CONTENT, b"other"]
    assert seen == sorted(set(seen))  # the bytes were counted once
    files[1].unlink()
    assert fetch_files(both, folder)[1].read_bytes() == b"other"
    wrong = replace(both, members=(*MEMBERS, Member("toy/other.pth", "0" * 64)))
    with pytest.raises(GanatomyError, match="not the expected file"):
        fetch_files(wrong, tmp_path / "elsewhere")
    assert left(tmp_path / "elsewhere") == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"archive_sha256": "0" * 64}, "not the expected file"),
        ({"members": (Member("toy/w.pth", "0" * 64),)}, "not the expected file"),
        ({"members": (Member("toy/absent.pth", "0" * 64),)}, "does not hold toy/absent.pth"),
        ({"version": "2.0", "archive": "toy-2.0.tar.gz"}, "is not on the package indexes"),
        ({"package": "absent"}, "is not on the package indexes"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_leaves_nothing(
    source: Fetched, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    if "package" in changes:
        changes = {**changes, "archive": "absent-1.0.tar.gz"}
    with pytest.raises(GanatomyError, match=words) as caught:
        fetch_files(replace(source, **changes), tmp_path / "models")
    assert "\n" not in str(caught.value)
    assert left(tmp_path / "models") == []


def test_no_network_is_one_sentence(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "127.0.0.1")
    source = Fetched("toy", "1.0", "toy-1.0.tar.gz", "0" * 64, (Member("toy/w.pth", "0" * 64),))
    with pytest.raises(GanatomyError, match="package index did not answer"):
        fetch_files(source, tmp_path / "models")
    assert left(tmp_path / "models") == []


class Breaking(BaseHTTPRequestHandler):
    """An index whose connection breaks in the middle of the archive."""

    def do_GET(self) -> None:
        self.send_response(200)
        page = b'<a href="/toy-1.0.tar.gz">toy-1.0.tar.gz</a>'
        broken = self.path.endswith("gz")
        self.send_header("Content-Type", "application/gzip" if broken else "text/html")
        self.send_header("Content-Length", str(1000 if broken else len(page)))
        self.end_headers()
        self.wfile.write(bytes(10) if broken else page)

    def log_message(self, *_: object) -> None: ...


def test_a_broken_connection_is_one_sentence_and_leaves_nothing(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Breaking)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "127.0.0.1")
    source = Fetched("toy", "1.0", "toy-1.0.tar.gz", "0" * 64, (Member("toy/w.pth", "0" * 64),))
    try:
        with pytest.raises(GanatomyError, match="package index did not answer"):
            fetch_files(source, tmp_path / "models")
    finally:
        server.shutdown()
        server.server_close()
    assert left(tmp_path / "models") == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(source: Fetched, tmp_path: Path) -> None:
    # A limit on the size of files makes the kernel refuse the write, as a full disk would.
    code = f"""
import resource, signal
from pathlib import Path
from analysis.shared.errors import GanatomyError
from analysis.models.archives import fetch_files
from analysis.models.weights import Fetched, Member
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    fetch_files({source!r}, Path({str(tmp_path / "models")!r}))
except GanatomyError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.startswith("No room in ")
    assert left(tmp_path / "models") == []


def test_a_folder_that_cannot_be_written_is_one_sentence(source: Fetched, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    with pytest.raises(GanatomyError, match="Could not write"):
        fetch_files(source, tmp_path / "models")


def test_the_environment_outranks_pips_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    option = "index-url"
    (tmp_path / "pip.conf").write_text(f"[global]\n{option} = first\ntimeout = 7\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    assert pip_options()[option] == "first"
    monkeypatch.setenv("PIP_INDEX_URL", "second")
    assert pip_options()[option] == "second"
    assert pip_options()["timeout"] == "7"
