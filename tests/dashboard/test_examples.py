"""Images of a unit beside its most active ones."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dashboard.viewer import examples
from dashboard.widgets.pictures import Shown


def test_random_latents_are_the_same_each_time_and_of_their_range() -> None:
    drawn = examples.random_latents(100, 200, 32)
    assert drawn == examples.random_latents(100, 200, 32)
    assert len(set(drawn)) == 32
    assert all(100 <= latent < 200 for latent in drawn)
    assert examples.random_latents(5, 8, 32) == [5, 6, 7]


def test_only_images_in_which_the_unit_is_on_are_kept() -> None:
    quiet, loud = np.zeros((2, 2), np.float32), np.array([[0, 0], [0, 2]], np.float32)
    found = [Shown(n, np.zeros((4, 4, 3), np.uint8), each) for n, each in enumerate((quiet, loud))]
    assert [each.latent for each in examples.above(found, 1.0, (4, 4), low=False)] == [1]
    assert [each.latent for each in examples.above(found, -1.0, (4, 4), low=True)] == []
    assert [each.latent for each in examples.above(found, 0.0, (4, 4), low=True)] == [0, 1]


def test_the_change_is_the_root_mean_square_of_the_pixels(tmp_path: Path) -> None:
    files = [str(tmp_path / f"{name}.png") for name in ("before", "after")]
    was = np.zeros((2, 2, 3), np.uint8)
    now = was.copy()
    now[0, 0] = 255
    for file, image in zip(files, (was, now), strict=True):
        Image.fromarray(image).save(file)
    assert examples.change(files[0], files[1]) == pytest.approx(0.5)
    assert examples.change(files[0], files[0]) == 0
