"""Strokes on one image: what is kept between them changes no number and no pixel, and saves the passes."""

from pathlib import Path

import pytest

from analysis.models.generator import Generator, ImageCut
from db.layout import Layout
from jobs.render.client import MeasureRequest
from jobs.render.pictures import Pictures

STROKES = ("ablate layer1 3 at 1-2:1-4", "ablate layer1 3 at 1-2:1-4; insert layer1 5=2 at 4:4")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout.create(tmp_path / "store")


def asked(edit: str, latent: int = 7) -> MeasureRequest:
    return MeasureRequest("planted", "planted", edit, seed=3, latent=latent)


def test_strokes_of_one_image_run_only_the_later_layers(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts, cut = [], Generator.cut

    def counted(generator: Generator, *given: object) -> ImageCut:
        cuts.append(given[1])
        return cut(generator, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Generator, "cut", counted)
    pictures = Pictures(layout, 1)
    for edit in ("", *STROKES):
        pictures.answer("planted", edit, 3, [7])
        pictures.measure(asked(edit))
    assert cuts == ["layer1"]
    pictures.measure(asked(STROKES[0], latent=8))
    assert cuts == ["layer1", "layer1"]


def test_what_is_kept_changes_nothing(layout: Layout) -> None:
    pictures = Pictures(layout, 1)
    for edit in ("", *STROKES, STROKES[0]):
        for latent in (7, 8):
            kept = pictures.measure(asked(edit, latent))
            fresh = Pictures(layout, 1).measure(asked(edit, latent))
            assert {**kept, "ms": 0} == {**fresh, "ms": 0}
    made = pictures.answer("planted", STROKES[1], 3, [7])
    # Of two images at once nothing is kept; file names follow from content.
    both = pictures.answer("planted", STROKES[1], 3, [7, 8])
    assert made["after"][0] == both["after"][0]
