"""Where everything in a store lies. Nothing else in the project builds a path inside a store."""

from dataclasses import dataclass
from pathlib import Path

from db.errors import StoreError


@dataclass(frozen=True)
class Layout:
    """The folders and files of the store at `root`; creating a Layout touches nothing on disk."""

    root: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root).expanduser().absolute())

    @classmethod
    def create(cls, root: Path | str) -> "Layout":
        """Make the folders that are missing. Raises StoreError when they cannot be made."""
        layout = cls(Path(root))
        try:
            for folder in layout.folders:
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The store {layout.root} cannot be made ({error.strerror}); give one that you can write."
            ) from error
        return layout

    @property
    def folders(self) -> tuple[Path, ...]:
        kept = (self.versions, self.bundles, self.labels, self.renders, self.models, self.logs)
        return (*kept, self.work, self.live, self.incoming)

    @property
    def current(self) -> Path:
        """The link to the published version; anyone may open it read-only with DuckDB."""
        return self.root / "current.duckdb"

    @property
    def versions(self) -> Path:
        return self.root / "versions"

    @property
    def bundles(self) -> Path:
        return self.root / "bundles"

    @property
    def identity(self) -> Path:
        """The store's id. `marker` holds the same, to notice another folder in the place of bundles/."""
        return self.root / "store-id"

    @property
    def marker(self) -> Path:
        return self.bundles / ".store-id"

    @property
    def removals(self) -> Path:
        """One empty file per run that somebody deleted or archived, until a commit has taken its rows out."""
        return self.root / "removals"

    @property
    def archive(self) -> Path:
        """Bundles of runs that were put away: not published, not lost."""
        return self.root / "archive"

    @property
    def trash(self) -> Path:
        """Bundles of runs that were deleted: they can be restored until the trash is emptied."""
        return self.root / "trash"

    @property
    def labels(self) -> Path:
        """Label maps, keyed by generator, segmenter, seed and grid; may be evicted, made again on demand."""
        return self.root / "labels"

    @property
    def renders(self) -> Path:
        """Rendered images named by content; may be evicted, made again on demand."""
        return self.root / "renders"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def removed_models(self) -> Path:
        """Models that somebody removed, for some days, so that they can be restored."""
        return self.models / "removed"

    @property
    def incoming(self) -> Path:
        """Checkpoints to be added on the Models page; a page names nothing outside this folder."""
        return self.root / "incoming"

    @property
    def trials(self) -> Path:
        """What the Models page found out about files, one folder per trial; may be evicted."""
        return self.live / "trials"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def work(self) -> Path:
        """What unfinished runs have saved, one folder a run; a job that starts again goes on from there."""
        return self.root / "work"

    @property
    def live(self) -> Path:
        """What runs now: progress of jobs, heartbeats of workers, slot locks, the render socket."""
        return self.root / "live"

    @property
    def last_commit(self) -> Path:
        """How long the last commit took and how much it wrote, for metrics."""
        return self.live / "commit.json"

    @property
    def rebuilding(self) -> Path:
        """How many runs are in the file while it is made again from all bundles."""
        return self.live / "rebuilding.json"

    @property
    def references(self) -> Path:
        """Folders of pictures that a generator's are compared with; people put them there."""
        return self.root / "references"

    @property
    def watches(self) -> Path:
        """Folders whose new checkpoints are dissected, as JSON; set on the command line only."""
        return self.root / "watches.json"

    @property
    def collected(self) -> Path:
        """The results of other hosts that were fetched, by run."""
        return self.root / "collected.json"

    @property
    def schedules(self) -> Path:
        """Schedules as JSON in a backup; `ganatomy store restore` puts them into the queue."""
        return self.root / "schedules.json"

    @property
    def queue(self) -> Path:
        return self.root / "queue.sqlite"

    @property
    def workspace(self) -> Path:
        return self.root / "workspace.sqlite"

    @property
    def commit_lock(self) -> Path:
        """Held by the one committer; the kernel frees it when its holder dies."""
        return self.root / "commit.lock"
