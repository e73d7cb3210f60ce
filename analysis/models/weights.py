"""Where a model's weights come from, as values. No torch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """A file of an archive: its path there, and its SHA-256."""

    path: str
    sha256: str

    @property
    def name(self) -> str:
        """Its file name."""
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Fetched:
    """Files of a published package: the archive and each file are known by their SHA-256.

    The first member is the one that is read; others, such as the .bin of an OpenVINO model, lie beside it.
    Of several that are read, the keys begin with the file's name.
    """

    package: str
    version: str
    archive: str
    archive_sha256: str
    members: tuple[Member, ...]
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


@dataclass(frozen=True)
class Plugged:
    """Made by the code of an installed package: a plug-in's entry point, and the SHA-256 of its weights."""

    entry: str
    distribution: str
    version: str
    sha256: str


Weights = Fetched | Bundled | Planted | Added | Plugged
