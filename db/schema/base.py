"""Every table of the store, each column described. The one source: docs/schema.md, the SQL page's schema
browser, the bundles' types and the DuckDB file are all made from here. Views are in `db.schema.views`.

No primary keys or indexes: on the fact tables they cost five times the insert. A run's rows are unique
because publishing deletes the run and inserts it whole.
"""

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()

Column = sa.Column[Any]


def text(name: str, comment: str) -> Column:
    return sa.Column(name, sa.Text, comment=comment)


def whole(name: str, comment: str) -> Column:
    return sa.Column(name, sa.BigInteger, comment=comment)


def real(name: str, comment: str) -> Column:
    return sa.Column(name, sa.Double, comment=comment)


def truth(name: str, comment: str) -> Column:
    return sa.Column(name, sa.Boolean, comment=comment)


def moment(name: str, comment: str) -> Column:
    return sa.Column(name, sa.DateTime, comment=comment)


def table(name: str, comment: str, *columns: Column) -> sa.Table:
    """A table of results: every row belongs to one run."""
    return sa.Table(
        name, metadata, text("run_id", "The run that the row belongs to."), *columns, comment=comment
    )


run = table(
    "run",
    "One row for each run: a job that published something, and everything needed to repeat it.",
    text("kind", "What the run did: dissection, ace, context, artifacts."),
    text("parent_run_id", "The run that this one stands on (its dissection); NULL for a dissection."),
    text("state", "provisional while the job goes on, final when it has ended."),
    whole("revision", "How often the run has published; a later revision replaces the earlier one whole."),
    text("generator", "Name of the generator."),
    text("segmenter", "Name of the segmenter."),
    whole("seed", "Seed of the latents; latent i follows from (seed, i) alone."),
    whole("images", "Number of evaluation images behind the numbers."),
    whole("calibration", "Number of calibration images, which chose thresholds and names."),
    whole("calibration_start", "First calibration latent."),
    whole("calibration_stop", "One past the last calibration latent."),
    whole("evaluation_start", "First evaluation latent."),
    whole("evaluation_stop", "One past the last evaluation latent."),
    text("threshold_rule", "How thresholds were chosen: iqr, or the tail fraction."),
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
    real("duration_s", "Seconds of work behind this revision."),
    real("images_per_s", "Images generated, segmented and counted in a second."),
)

generator = table(
    "generator",
    "The generator of a run.",
    text("name", "Its name in the catalogue."),
    text("family", "Its architecture's family."),
    text("title", "Its name for people."),
    text("weights_sha256", "SHA-256 of its weights."),
    text("latent_shape", "Shape of one latent, sizes separated by commas."),
    whole("image_height", "Height of its images, in pixels."),
    whole("image_width", "Width of its images, in pixels."),
    whole("parameters", "Number of its parameters."),
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
    whole("concepts", "Number of concepts that it can name."),
    text("licence", "Licence of its weights."),
)

concept = table(
    "concept",
    "The concepts that a run looked for, and how often they are there.",
    text("concept", "Name of the concept."),
    text("category", "Its category: object, part, material, colour."),
    whole("label", "Its number in the label maps; 0 is no concept."),
    real("frequency", "Share of evaluation pixels that carry it: the score of a unit that is always on."),
    real("calibration_frequency", "Share of calibration pixels that carry it."),
    whole("images", "Evaluation images that show it."),
    whole("calibration_images", "Calibration images that show it."),
    real(
        "mask_iou",
        "Evaluation IoU of the best constant mask, a fixed set of pixels fitted on calibration images.",
    ),
)

layer = table(
    "layer",
    "The layers of a run.",
    text("layer", "Name of the layer: layer1, layer2, ..."),
    whole("position", "Its place in the generator, from 1."),
    text("module_path", "Path of its module in the network."),
    whole("units", "Number of its units (channels)."),
    whole("height", "Height of its featuremap, in cells."),
    whole("width", "Width of its featuremap, in cells."),
)

unit = table(
    "unit",
    "One row for each unit of each layer of a run.",
    text("layer", "Layer of the unit."),
    whole("unit", "Number of the unit, from 0."),
    text(
        "concept", "Its name: the concept of largest calibration IoU; NULL when no threshold was admissible."
    ),
    real("activation_mean", "Mean of its activation over evaluation images and cells."),
    real("activation_peak", "Largest activation over evaluation images and cells."),
    real("p_value", "P that the unit is independent of every concept (Simes over its concepts)."),
    real("q_value", "The same, corrected over the layer's units (Benjamini-Hochberg)."),
)

unit_concept = table(
    "unit_concept",
    "How well each unit agrees with each concept; on evaluation images, unless a column says otherwise.",
    text("layer", "Layer of the unit."),
    whole("unit", "Number of the unit, from 0."),
    text("concept", "Name of the concept."),
    text("category", "Category of the concept."),
    real("threshold", "Activation t(u,c) above which the unit counts as on, chosen on calibration images."),
    real("iou", "Intersection over union of unit and concept, pooled over evaluation images."),
    real("iou_low", "Lower end of its 95 % interval, the image being the cluster; NULL below 20 images."),
    real("iou_high", "Upper end of its 95 % interval; NULL below 20 images."),
    real(
        "iqr",
        "Information quality ratio I/H of unit mask and concept at the threshold, on evaluation images.",
    ),
    real("null_iou", "Mean IoU against the concept's masks of other images: agreement by place alone."),
    real("q_value", "P-value against that null within the selected units (Benjamini-Hochberg)."),
    real("calibration_iou", "IoU on calibration images, which chose the name."),
    real("tail", "Share of pixels above the threshold."),
    real("accuracy", "Share of pixels on which unit and concept agree."),
    real("precision", "Share of the unit's pixels that carry the concept."),
    real("recall", "Share of the concept's pixels on which the unit is on."),
    whole("images", "Evaluation images that show the concept."),
    real("always_on", "IoU of a unit that is on everywhere: the concept's frequency."),
    real("mask_iou", "IoU of the best constant mask for the concept."),
    real("ceiling_iou", "Best IoU that any map on the layer's grid could reach for the concept."),
    real("presence_null_iou", "Mean IoU against other images that show the concept at similar area."),
    real("calibrated", "(iou - null_iou) / (1 - null_iou)."),
    real("p_value", "P that unit and concept are independent across images."),
    truth("detector", "The concept is the unit's name and the unit beats the best constant mask."),
    truth("label", "The concept is the unit's name."),
)

unit_image = table(
    "unit_image",
    "The evaluation images that activate each unit most.",
    text("layer", "Layer of the unit."),
    whole("unit", "Number of the unit, from 0."),
    whole("rank", "Place of the image, 1 being the highest peak activation."),
    whole("latent", "Number of the latent that the image was made from."),
    real("activation", "Peak activation of the unit on the image."),
)
