"""The tables of a dissection: units, how well they agree with concepts, and their top images."""

from db.schema.base import real, share, table, text, truth, whole

unit = table(
    "unit",
    "One row for each unit of each layer of a run.",
    text("layer", "Layer of the unit.", filled=True),
    whole("unit", "Number of the unit, from 0.", filled=True),
    text(
        "concept",
        "Its name: the concept with the largest calibration_lift; NULL where none is over 0: no name.",
    ),
    whole("detected", "How many concepts it detects, see unit_concept.detector."),
    share("name_share", "Share of 200 bootstraps of the images that choose the same name, or also none."),
    text("likely_names", "The fewest names that come up in 95 % of the bootstraps, most frequent first."),
    text(
        "composition",
        "A formula of two concepts, such as roof or dome, that explains the unit better than any single "
        "concept: chosen on calibration images, confirmed on evaluation images. NULL where there is none.",
    ),
    text(
        "composition_side",
        "The side of the threshold that goes with the formula: high, over it, or low.",
        values=("high", "low"),
    ),
    real("composition_lift", "Lift of the formula, as unit_concept.lift.", high=1),
    real("composition_lift_low", "Lower end of its 95 % interval."),
    real("composition_lift_high", "Upper end of that interval."),
    share(
        "composition_gain",
        "Share of 200 bootstraps of the images in which the formula's lift is over that of every concept "
        "that may be the name; at least .975.",
    ),
    real("activation_mean", "Mean of its activation over evaluation images and cells."),
    real("activation_peak", "Largest activation over evaluation images and cells."),
    text(
        "activity",
        "Whether its activation varies; a constant unit has one value everywhere, a dead one has 0.",
        values=("varies", "constant", "dead"),
    ),
    whole(
        "alike", "The first unit of its group: units joined by correlations over .9 or under -.9, over cells."
    ),
    whole(
        "nearest_unit",
        "The unit of the layer whose activation correlates most with its own, whatever the sign.",
    ),
    real(
        "nearest_correlation",
        "Pearson's r with that unit, over the cells of every eighth image.",
        low=-1,
        high=1,
    ),
    real(
        "map_x",
        "Place of the unit on the map of its layer, where near units fire together. NULL for a unit that "
        "does not vary, and in runs of 0.1.0.",
        low=-1,
        high=1,
    ),
    real("map_y", "The same, upwards.", low=-1, high=1),
    share("p_value", "P that the unit is independent of every concept (Simes over its concepts)."),
    share("q_value", "The same, corrected over the layer's units (Benjamini-Hochberg)."),
)

unit_concept = table(
    "unit_concept",
    "How well each unit agrees with each concept, on evaluation images unless a column says otherwise.",
    text("layer", "Layer of the unit.", filled=True),
    whole("unit", "Number of the unit, from 0.", filled=True),
    text("concept", "Name of the concept.", filled=True),
    text("category", "Category of the concept.", filled=True),
    real("threshold", "Activation t(u,c) at which the unit's mask is cut, chosen on calibration images."),
    text(
        "side",
        "The side of the threshold that goes with the concept: high, over it, or low.",
        values=("high", "low"),
    ),
    share("iou", "Intersection over union of unit and concept, pooled over evaluation images."),
    share("iou_low", "Lower end of its 95 % interval, the image being the cluster; NULL below 20 images."),
    share("iou_high", "Upper end of its 95 % interval; NULL below 20 images."),
    share(
        "iqr",
        "Information quality ratio I/H of unit mask and concept at the threshold, on evaluation images.",
    ),
    share("null_iou", "Mean IoU against the concept's masks of other images: agreement by place alone."),
    share("q_value", "P-value against that null within the selected units (Benjamini-Hochberg)."),
    real(
        "lift",
        "(iou - control) / (1 - control); the control is the largest of mask_iou, always_on and null_iou. "
        "0 is what the control scores, 1 is full agreement.",
        high=1,
    ),
    real(
        "lift_low",
        "Lower end of the lift's 95 % interval, paired on the same images and clustered by image; NULL below "
        "20 images, and in runs of 0.1.0.",
    ),
    real("lift_high", "Upper end of that interval."),
    share(
        "lift_q_value",
        "Q-value that the unit detects the concept: that it depends on it across images, and that its lift "
        "is over 0. Corrected within the selected units (Benjamini-Hochberg).",
    ),
    share("calibration_iou", "IoU on calibration images."),
    real(
        "calibration_lift",
        "Lift over the constant control on calibration images, which chooses the name.",
        high=1,
    ),
    share("tail", "Share of pixels on the unit's side of the threshold."),
    share("accuracy", "Share of pixels on which unit and concept agree."),
    share("precision", "Share of the unit's pixels that carry the concept."),
    share("recall", "Share of the concept's pixels on which the unit is on."),
    whole("images", "Evaluation images that show the concept."),
    share("always_on", "IoU of a unit that is on everywhere: the concept's frequency."),
    share(
        "mask_iou",
        "IoU of the constant control: the best constant mask, or all pixels where these do better.",
    ),
    share(
        "ceiling_iou",
        "IoU of the concept's own map, averaged over the layer's cells: how well the grid can show it. An "
        "optimised map may reach more, up to 2.2 times on 4x4 cells.",
    ),
    share("presence_null_iou", "Mean IoU against other images that show the concept at similar area."),
    real(
        "calibrated",
        "(iou - null_iou) / (1 - null_iou): 0 is what other images' masks give, 1 is full agreement.",
        high=1,
    ),
    share("p_value", "P that unit and concept are independent across images."),
    share(
        "average_precision",
        "Area under the curve of precision and recall over all thresholds; luck gives the frequency.",
    ),
    real(
        "average_precision_lift",
        "(average_precision - always_on) / (1 - always_on): 0 is luck, 1 is full agreement.",
        high=1,
    ),
    real(
        "correlation",
        "Pearson's r of the upsampled activation with the concept's mask, over pixels. It has no threshold.",
        low=-1,
        high=1,
    ),
    truth(
        "detector",
        "The unit detects the concept: its lift is over 0 and lift_q_value is at most .05. In runs of 0.1.0: "
        "q_value is at most .05, and iou_low is above the control.",
        filled=True,
    ),
    truth("label", "The concept is the unit's name.", filled=True),
    truth("largest_iou", "The concept has the unit's largest calibration IoU: its name by the paper's rule."),
)

