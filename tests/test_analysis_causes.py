"""`ace` as a whole, on planted causes: tables, keeping, what it refuses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis import Causes, Generator, ace
from analysis.causal import amounts
from analysis.edits import Edit
from analysis.errors import GanatomyError
from analysis.generators import planted_causes
from analysis.interventions import edited_images
from analysis.sampling import latents
from analysis.segmenters import planted
from db.schema_effects import metadata

SEGMENTER = planted.build(planted.weights(0), "planted", "", "cpu")
FEW = {"training": 48, "choosing": 12, "random_images": 4, "cell_images": 6}


def asked(**wanted: Any) -> Causes:
    parts = planted_causes.build(planted_causes.weights(5))
    generator = Generator(parts.module, parts.layers, parts.latent_shape, name="planted-causes")
    settings = {"seeds": 2, "steps": 30, "images": 12, "random_sets": 4, "amounts": FEW, **wanted}
    return ace(generator, SEGMENTER, **{"layer": "layer1", "concept": "disc", **settings})


@pytest.fixture(scope="module")
def causes() -> Causes:
    return asked(second_segmenter=SEGMENTER)


def test_tables_are_the_stores(causes: Causes) -> None:
    for name, frame in causes.tables().items():
        assert sorted(frame.columns) == sorted(set(metadata.tables[name].columns.keys()) - {"run_id"}), name
        assert len(frame), name


def test_the_curve_starts_at_nothing_and_has_every_ranking(causes: Causes) -> None:
    curve = causes.curve
    assert set(curve.ranking) == {"ace", "iou", "single", "random"}
    assert (curve[curve.units == 0].effect == 0).all()
    assert set(curve.units) == set(amounts.sizes(18)) | {causes.top}
    known = curve[(curve.units > 0) & (curve.ranking != "random")]
    assert (known.effect_low <= known.effect + 1e-12).all()
    assert (known.effect <= known.effect_high + 1e-12).all()


def test_the_curves_effect_is_the_edits(causes: Causes) -> None:
    parts = planted_causes.build(planted_causes.weights(5))
    generator = Generator(parts.module, parts.layers, parts.latent_shape)
    z = latents(1, 300_032, 300_044, generator.latent_shape)
    for operation, sign in (("ablate", -1), ("insert", 1)):
        before, after = edited_images(generator, causes.edit(operation, 2), z)  # type: ignore[arg-type]
        was, now = ((SEGMENTER.labels(images) == 1).float().mean() for images in (before, after))
        row = causes.curve.query(f"ranking == 'ace' and edit == '{operation}' and units == 2").iloc[0]
        assert row.effect == pytest.approx(sign * float(now - was), abs=1e-3)
        assert row.relative_effect == pytest.approx(sign * float((now - was) / was), rel=1e-2)
    assert causes.edit("ablate", 0) == Edit()


def test_the_causal_set_beats_iou_and_random_sets(causes: Causes) -> None:
    rows = causes.curve.query("edit == 'both' and units == 1").set_index("ranking")
    assert rows.effect["ace"] > 0.5
    assert rows.effect["random"] < 0.1  # where IoU picks an inert copy, it does nothing either


def test_single_units_are_ranked_by_what_they_do(causes: Causes) -> None:
    disc = causes.single[causes.single.concept == "disc"].set_index("unit")
    truth = planted_causes.truth(5)
    assert truth[disc.sort_values("rank").index[0]] == 1
    assert disc.effect[int(truth.argmin())] < 0  # without the suppressor there is more disc
    assert (disc.effect[truth == 0].abs() < 0.005).all()


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
    assert {"constants", "iou", "alpha-0", "alpha-1", "curves"} <= done
    again: list[str] = []
    found = asked(keep=tmp_path, progress=lambda stage, done, total: again.append(stage))
    assert not any(stage.startswith(("alpha", "curves")) for stage in again)
    assert np.array_equal(found.alpha, causes.alpha)
    assert np.allclose(found.curve.effect, causes.curve.effect)
    passes = ["generator_passes", "tail_passes", "segmenter_passes"]
    whole = asked(keep=tmp_path / "another")
    assert (whole.summary[passes] == asked().summary[passes]).all(axis=None)
    assert (found.summary[passes].iloc[0] >= asked().summary[passes].iloc[0]).all()
    with pytest.raises(GanatomyError, match="belongs to other parameters"):
        asked(keep=tmp_path, steps=31)


def test_given_ious_are_used() -> None:
    iou = np.arange(18) / 18
    assert asked(iou=iou, seeds=1, steps=1, random_sets=0).rankings["iou"].tolist() == list(range(17, -1, -1))


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"layer": "layer9"}, "has no layer 'layer9'"),
        ({"concept": "dog"}, "no concept 'dog'"),
        ({"concept": "post"}, "None of 96 training images shows 'post'"),
        ({"insert": "most"}, "no insertion 'most'"),
        ({"penalty": "cube"}, "no penalty 'cube'"),
        ({"top": 19}, "causal set of 19 units"),
        ({"iou": np.zeros(3)}, "give one each"),
        ({"learning": {"speed": 1}}, "no such setting"),
        ({"images": 1}, "test images 2 or more"),
    ],
)
def test_what_cannot_be_is_one_sentence(wanted: dict[str, Any], words: str) -> None:
    with pytest.raises(GanatomyError, match=words):
        asked(**wanted)


def test_the_settings_matter_not_the_device_of_the_random_numbers(causes: Causes) -> None:
    assert np.array_equal(asked().alphas, causes.alphas)
    assert not np.array_equal(asked(seed=2).alphas, causes.alphas)
    assert not np.array_equal(asked(learning={"cells": 3}).alphas, causes.alphas)
