"""Pinned renders: pictures that somebody wants to keep become a run with rows in table `render`.

The run's bundle holds copies of the pictures, since those under `renders` may be removed at any time.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from db import store
from db.layout import Layout
from db.store import bundles
from db.times import utc_now
from jobs.render.client import RenderResult


def pin(
    layout: Layout, made: RenderResult, author: str, shared: bool = True, parent_run_id: str | None = None
) -> str:
    """Publish a render as a run, and return the run's id. A second pin of the same render replaces it."""
    names = [Path(file).name for file in made.after]
    rows = pd.DataFrame({"name": names, "edit": made.edit, "latent": list(made.latents), "seed": made.seed})
    rows = rows.assign(author=author, shared=shared)
    run = {
        "run_id": made.key,
        "revision": 1,
        "kind": "render",
        "parent_run_id": parent_run_id,
        "state": "final",
        "generator": made.generator,
        "seed": made.seed,
        "inputs": made.inputs or None,
        "images": len(names),
        "owner": author,
        "started_at": utc_now(),
        "finished_at": utc_now(),
    }
    files = {
        Path(file).name: Path(file).read_bytes() for file in (*made.before, *made.after, *made.difference)
    }
    bundles.write(layout, run, {"render": rows}, files=files)
    store.publish(layout, [made.key])
    return made.key
