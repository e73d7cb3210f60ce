"""Bundles on any fsspec address (s3://, gs://, sftp://, a shared folder): the first step past one host.

Hosts push their bundles to the address; the one committer pulls what it does not have and publishes. The
DuckDB file stays local: it is a cache that anyone can make again from the bundles.
"""

import shutil
from pathlib import PurePosixPath
from typing import Any

import fsspec

from db import store
from db.errors import StoreError
from db.layout import Layout
from db.store import bundles, files


def push(layout: Layout, address: str, **options: Any) -> list[str]:
    """Copy every bundle that the address does not have; one there is whole, as the manifest goes last."""
    system, base = _system(address, options)
    there = set(_listed(system, base))
    pushed = []
    for run_id in bundles.run_ids(layout):
        bundle = bundles.latest(layout, run_id)
        key = f"{run_id}/{bundle.revision}"
        if key not in there:
            bundle.verify()
            for name in (*bundle.manifest["files"], bundles.MANIFEST):
                system.makedirs(str(PurePosixPath(base, key, name).parent), exist_ok=True)
                system.put_file(str(bundle.path / name), f"{base}/{key}/{name}")
            pushed.append(key)
    return pushed


def pull(layout: Layout, address: str, **options: Any) -> list[str]:
    """Fetch the newest revision of every run that is not here, and publish. Damaged ones are refused."""
    system, base = _system(address, options)
    pulled = []
    for key in _newest(_listed(system, base)):
        run_id, revision = key.split("/")
        if int(revision) > max(bundles.revisions(layout, run_id), default=0):
            _fetch(layout, system, f"{base}/{key}", run_id, revision)
            pulled.append(key)
    store.publish(layout, [key.split("/")[0] for key in pulled])
    return pulled


def _fetch(layout: Layout, system: Any, source: str, run_id: str, revision: str) -> None:
    aside = layout.bundles / files.unique(f"{bundles.REMOVED}pull") / bundles.safe(run_id) / revision
    with files.writing(f"The bundle {run_id}"):
        try:
            for path in system.find(source):
                target = aside / PurePosixPath(path).relative_to(system._strip_protocol(source))
                target.parent.mkdir(parents=True, exist_ok=True)
                system.get_file(path, str(target))
            bundles.read(aside).verify()
            bundles.take(layout, aside)
        finally:
            shutil.rmtree(aside.parents[1], ignore_errors=True)


def _system(address: str, options: dict[str, Any]) -> tuple[Any, str]:
    try:
        system, base = fsspec.core.url_to_fs(address, **options)
    except (ImportError, ValueError) as error:
        raise StoreError(f"Bundles cannot be kept at {address} ({error}).") from error
    return system, base.rstrip("/")


def _listed(system: Any, base: str) -> list[str]:
    """run_id/revision of every whole bundle at the address."""
    found = system.glob(f"{base}/*/*/{bundles.MANIFEST}")
    return ["/".join(PurePosixPath(path).parts[-3:-1]) for path in found]


def _newest(keys: list[str]) -> list[str]:
    newest: dict[str, int] = {}
    for key in keys:
        run_id, revision = key.split("/")
        newest[run_id] = max(newest.get(run_id, 0), int(revision))
    return [f"{run_id}/{revision}" for run_id, revision in sorted(newest.items())]
