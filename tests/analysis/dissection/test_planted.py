"""Dissection of the planted generator, whose truth is known."""

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from analysis.counting.agreement import iou_at, null_iou_at, turned
from analysis.counting.passes import picture
from analysis.dissection.dissection import Dissection, dissect
from analysis.dissection.pictures import Pictures
from analysis.models import generators, segmenters
from analysis.models.families.planted_shapes import truth
from db.schema.naming_rule import NamingRule


@pytest.fixture(scope="module")
def planted() -> Dissection:
    folder = Path("unused")
    generator, segmenter = generators.load("planted", folder), segmenters.load("planted", folder)
    return dissect(generator, segmenter, images=150, calibration=100, seed=1)


def test_planted_units_get_their_concept_and_unseen_shapes_get_none(planted: Dissection) -> None:
    frame = planted.frame()
    names = frame[frame["label"]]
    names = names[NamingRule("lift").of_frame(names)]
    found = names.set_index(["layer", "unit"])["concept"].to_dict()
    expected = {
        (layer, unit.unit): unit.concept
        for layer, units in truth(1).items()
        for unit in units
        if unit.concept is not None and not unit.concept.startswith("ghost")
    }
    assert found == expected
    named = frame[frame["label"]].set_index(["layer", "unit"])
    assert (named.loc[list(expected)]["iou"] > named.loc[list(expected)]["mask_iou"] + 0.3).all()


def test_the_papers_rule_lets_place_alone_pass(planted: Dissection) -> None:
    frame = planted.frame()
    names, largest = frame.query("label"), frame.query("largest_iou")
    by_lift = names[NamingRule("lift").of_frame(names)].groupby("layer")
    paper = largest[NamingRule("paper").of_frame(largest)].groupby("layer")
    assert (paper.size() > by_lift.size()).all()
    assert (by_lift.size() == 24).all()
    assert (by_lift["concept"].nunique() == 4).all()


def test_columns_and_ranges(planted: Dissection) -> None:
    assert planted.calibration == (0, 100)
    assert planted.evaluation == (128, 278)
    wanted = [
        "layer",
        "unit",
        "concept",
        "category",
        "threshold",
        "iou",
        "iou_low",
        "iou_high",
        "iqr",
        "null_iou",
        "q_value",
    ]
    frame = planted.frame()
    assert list(frame.columns[:11]) == wanted
    assert len(frame) == sum(scores.iou.size for scores in planted.scores.values())
    shown = frame[frame["label"]]
    assert ((shown["iou_low"] <= shown["iou"]) & (shown["iou"] <= shown["iou_high"])).all()
    assert planted.images_for(0.01) > planted.images_for(0.1)


def test_the_slider_gives_the_tables_numbers(planted: Dissection) -> None:
    for name, scores in planted.scores.items():
        counts = planted.arrays()[f"counts-{name}"]
        for concept in range(scores.iou.shape[1]):
            edge = counts["pair"][:, concept].astype(int)
            low = counts["side"][:, concept] < 0
            for curve, column in ((iou_at, scores.iou), (null_iou_at, scores.null_iou)):
                for some, side, at in (
                    (~low, counts, edge),
                    (low, turned(counts), counts["edges"].shape[1] - 1 - edge),
                ):
                    known = some & (edge >= 0)
                    np.testing.assert_allclose(curve(side, at)[known, concept], column[known, concept])


def test_masks_recomputed_from_latents_give_the_same_iou(planted: Dissection) -> None:
    """From the public names alone: latents, layers, interpolate, threshold, labels."""
    from analysis import latents

    generator = generators.load("planted", Path("unused"))
    segmenter = segmenters.load("planted", Path("unused"))
    z = latents(1, *planted.evaluation, generator.latent_shape)
    images, features = generator.features(z, ["layer2"])
    labels = segmenter.labels(images)
    for row in planted.frame().query("label and layer == 'layer2'").head(8).itertuples():
        up = nn.functional.interpolate(features["layer2"][:, [row.unit]], labels.shape[2:], mode="bilinear")
        mask = (up[:, 0] > row.threshold) == (row.side == "high")
        shown = (labels == [c.name for c in segmenter.concepts].index(row.concept) + 1).any(1)
        assert row.iou == pytest.approx(float((mask & shown).sum() / (mask | shown).sum()), abs=1e-4)


def test_top_images_are_the_evaluation_latents_with_the_highest_peaks(planted: Dissection) -> None:
    from analysis import latents

    generator = generators.load("planted", Path("unused"))
    features = generator.features(latents(1, *planted.evaluation, generator.latent_shape), ["layer1"])[1][
        "layer1"
    ]
    peaks = features.amax(dim=(2, 3)).numpy()
    table = planted.tables()["unit_image"].query("layer == 'layer1' and unit == 0").sort_values("rank")
    order = np.lexsort((np.arange(len(peaks)), -peaks[:, 0]))[:8]
    assert (table["latent"] - planted.evaluation[0]).tolist() == order.tolist()
    arrays = planted.arrays()
    maps = arrays["activations-layer1"]
    np.testing.assert_array_equal(maps["maps"][0], features[order[0], 0].numpy())
    kept = Pictures(arrays["images"])
    assert set(table["latent"]) <= set(kept)
    image = generator.images(latents(1, *planted.evaluation, generator.latent_shape))[order[0]]
    np.testing.assert_array_equal(kept[int(table["latent"].iloc[0])], picture(image))
