"""Hard causes: for each planted generator what the learning, lone effects and the page say of it.

docs/causes.md has the same as a table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import planted_disc as planted
import pytest

from analysis import Causes, ace
from dashboard.widgets import findings, limits
from dashboard.widgets.rows import rows

ALL_SEEDS = "That the seeds agree does not say that no other units would do as well."


@dataclass(frozen=True)
class Said:
    """What is expected of a case."""

    causes: set[int]  # the units with at least a tenth of the largest alpha
    some: int = 0  # how many of them it finds, where any will do; else all
    removed: float = 1.0  # by the causal set of eight, as a share
    alone: Mapping[int, float] = field(default_factory=dict)  # what the ablation of some units alone removes
    needed: Mapping[int, float] = field(default_factory=dict)  # what the set removes less without them
    page: tuple[str, ...] = ()  # parts of the sentences on the page
    reliable: bool = True


GATE = "Alpha leaves out unit 1 (100%), of which each removes so much of the disc pixels alone."
STAND_IN = "together 100%: they stand in for each other."
OWN_PART = "each has a part of its own. Whether that is a place or a part of the images is not told."
SAME = "Unit 1 is the same with the concept and without, so no edit here changes it."
EXPECTED: dict[tuple[str, str], Said] = {
    ("plain", "off"): Said({0}, alone={0: 1, 1: 0}, needed={0: 1}),
    ("or", "off"): Said({0, 1}, alone={0: 0, 1: 0}, needed={0: 1, 1: 1}, page=(STAND_IN,)),
    ("threefold", "off"): Said({0, 1, 2}, alone={0: 0.08}, needed={0: 0.77}, page=(STAND_IN,)),
    ("and", "off"): Said(
        {0, 1}, alone={0: 1, 1: 1}, needed={0: 0, 1: 0}, page=("several of them are each needed",)
    ),
    # The partner is on everywhere: off, it does not change, and only zero shows that the disc needs it.
    ("partner", "off"): Said({0, 1}, alone={0: 1, 1: 0}, needed={0: 1, 1: 0}, page=(OWN_PART,)),
    ("partner", "zero"): Said({0, 1}, alone={0: 1, 1: 1}, needed={0: 0, 1: 0}),
    ("gate", "off"): Said({0}, alone={0: 1, 1: 0}, page=(SAME,)),
    ("gate", "mean"): Said({0}, alone={0: 1, 1: 0}, page=(SAME,)),
    ("gate", "zero"): Said({0}, alone={0: 1, 1: 1}, page=(GATE, "The concept needs it")),
    ("suppressor", "off"): Said(
        {0, 1}, alone={0: 1, 1: -0.21}, needed={1: 0}, page=("Suppressors: ablating unit 1 (21%) alone adds",)
    ),
    ("balanced", "off"): Said(
        {0, 1},
        alone={0: -3.6, 1: -1.3},
        page=("such units balance others, so that only the set can be read",),
    ),
    ("place", "off"): Said({0, 1}, alone={0: 0.56, 1: 0.44}, needed={0: 0.56, 1: 0.44}, page=(OWN_PART,)),
    ("displaced", "off"): Said(
        set(),
        alone={0: 1},
        page=("Alpha leaves out unit 0 (100%)", "so it acts at another place than where it is on"),
        reliable=False,
    ),
    ("inverted", "off"): Said({0}, alone={0: 1}, needed={0: 1}),
    ("inverted", "mean"): Said({0}, alone={0: 1}, needed={0: 1}),
    ("inverted", "zero"): Said(
        {0}, removed=-11, alone={0: -11}, page=("queue the job again with `--ablate off`",)
    ),
    ("offset", "off"): Said({0}, alone={0: 1, 1: 0}, page=(SAME,)),
    ("offset", "mean"): Said({0}, alone={0: 1, 1: 0}, page=(SAME,)),
    ("offset", "zero"): Said({0}, alone={0: 1, 1: 1}, page=(GATE,)),
    ("negative", "off"): Said({0}, alone={0: 1}, needed={0: 1}),
    ("weak", "off"): Said(
        set(range(12)),
        alone=dict.fromkeys(range(12), 0),
        page=("The cause is spread over more units", STAND_IN),
    ),
    ("majority", "off"): Said(
        {0, 1, 2},
        some=2,  # or all, where the seeds end at different pairs
        alone={0: 0, 1: 0, 2: 0},
        page=(STAND_IN, "The two best starts of a learning end at different units"),
        reliable=False,
    ),
}
QUICK = [("gate", "zero"), ("inverted", "off")]


def caused(name: str, ablate: str) -> Causes:
    """The causes of the disc with the settings that are the default of learning, and few images."""
    return ace(
        planted.generator(name),
        planted.Bright(),
        layer="layer1",
        concept="disc",
        ablate=ablate,
        images=32,
        random_sets=4,
        seeds=2,
        cell_images=0,
    )


def alone(causes: Causes, edit: str) -> pd.DataFrame:
    """The effects of each unit alone."""
    return causes.single[causes.single.edit == edit].set_index("unit").sort_index()


def as_queried(causes: Causes) -> pd.DataFrame:
    """The rows that `db.queries.causes.rankings` gives for the run."""
    off, on = (alone(causes, edit) for edit in ("ablate", "insert"))
    names = ["choosing_effect", "effect", "effect_low", "effect_high"]
    units = causes.units.set_index("unit").join(off[[*names, "relative_effect"]])
    return units.join(on[names].add_prefix("insert_")).reset_index().sort_values("rank")


def on_the_page(causes: Causes) -> tuple[bool, str]:
    """Whether the page calls the ranking reliable, and all that it says."""
    (own,) = rows(causes.summary)
    run = {"concept": "disc", "images": causes.images}
    units = as_queried(causes)
    stopped = int(causes.learning.groupby("seed").stopped.any().sum())
    reliable, sentence = findings.reliability(own, stopped, causes.overlap, units)
    said = [
        findings.sentence(run, own, causes.curve),
        sentence,
        *limits.limits(run, own, causes.curve, units),
    ]
    return reliable, "\n".join(said)


def check(name: str, ablate: str) -> None:
    causes, said = caused(name, ablate), EXPECTED[name, ablate]
    alpha, off = causes.alpha, alone(causes, "ablate").relative_effect
    strong = set(np.flatnonzero((alpha > 0) & (alpha >= 0.1 * alpha.max())))
    assert strong <= said.causes
    assert len(strong) >= (said.some or len(said.causes))
    assert causes.summary.removed[0] == pytest.approx(said.removed, rel=0.1)
    assert {unit: off[unit] for unit in said.alone} == pytest.approx(said.alone, rel=0.15, abs=0.05)
    needed = {unit: causes.needed["ablate"][unit] for unit in said.needed}
    assert needed == pytest.approx(said.needed, rel=0.15, abs=0.05)
    reliable, sentences = on_the_page(causes)
    for part in (*said.page, *([ALL_SEEDS] if said.causes else [])):
        assert part in sentences
    assert reliable is said.reliable, sentences


@pytest.mark.parametrize(("name", "ablate"), QUICK)
def test_a_hard_cause(name: str, ablate: str) -> None:
    check(name, ablate)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "ablate"), [case for case in EXPECTED if case not in QUICK])
def test_every_hard_cause(name: str, ablate: str) -> None:
    check(name, ablate)


def rare(**wanted: object) -> Causes:
    few = {"images": 16, "random_sets": 4, "seeds": 2, "steps": 20, "training": 32, "cell_images": 0}
    generator = planted.generator("plain", rare=True)
    return ace(generator, planted.Bright(), layer="layer1", concept="disc", **{**few, **wanted})  # type: ignore[arg-type]


def test_a_rare_concept_is_drawn_until_enough_images_show_it() -> None:
    """Of 16 test images one or two have the disc."""
    causes = rare(drawn=30)
    first, curve = causes.summary.iloc[0], causes.curve
    for lane in ("", "training_", "stopping_"):
        drawn, shown = first[f"{lane}images"], first[f"{lane}shown"]
        assert shown >= (40 if lane else 20)  # two seeds
        assert 0.04 < shown / drawn < 0.2
    assert causes.images == first.images > 100
    ranked, random = (
        curve[(curve.units > 0) & is_random]
        for is_random in (curve.ranking != "random", curve.ranking == "random")
    )
    assert (ranked.images == causes.images).all()
    assert (ranked.shown == first.shown).all()
    assert set(zip(random.images, random.shown, strict=True)) == {(4, 2)}
    row = ranked[(ranked.ranking == "ace") & (ranked.edit == "ablate") & (ranked.units == 1)].iloc[0]
    assert row.relative_effect == pytest.approx(1, abs=0.02)
    assert row.as_good == pytest.approx(1 / (1 + row.compared_sets))  # no set removes as much
    assert np.isfinite(row.relative_low)
    images = causes.single[causes.single.edit == "ablate"].images
    assert set(images) == {8, 32}
    assert 8 <= (images == 32).sum() <= 16  # those that did most, and the causal set
    assert (2 * causes.single.shown >= causes.single.images).all()


def test_too_few_images_with_the_concept_are_told() -> None:
    causes = rare(drawn=3)
    first = causes.summary.iloc[0]
    assert causes.images == first.images == 48
    assert 0 < first.shown < 10
    assert np.isnan(first.removed_low)
    said = on_the_page(causes)[1]
    assert f"Of 48 test images, all that were drawn, {first.shown} images show disc: too few" in said


def test_every_planted_case_is_expected() -> None:
    assert {name for name, _ in EXPECTED} == set(planted.CASES)
