"""`ace` as a whole, on planted causes: tables, keeping, what it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from analysis import Causes, Generator, ace
from analysis.causes.settings import curve_sizes
from analysis.editing.edits import Edit
from analysis.editing.interventions import edited_images
from analysis.models.families import planted_causes
from analysis.models.segmentation import shape_colours
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents
from db.schema import metadata

SEGMENTER = shape_colours.build(shape_colours.weights(0), {}, "planted", "cpu")
HAND = [7, 2, 11]
FEW = {"training": 48, "choosing": 12, "cell_images": 12}


class Blind:
    """A segmenter that knows nothing of discs."""

    concepts = (Concept("cat"),)

    def labels(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), 1, 8, 8, dtype=torch.int64)

    def probability(self, images: Tensor, concept: Concept | str) -> Tensor:
        return images[:, 0]


BLIND = Blind()


def asked(**wanted: Any) -> Causes:
    parts = planted_causes.build(planted_causes.weights(5))
    generator = Generator(parts.module, parts.layers, parts.latent_shape, name="planted-causes")
    settings = {"seeds": 2, "steps": 30, "images": 24, "random_sets": 4, "amounts": FEW, **wanted}
    return ace(generator, SEGMENTER, **{"layer": "layer1", "concept": "disc", **settings})


@pytest.fixture(scope="module")
def causes() -> Causes:
    return asked(second_segmenter=SEGMENTER, by_hand=HAND)


def test_tables_are_the_stores(causes: Causes) -> None:
    for name, frame in causes.tables().items():
        assert sorted(frame.columns) == sorted(set(metadata.tables[name].columns.keys()) - {"run_id"}), name
        assert len(frame), name


def test_the_curve_starts_at_nothing_and_has_every_ranking(causes: Causes) -> None:
    curve = causes.curve
    assert set(curve.ranking) == {"ace", "iou", "single", "hand", "random"}
    assert (curve[curve.units == 0].effect == 0).all()
    assert set(curve.units) == set(curve_sizes(18)) | {causes.top, len(HAND)}
    assert set(curve[curve.ranking == "hand"].units) == {0, 1, 2, 3}
    known = curve[(curve.units > 0) & (curve.ranking != "random")]
    assert (known.effect_low <= known.effect + 1e-12).all()
    assert (known.effect <= known.effect_high + 1e-12).all()


def shares(edit: Edit, images: int) -> tuple[float, float]:
    """The disc's share of the test images' pixels before and after an edit of the whole generator."""
    parts = planted_causes.build(planted_causes.weights(5))
    generator = Generator(parts.module, parts.layers, parts.latent_shape)
    both = edited_images(generator, edit, latents(1, 300_032, 300_032 + images, generator.latent_shape))
    was, now = (float((SEGMENTER.labels(images) == 1).float().mean()) for images in both)
    return was, now


@pytest.mark.parametrize(("ranking", "n"), [("ace", 2), ("hand", 3)])
def test_the_curves_effect_is_the_edits(causes: Causes, ranking: str, n: int) -> None:
    for operation, sign in (("ablate", -1), ("insert", 1)):
        was, now = shares(causes.edit(operation, n, ranking), causes.images)  # type: ignore[arg-type]
        row = causes.curve.query(f"ranking == '{ranking}' and edit == '{operation}' and units == {n}").iloc[0]
        assert row.effect == pytest.approx(sign * (now - was), abs=1e-3)
        assert row.relative_effect == pytest.approx(sign * (now - was) / was, rel=1e-2)
    assert causes.edit("ablate", 0) == Edit()
    assert causes.rankings["hand"].tolist() == HAND


def test_units_can_be_ablated_to_their_mean() -> None:
    found = asked(ablate="mean")
    edit = found.edit("ablate", 1)
    assert str(edit).startswith("mean layer1 ")
    assert edit.steps[0].units[0].value == found.units.ablate_value[found.ranking[0]] > 0
    was, now = shares(edit, found.images)
    row = found.curve.query("ranking == 'ace' and edit == 'ablate' and units == 1").iloc[0]
    assert row.effect == pytest.approx(was - now, abs=1e-3)


def test_a_needed_unit_is_one_without_which_the_set_does_less(causes: Causes) -> None:
    strength = causes.alpha
    chosen = [int(unit) for unit in causes.ranking[: causes.top] if strength[unit] > 0]
    assert set(np.flatnonzero(np.isfinite(causes.needed["ablate"]))) == set(chosen)
    for edit, sign in (("ablate", -1), ("insert", 1)):
        moved = []
        for units in (chosen, chosen[1:]):
            values = {unit: float(causes.values[edit][unit]) for unit in units}
            was, now = shares(Edit.insert("layer1", values), causes.images)
            moved.append(sign * (now - was) / was)
        assert causes.needed[edit][chosen[0]] == pytest.approx(moved[0] - moved[1], abs=5e-3)
    assert np.array_equal(causes.units.insert_needed, causes.needed["insert"], equal_nan=True)


def test_random_sets_stand_beside_every_edit(causes: Causes) -> None:
    assert causes.random_energy.shape == (4 * (len(set(causes.curve.units)) - 1), 2)
    curve = causes.curve.set_index(["ranking", "edit", "units"]).sort_index()
    for edit in ("ablate", "insert", "both"):
        assert curve.energy["ace", edit, 2] == pytest.approx(1)
        assert 0.3 < curve.energy["random", edit, 2] < 1.7
        compared = curve.compared_sets["ace", edit, 2]
        assert 1 <= compared <= 4
        assert curve.as_good["ace", edit, 2] == pytest.approx(
            1 / (1 + compared)
        )  # no random set does as much
    assert causes.curve[causes.curve.ranking == "random"].as_good.isna().all()


def test_the_causal_set_beats_iou_and_random_sets(causes: Causes) -> None:
    rows = causes.curve.query("edit == 'both' and units == 1").set_index("ranking")
    assert rows.effect["ace"] > 0.5
    assert rows.effect["random"] < 0.1  # where IoU picks an inert copy, it does nothing either


def test_single_units_are_ranked_by_what_they_do(causes: Causes) -> None:
    disc = causes.single[causes.single.concept == "disc"].set_index(["edit", "unit"])
    truth = planted_causes.truth(5)
    assert causes.rankings["single"].tolist() == disc.loc["both"].sort_values("rank").index.tolist()
    assert truth[causes.rankings["single"][0]] == 1
    for edit in ("ablate", "insert", "both"):
        alone = disc.loc[edit]
        assert alone.effect[int(truth.argmin())] < 0  # without the suppressor there is more disc
        assert (alone.effect[truth == 0].abs() < 0.005).all()
    both = disc.effect["ablate"] + disc.effect["insert"]
    assert np.allclose(disc.effect["both"], both)
    strongest = int(truth.argmax())
    on = Edit.insert("layer1", {strongest: float(causes.values["insert"][strongest])})
    images = disc.images["insert"]
    was, now = shares(on, int(images[strongest]))
    assert disc.effect["insert", strongest] == pytest.approx(now - was, abs=1e-3)
    assert images[strongest] == 32
    acting = [unit for unit in causes.ranking[: causes.top] if causes.alpha[unit] > 0]
    most = disc.choosing_effect.abs().unstack("edit")[["ablate", "insert"]].max(axis=1)
    full = {*acting, *most.sort_values(ascending=False).index[: causes.top]}
    assert {*images.index[images == 32]} == full
    assert {*images.index[images == 8]} == set(range(18)) - full
    assert (truth[images == 8] == 0).all()
    assert (disc.shown[disc.images == 32] >= 16).all()


def test_the_stratified_effect_is_that_of_the_test_images(causes: Causes) -> None:
    first = causes.summary.iloc[0]
    assert 0.3 < first.stratified_effect < 1
    assert first.acting_least <= first.acting_most <= first.acting_units == (causes.alpha > 0).sum()
    assert first.removed_low <= first.removed <= first.removed_high
    assert first.uniform_low <= first.uniform_effect <= first.uniform_high


def test_the_same_segmenter_twice_says_the_same(causes: Causes) -> None:
    first, second = causes.summary.effect
    assert first == pytest.approx(second, abs=1e-9)
    assert causes.summary.removed[0] == pytest.approx(causes.summary.removed[1], abs=1e-9)


def test_a_kept_task_goes_on(tmp_path: Path, causes: Causes) -> None:
    stages: list[str] = []

    def stop_at_random(stage: str, done: int, total: int) -> None:
        stages.append(stage)
        if stage == "random sets":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asked(keep=tmp_path, progress=stop_at_random)
    done = {path.stem for path in tmp_path.glob("*.npz")}
    assert {"constants", "iou", "weight", "alpha", "curves"} <= done
    again: list[str] = []
    found = asked(keep=tmp_path, progress=lambda stage, done, total: again.append(stage))
    assert not any(stage.startswith(("alpha", "curves")) for stage in again)
    assert np.array_equal(found.alpha, causes.alpha)
    passes = ["generator_passes", "tail_passes", "segmenter_passes"]
    whole = asked(keep=tmp_path / "another")
    pd.testing.assert_frame_equal(found.curve, whole.curve)
    assert (whole.summary[passes] == asked().summary[passes]).all(axis=None)
    assert (found.summary[passes].iloc[0] >= asked().summary[passes].iloc[0]).all()
    with pytest.raises(GanatomyError, match="made with other settings"):
        asked(keep=tmp_path, steps=31)


def test_given_ious_are_used() -> None:
    iou = np.arange(18) / 18
    assert asked(iou=iou, seeds=1, steps=1, random_sets=0).rankings["iou"].tolist() == list(range(17, -1, -1))


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"layer": "layer9"}, "has no layer 'layer9'"),
        ({"concept": "dog"}, "no concept 'dog'"),
        ({"concept": "post"}, "None of 768 training images shows 'post'"),
        ({"insert": "most"}, "no insertion 'most'"),
        ({"penalty": "cube"}, "no penalty 'cube'"),
        ({"ablate": "most"}, "no ablation 'most'"),
        ({"top": 19}, "causal set of 19 units"),
        ({"by_hand": [3, 18]}, "layer1's units 0 to 17"),
        ({"amounts": {**FEW, "training": 3}}, "Realism needs more than 6 reference images"),
        ({"second_segmenter": BLIND}, "no concept 'disc'"),
        ({"iou": np.zeros(3)}, "give one each"),
        ({"learning": {"speed": 1}}, "no option 'speed'"),
        ({"images": 1}, "images is 1; it must be 2 or more"),
        ({"random_sets": "5"}, "random_sets is '5'; it must be a whole number"),
        ({"amounts": {"images": 5}}, "images was given twice"),
    ],
)
def test_what_cannot_be_is_one_sentence(wanted: dict[str, Any], words: str) -> None:
    with pytest.raises(GanatomyError, match=words):
        asked(**wanted)


def test_the_settings_matter_not_the_device_of_the_random_numbers(causes: Causes) -> None:
    assert np.array_equal(asked().alphas, causes.alphas)
    assert not np.array_equal(asked(seed=2).alphas, causes.alphas)
    assert not np.array_equal(asked(learning={"cells": 3}).alphas, causes.alphas)
