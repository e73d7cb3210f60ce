"""What every table of the store is made with, and the tables that every run has.

The modules of this package are the one source of the schema: docs/schema.md, the SQL page's schema browser,
the types of the bundles and the DuckDB file are all made from them. There are no primary keys and no
indexes, because on the large tables they cost five times the insert. A run's rows are unique because
publishing deletes the run and inserts it whole.

A column's `info` holds what a test checks against a real run: `low` and `high` (the least and greatest
value), `starts` (the least value occurs in every real run), `values` (the only ones) and `filled`
(never NULL).
"""

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()

Column = sa.Column[Any]


def text(name: str, comment: str, **checks: Any) -> Column:
    """A column of text."""
    return sa.Column(name, sa.Text, comment=comment, info=checks)


def whole(name: str, comment: str, **checks: Any) -> Column:
    """A column of whole numbers; counts and numbers of things start at 0 unless `low` says otherwise."""
    return sa.Column(name, sa.BigInteger, comment=comment, info={"low": 0} | checks)


def real(name: str, comment: str, **checks: Any) -> Column:
    """A column of real numbers."""
    return sa.Column(name, sa.Double, comment=comment, info=checks)


def share(name: str, comment: str, **checks: Any) -> Column:
    """A column of shares, probabilities and IoUs: real numbers from 0 to 1."""
    return real(name, comment, low=0, high=1, **checks)


def truth(name: str, comment: str, **checks: Any) -> Column:
    """A column of yes or no."""
    return sa.Column(name, sa.Boolean, comment=comment, info=checks)


def moment(name: str, comment: str, **checks: Any) -> Column:
    """A column of times, UTC without a zone."""
    return sa.Column(name, sa.DateTime, comment=comment, info=checks)


def table(name: str, comment: str, *columns: Column) -> sa.Table:
    """A table of results: every row belongs to one run."""
    run_id = text("run_id", "The run that the row belongs to.", filled=True)
    return sa.Table(name, metadata, run_id, *columns, comment=comment)


run = table(
    "run",
    "One row for each run: a job that published something, and everything needed to repeat it.",
    text(
        "kind",
        "What the run did, by the name of its study: dissection, causes, context, artifacts; "
        "or render, for a pinned picture.",
        filled=True,
    ),
    text(
        "parent_run_id",
        "The run that this one stands on (its dissection); NULL for a run that stands on none.",
    ),
    text(
        "state",
        "provisional while the job goes on, final when it has ended.",
        values=("provisional", "final"),
        filled=True,
    ),
    whole(
        "revision",
        "How often the run has published; a later revision replaces the earlier one whole.",
        low=1,
        filled=True,
    ),
    text("generator", "Name of the generator."),
    text("segmenter", "Name of the segmenter."),
    whole("seed", "Seed of the latents; latent i follows from (seed, i) alone."),
    text(
        "inputs",
        "What the generator was given beside its latents, such as truncation=0.7; NULL for nothing.",
    ),
    whole("images", "Number of evaluation images behind the numbers."),
    whole("calibration", "Number of calibration images, which chose thresholds and names."),
    whole("calibration_start", "First calibration latent."),
    whole("calibration_stop", "One past the last calibration latent."),
    whole("evaluation_start", "First evaluation latent."),
    whole("evaluation_stop", "One past the last evaluation latent."),
    text(
        "threshold_rule",
        "How thresholds were chosen: iqr, or the tail fraction as a number; NULL for runs that choose none.",
    ),
    text("layers", "The layers of the run, separated by commas."),
    whole("grid_height", "Height of the grid that images are scored on, in pixels."),
    whole("grid_width", "Width of the grid that images are scored on, in pixels."),
    text("generator_sha256", "SHA-256 of the generator's weights."),
    text("segmenter_sha256", "SHA-256 of the segmenter's weights."),
    text("settings", "All settings of the request, as JSON."),
    text("versions", "Versions of Python and the packages that computed the run, as JSON."),
    text("device", "Device that computed the run."),
    text("host", "Name of the machine that computed the run."),
    text("git_revision", "Revision of this program, where it runs from a checkout."),
    text("owner", "Who asked for the run."),
    text("project", "Project that the run belongs to."),
    moment("started_at", "When the work began, UTC."),
    moment("finished_at", "When this revision was written, UTC."),
    real("duration_s", "Seconds of work behind this revision.", low=0),
    real(
        "images_per_s",
        "Images generated, segmented and counted per second; NULL where the run did not measure it.",
        low=0,
    ),
)

