"""One cell at a time: against every cell of every image."""

import numpy as np
import pytest
import torch

from analysis import Generator
from analysis.causes import single_cells
from analysis.causes.sample import Sample, pooled
from analysis.causes.segmentation import ConceptSegmenter
from analysis.models.families import planted_causes
from analysis.models.segmentation import shape_colours
from analysis.shared.meter import Meter

Small = tuple[Sample, ConceptSegmenter, Meter]
SEGMENTER = shape_colours.build(shape_colours.weights(0), {}, "planted", "cpu")


@pytest.fixture(scope="module")
def small() -> Small:
    meter = Meter()
    disc, generator = (
        ConceptSegmenter(SEGMENTER, "disc", meter),
        Generator(*planted_causes.build(planted_causes.weights(1))[:3]),
    )
    return Sample(generator, "layer1", disc, 1, (7, 17), meter, batch=4, keep_images=True), disc, meter


def test_single_cells_are_scored_in_the_cell_that_was_edited(
    small: Small,
) -> None:
    made, disc, _ = small
    at = single_cells.draw_cells(made, 6, 1)
    assert at.where.flatten(1).sum(1).tolist() == [1] * len(at.rows)
    units = planted_causes.truth(1).argsort()[-2:].tolist()
    wanted = np.ones(len(at.rows), bool)
    gone = single_cells.score_cells(made, disc, units, np.zeros(18), at, wanted, lambda done: None)
    some = single_cells.score_cells(made, disc, units, np.zeros(18), at, at.held, lambda done: None)
    assert np.array_equal(some, np.where(at.held, gone, at.before))
    weight = 0.0
    for n, (row, where) in enumerate(zip(at.rows, at.where, strict=True)):
        held = float(made.there[row][where]) > 0
        assert at.held[n] == held
        cells_held = float((made.there[row] > 0).float().mean())
        assert at.weight[n] == pytest.approx(cells_held if held else 1 - cells_held)
        r = made.maps(row[None]).clone()
        r[:, units] = torch.where(where, torch.zeros(()), r[:, units])
        mask = (SEGMENTER.labels(made.tail(row[None], r)) == 1).any(1)
        assert gone[n] == pytest.approx(float(pooled(mask.float(), (16, 16))[0][where]))
        weight += at.weight[n]
    assert weight == pytest.approx(6)  # images: each one's strata make a whole


def every_cell(
    made: Sample, disc: ConceptSegmenter, units: list[int], value: float, images: int
) -> np.ndarray:
    """The concept's share of each cell (images, 256) when it alone is edited: one tail a cell."""
    where = torch.eye(256).bool().view(256, 16, 16)
    found = []
    for row in range(images):
        rows = torch.full((256,), row)
        at = single_cells.Cells(rows, where, np.ones(256, bool), np.ones(256), np.ones(256))
        after = single_cells.score_cells(
            made, disc, units, np.full(18, value), at, at.held, lambda done: None
        )
        found.append(after)
    return np.stack(found)


def test_one_cell_effects_are_means_over_every_cell_of_the_stratum(
    small: Small,
) -> None:
    made, disc, _ = small
    units = planted_causes.truth(1).argsort()[-3:].tolist()
    after = {"ablate": every_cell(made, disc, units, 0, 4), "insert": every_cell(made, disc, units, 3, 4)}
    there = made.there[:4].flatten(1).double().numpy()
    held = there > 0
    assert len(set(held.sum(1).tolist())) > 2  # concepts of unequal size: cells are not images
    moved = {"ablate": (there - after["ablate"])[held], "insert": (after["insert"] - there)[~held]}
    moved["both"] = after["insert"] - after["ablate"]
    before = {"ablate": there[held], "insert": there[~held], "both": there}
    drawn: dict[str, list[np.ndarray]] = {edit: [] for edit in moved}
    for seed in range(400):
        at = single_cells.draw_cells(made, 4, seed)
        place = at.where.flatten(1).int().argmax(1).numpy()
        seen = {edit: values[at.rows.numpy(), place] for edit, values in after.items()}
        for edit, found in drawn.items():
            found.append(single_cells.one_cell(at, edit, seen))
    for edit, found in drawn.items():
        values = np.stack(found)
        error = values[:, 0].std() / 20
        assert values[:, 0].mean() == pytest.approx(moved[edit].mean(), abs=4 * error + 1e-9), edit
        if edit == "insert":
            assert np.isnan(values[:, 3:]).all()
        else:
            whole = moved[edit].sum() / before[edit].sum()
            assert values[:, 3].mean() == pytest.approx(whole, rel=0.15), edit
    assert moved["ablate"].mean() > 0.1
    assert len(single_cells.CellEffect._fields) == len(drawn["both"][0])