unit_neighbour = table(
    "unit_neighbour",
    "The eight units of the layer that correlate most with each unit. Runs of 0.1.0 have none.",
    text("layer", "Layer of both units.", filled=True),
    whole("unit", "Number of the unit, from 0.", filled=True),
    whole(
        "rank",
        "Place of the other unit: 0 has the largest correlation, whatever the sign.",
        starts=True,
        filled=True,
    ),
    whole("neighbour", "Number of the other unit.", filled=True),
    real(
        "correlation",
        "Pearson's r of their activations, over the cells of every eighth image.",
        low=-1,
        high=1,
        filled=True,
    ),
)

reference_share = table(
    "reference_share",
    "How much of each concept a generator draws, and how much reference pictures show, by one segmenter.",
    text("reference", "The reference pictures: drawn:WORLD, folder:NAME or generator:NAME.", filled=True),
    text("concept", "Name of the concept.", filled=True),
    text("category", "Category of the concept.", filled=True),
    whole("images", "Evaluation images of the generator that were looked at.", low=2, filled=True),
    whole("reference_images", "Reference pictures that were looked at.", low=2, filled=True),
    share("share", "Mean share of an image's pixels that carry the concept, in the generator's images."),
    share("share_low", "Lower end of its 95 % interval over images; NULL below 20 images that show it."),
    share("share_high", "Upper end of that interval."),
    share("shown", "Share of the generator's images that show the concept at all."),
    share("reference_share", "Mean share of a picture's pixels that carry it, in the reference pictures."),
    share("reference_low", "Lower end of its 95 % interval over pictures."),
    share("reference_high", "Upper end of that interval."),
    share("reference_shown", "Share of the reference pictures that show the concept at all."),
    real(
        "difference", "share minus reference_share; under 0 the generator draws too little.", low=-1, high=1
    ),
    real("difference_low", "Lower end of its 95 % interval: Welch's t, the image being the cluster."),
    real("difference_high", "Upper end of that interval."),
    share("p_value", "P that the shares differ by chance (Welch's t over images)."),
    share("q_value", "The same, corrected over the run's concepts (Benjamini-Hochberg)."),
)

unit_image = table(
    "unit_image",
    "The evaluation images that activate each unit most; where its name goes with low activations, least.",
    text("layer", "Layer of the unit.", filled=True),
    whole("unit", "Number of the unit, from 0.", filled=True),
    whole(
        "rank",
        "Place of the image: 0 is the image of highest peak activation (or lowest activation), 1 the next.",
        low=0,
        starts=True,
        filled=True,
    ),
    whole("latent", "Number of the latent that the image was made from.", filled=True),
    real("activation", "Peak activation of the unit on the image, or its lowest one."),
)
