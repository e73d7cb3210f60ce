"""The tables of a dissection: units, how well they agree with concepts, and their top images."""

from db.schema.base import real, share, table, text, truth, whole

unit = table(
    "unit",
    "One row for each unit of each layer of a run.",
    text("layer", "Layer of the unit.", filled=True),
    whole("unit", "Number of the unit, from 0.", filled=True),
    text(
        "concept", "Its name: the concept of largest calibration IoU; NULL when no threshold was admissible."
    ),
    real("activation_mean", "Mean of its activation over evaluation images and cells."),
    real("activation_peak", "Largest activation over evaluation images and cells."),
    share("p_value", "P that the unit is independent of every concept (Simes over its concepts)."),
    share("q_value", "The same, corrected over the layer's units (Benjamini-Hochberg)."),
)

unit_concept = table(
    "unit_concept",
    "How well each unit agrees with each concept; on evaluation images, unless a column says otherwise.",
    text("layer", "Layer of the unit.", filled=True),
    whole("unit", "Number of the unit, from 0.", filled=True),
    text("concept", "Name of the concept.", filled=True),
    text("category", "Category of the concept.", filled=True),
    real("threshold", "Activation t(u,c) above which the unit counts as on, chosen on calibration images."),
    share("iou", "Intersection over union of unit and concept, pooled over evaluation images."),
    share("iou_low", "Lower end of its 95 % interval, the image being the cluster; NULL below 20 images."),
    share("iou_high", "Upper end of its 95 % interval; NULL below 20 images."),
    share(
        "iqr",
        "Information quality ratio I/H of unit mask and concept at the threshold, on evaluation images.",
    ),
    share("null_iou", "Mean IoU against the concept's masks of other images: agreement by place alone."),
    share("q_value", "P-value against that null within the selected units (Benjamini-Hochberg)."),
    share("calibration_iou", "IoU on calibration images, which chose the name."),
    share("tail", "Share of pixels above the threshold."),
    share("accuracy", "Share of pixels on which unit and concept agree."),
    share("precision", "Share of the unit's pixels that carry the concept."),
    share("recall", "Share of the concept's pixels on which the unit is on."),
    whole("images", "Evaluation images that show the concept."),
    share("always_on", "IoU of a unit that is on everywhere: the concept's frequency."),
    share("mask_iou", "IoU of the best constant mask for the concept."),
    real(
        "over_mask_low",
        "Lower end of the 95 % interval of iou - mask_iou on the same images, clustered by image.",
    ),
    real("over_mask_high", "Upper end of that interval."),
    share("ceiling_iou", "Best IoU that any map on the layer's grid could reach for the concept."),
    share("presence_null_iou", "Mean IoU against other images that show the concept at similar area."),
    real(
        "calibrated",
        "(iou - null_iou) / (1 - null_iou): 0 is what other images' masks give, 1 is full agreement.",
        high=1,
    ),
    share("p_value", "P that unit and concept are independent across images."),
    truth(
        "detector",
        "The concept is the unit's name, its q-value is at most the run's level, and the unit surely beats "
        "the best constant mask: over_mask_low is above 0. In runs of 0.1.0 its IoU is above the mask's.",
        filled=True,
    ),
    truth("label", "The concept is the unit's name.", filled=True),
)

unit_image = table(
    "unit_image",
    "The evaluation images that activate each unit most.",
    text("layer", "Layer of the unit.", filled=True),
    whole("unit", "Number of the unit, from 0.", filled=True),
    whole(
        "rank",
        "Place of the image: 0 is the image of highest peak activation, 1 the next.",
        low=0,
        starts=True,
        filled=True,
    ),
    whole("latent", "Number of the latent that the image was made from.", filled=True),
    real("activation", "Peak activation of the unit on the image."),
)
