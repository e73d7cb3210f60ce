"""Models that were added on one host, for jobs that run on another.

Submitting a job sends the weights that it names to `GANATOMY_RESULTS`, by their content, and notes them in
the server's table. The host that runs the job fetches what it does not have.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import sqlalchemy as sa

from analysis.models import generators, segmenters
from analysis.models.weights import Added
from analysis.shared.errors import GanatomyError
from analysis.shared.files import file_sha256
from db.layout import Layout
from jobs.kinds.base import Request
from jobs.kinds.models import ModelRequest
from jobs.queue import results, server

REGISTRIES = {"generator": generators, "segmenter": segmenters}


def send(layout: Layout, request: Request, run_id: str) -> None:
    """Send the weights of a resolved request; nothing where hosts share no results.

    Raises:
        StoreError: the object store does not answer.
    """
    where = results.address()
    if where is None or not isinstance(request, ModelRequest):
        return
    from db.store import remote  # fsspec and pandas: a second that other commands need not spend

    for info in request.models(layout):
        if not isinstance(info.weights, Added):
            continue
        files = [layout.models / f"{info.role}s" / f"{info.name}{end}" for end in (".safetensors", ".json")]
        key = file_sha256(files[-1])[:24]  # it holds the hash of the weights
        remote.send_files(where, f"models/{key}", files)
        row = server.upsert(server.model, run_id=run_id, role=info.role, name=info.name, key=key)
        with server.transaction() as connection:
            connection.execute(row)


def receive(layout: Layout, request: Request, run_id: str) -> None:
    """Fetch the models of a job that are not here.

    Raises:
        GanatomyError: other weights have a model's name here, so this host would compute something else.
        StoreError: the object store does not answer.
    """
    where, table = results.address(), server.model
    select = sa.select(table.c.role, table.c.name, table.c.key).where(table.c.run_id == run_id)
    with server.transaction() as connection:
        rows = connection.execute(select).all()
    for role, name, key in rows if where is not None else []:
        registry = REGISTRIES[role]
        if name in registry.names(layout.models):
            continue
        from db.store import remote

        with tempfile.TemporaryDirectory(dir=layout.models) as staged:
            remote.receive_tree(str(where), f"models/{key}", Path(staged) / f"{role}s")
            registry.adopt(name, Path(staged), layout.models)
    if request.resolve(layout)[1] != run_id:
        raise GanatomyError(
            "On this host the job's models have other weights than where it was queued; rename or remove "
            "them here (`ganatomy models rename`), then retry the job."
        )
