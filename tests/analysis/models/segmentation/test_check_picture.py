"""The check picture: every label has its colour where it is, and the legend has every concept's share."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor

from analysis.models import generators, segmenters
from analysis.models.segmentation.check_picture import MARGIN, TILE, check_picture
from analysis.models.segmentation.look import look
from analysis.shared.concepts import Concept
from analysis.shared.errors import GanatomyError

CONCEPTS = (Concept("sky"), Concept("tree"))
COLOURS = ("#ff0000", "#0000ff")


def test_labels_lie_where_they_are() -> None:
    pictures = np.full((1, 8, 8, 3), 100, np.uint8)
    labels = np.zeros((1, 1, 4, 4), np.int64)
    labels[:, :, :2], labels[:, :, 2:, 2:] = 1, 2
    made = np.asarray(check_picture(pictures, labels, CONCEPTS, COLOURS))
    beside, over = made[MARGIN : MARGIN + TILE, MARGIN:], made[MARGIN : MARGIN + TILE, 2 * MARGIN + TILE :]
    assert (beside[:TILE, :TILE] == 100).all()
    red, blue, bare = over[10, 10], over[TILE - 10, TILE - 10], over[TILE - 10, 10]
    assert red.tolist() == [int(0.4 * 100 + 0.6 * 255), 40, 40]
    assert blue.tolist() == [40, 40, int(0.4 * 100 + 0.6 * 255)]
    assert bare.tolist() == [100, 100, 100]
    # The legend has a swatch of each concept, the largest share first.
    legend = made[MARGIN + TILE + MARGIN :]
    places = [np.argwhere((legend == ImageColor.getrgb(each)).all(-1)) for each in COLOURS]
    assert all(len(place) > 100 for place in places)
    assert places[0][:, 0].min() < places[1][:, 0].min()


def test_a_sheet_of_sixteen_and_one_for_each_map() -> None:
    pictures = np.zeros((20, 64, 32, 3), np.uint8)
    one = check_picture(pictures, np.zeros((20, 1, 16, 8), np.int64), CONCEPTS)
    three = check_picture(pictures, np.zeros((20, 3, 16, 8), np.int64), CONCEPTS, title="A title")
    assert three.width > 1.8 * one.width
    assert one.height > 4 * TILE


def test_many_concepts_have_a_legend_that_ends() -> None:
    concepts = [Concept(f"concept {number} with a long name of its own") for number in range(300)]
    labels = np.arange(1, 301).reshape(1, 1, 15, 20)
    made = check_picture(np.zeros((1, 60, 80, 3), np.uint8), labels, concepts)
    assert made.height < 2000


def test_what_does_not_fit_is_one_sentence() -> None:
    pictures = np.zeros((2, 8, 8, 3), np.uint8)
    for labels in (np.zeros((1, 1, 4, 4)), np.zeros((2, 4, 4)), np.full((2, 1, 4, 4), 3)):
        with pytest.raises(GanatomyError, match="do not fit each other"):
            check_picture(pictures, labels, CONCEPTS)


def test_a_look_at_a_generator(tmp_path: Path) -> None:
    found = look(generators.load("planted", None), segmenters.load("planted", None))
    assert found.report.ok, found.report
    assert set(found.as_json()["shares"]) <= {"disc", "bar", "post", "dot"}
    found.picture.save(tmp_path / "check.png")
    assert Image.open(tmp_path / "check.png").size == found.picture.size
