"""The studies behind the demo's pages that take minutes: made once by jobs, imported by the demo.

    bundle/<run_id>.tar.xz    a run's bundle: <run_id>/<revision>/, as the store keeps it

They are based on the dissection of churches that the demo makes itself. A run's id follows from its request
and from the weights, so that dissection has the same id in every store, and pages join the two.
`ganatomy demo --make-bundles` makes the bundles again.
"""

from __future__ import annotations

import lzma
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.artifacts.settings import ArtifactsSettings
from analysis.dissection.settings import DissectionSettings
from analysis.shared.errors import GanatomyError
from db.errors import StoreError
from db.layout import Layout
from db.store import bundles, exchange
from jobs.kinds.artifacts import ArtifactsRequest
from jobs.kinds.base import Request
from jobs.kinds.causes import CausesRequest
from jobs.kinds.context import ContextRequest
from jobs.kinds.dissection import DissectionRequest

HERE = Path(__file__).parent / "bundle"

CHURCHES = DissectionRequest(
    generator="churches", settings=DissectionSettings(images=1000, calibration=500), project="demo"
)
STUDIES: tuple[Request, ...] = (  # the context takes its units from the causes
    CausesRequest(generator="churches", layer="layer3", concept="door", project="demo"),
    ContextRequest(generator="churches", layer="layer3", concept="door", project="demo"),
    ArtifactsRequest(
        generator="churches",
        layer="layer3",
        settings=ArtifactsSettings(images=800, sets=20),
        project="demo",
    ),
)


@contextmanager
def unpacked(folder: Path = HERE) -> Iterator[Path]:
    """The bundles that come with Ganatomy, as an export that `exchange.import_run` reads.

    Raises:
        StoreError: An archive is damaged.
    """
    with tempfile.TemporaryDirectory(prefix="ganatomy-demo-") as name:
        export = Path(name)
        for archive in sorted(folder.glob("*.tar.xz")):
            try:
                with tarfile.open(archive) as packed:
                    packed.extractall(export / "bundle", filter="data")
            except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
                raise StoreError(f"{archive} is damaged; get Ganatomy's files again.") from error
        yield export


def committed(export: Path) -> list[bundles.Bundle]:
    """The bundles in an export.

    Raises:
        StoreError: A manifest is damaged, or newer than this program.
    """
    return [bundles.read(path.parent) for path in sorted(export.glob("bundle/*/*/manifest.json"))]


def import_into(layout: Layout, dissection: DissectionRequest = CHURCHES, folder: Path = HERE) -> list[str]:
    """Publish the bundles in a store where `dissection` is made; the runs that are new there.

    Raises:
        GanatomyError: They are based on another dissection: of other weights, or of another sample.
        StoreError: A bundle is damaged, or newer than this program.
    """
    parent = dissection.resolve(layout)[1]
    with unpacked(folder) as export:
        if any(each.run["parent_run_id"] != parent for each in committed(export)):
            raise GanatomyError(
                f"they are based on another dissection than {parent}: of {CHURCHES.settings.images:,} + "
                f"{CHURCHES.settings.calibration:,} images, with the weights that come with Ganatomy."
            )
        return exchange.import_run(layout, export)


def make(layout: Layout, run: Callable[[Request], str], folder: Path = HERE) -> list[Path]:
    """Make the bundles again, in the place of those in `folder`.

    `run` makes one request's run in the store at `layout` and returns its id.
    """
    run(CHURCHES)
    made = [bundles.latest(layout, run(request)) for request in STUDIES]
    for old in folder.glob("*.tar.xz"):
        old.unlink()
    return [_packed(each, folder) for each in made]


def _packed(bundle: bundles.Bundle, folder: Path) -> Path:
    bundle.verify()
    archive = folder / f"{bundle.run_id}.tar.xz"
    with tarfile.open(archive, "w:xz") as packed:
        packed.add(bundle.path, f"{bundle.run_id}/{bundle.revision}", filter=_anonymous)
    return archive


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """A file or folder without the name of whoever packed it, and writable when it is unpacked."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode |= 0o200
    return member