generator = table(
    "generator",
    "The generator of a run.",
    text("name", "Its name in the catalogue."),
    text("family", "Its architecture's family."),
    text("title", "Its name for people."),
    text("weights_sha256", "SHA-256 of its weights."),
    text("latent_shape", "Shape of one latent: its sizes with an x between them, such as 100x1x1."),
    whole("image_height", "Height of its images, in pixels.", low=1),
    whole("image_width", "Width of its images, in pixels.", low=1),
    whole("parameters", "Number of its parameters; 0 for a planted generator."),
    text("licence", "Licence of its weights."),
    text("trained_on", "The data set that it was trained on; NULL where that is not known."),
    text("training", "The training that it is a checkpoint of; NULL where that is not known."),
    whole("training_steps", "Steps of that training when the checkpoint was written."),
    whole("training_images", "Images that the critic had seen by then, repetitions counted."),
)

segmenter = table(
    "segmenter",
    "The segmenter of a run.",
    text("name", "Its name in the catalogue."),
    text("family", "Its architecture's family."),
    text("title", "Its name for people."),
    text("weights_sha256", "SHA-256 of its weights."),
    whole("concepts", "Number of concepts that it can name.", low=1),
    text("licence", "Licence of its weights."),
)

concept = table(
    "concept",
    "The concepts that a run looked for, and how often they are there.",
    text("concept", "Name of the concept.", filled=True),
    text("category", "Its category: object, part, material, colour."),
    whole("label", "Its number in the label maps; 0 is no concept.", low=1, starts=True, filled=True),
    share("frequency", "Share of evaluation pixels that carry it: the score of a unit that is always on."),
    share("calibration_frequency", "Share of calibration pixels that carry it."),
    whole("images", "Evaluation images that show it."),
    whole("calibration_images", "Calibration images that show it."),
    share(
        "mask_iou",
        "Evaluation IoU of the constant control: the best fixed set of pixels on calibration images, or all.",
    ),
    real(
        "kappa",
        "Cohen's kappa of the run's two segmenters over the pixels of 256 evaluation images; NULL without a "
        "second segmenter.",
        low=-1,
        high=1,
    ),
)

layer = table(
    "layer",
    "The layers of a run.",
    text("layer", "Name of the layer: layer1, layer2, ...", filled=True),
    whole("position", "Its place in the generator, from 1.", low=1, starts=True, filled=True),
    text("module_path", "Path of its module in the network."),
    whole("units", "Number of its units (channels).", low=1, filled=True),
    whole("height", "Height of its featuremap, in cells.", low=1, filled=True),
    whole("width", "Width of its featuremap, in cells.", low=1, filled=True),
)

render = table(
    "render",
    "Rendered edits that somebody pinned.",
    text("name", "Name of the images in renders/: the hash of their content.", filled=True),
    text("edit", "The edit, as text.", filled=True),
    whole("latent", "Number of the latent.", filled=True),
    whole("seed", "Seed of the latents.", filled=True),
    text("author", "Who pinned it."),
    truth("shared", "Whether others see it on their pages."),
)

store_info = sa.Table(
    "store_info",
    metadata,
    text("fingerprint", "Fingerprint of the schema that the version was made with."),
    moment("published_at", "When the version was published, UTC."),
    comment="One row about the version itself.",
)
