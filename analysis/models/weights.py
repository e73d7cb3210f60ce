"""Where a model's weights come from, as values. No torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fetched:
    """One file of a published package: the archive and the file are both known by their SHA-256."""

    package: str
    version: str
    archive: str
    archive_sha256: str
    member: str
    member_sha256: str
    key: str | None = None


@dataclass(frozen=True)
class Bundled:
    """A file that comes with Ganatomy, by its path inside the package `analysis`, and its SHA-256."""

    path: str
    sha256: str


@dataclass(frozen=True)
class Planted:
    """Made on the spot from a seed, by the family's `weights(seed)`."""

    seed: int


@dataclass(frozen=True)
class Added:
    """A checkpoint that somebody registered: a file of the store's models folder, and its SHA-256."""

    file: str
    sha256: str


Weights = Fetched | Bundled | Planted | Added
