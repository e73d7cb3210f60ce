"""Paint: strokes in the address, what they changed, and where they can go."""

from collections.abc import Callable

from pages import Page

RUN = {"run": "planted-scenes-b103786cbd", "layer": "layer1", "brush": "door"}
STROKES = "ablate layer1 3 at 1:1; insert layer1 4=2 at 2:2"


def test_the_strokes_of_the_address_are_drawn_and_taken_back(full: Callable[..., Page]) -> None:
    page = full("paint", **RUN, edit=STROKES)
    assert "2 strokes" in page.text
    assert "Door covers 10.0% of the image before and 10.0% after" in page.text
    assert page.click("Undo").address["edit"] == "ablate layer1 3 at 1:1"
    page.click("Clear")
    assert "edit" not in page.address
    assert "0 strokes" in page.text
    page.click("Redo")
    assert page.address["edit"] == "ablate layer1 3 at 1:1"


def test_the_strokes_go_to_other_images_and_to_a_measurement(full: Callable[..., Page]) -> None:
    page = full("paint", **RUN, edit=STROKES, latent="7")
    page.choose("The same strokes on other images", "next")
    assert page.address["others"] == "next"
    assert "Latents 8, 9, 10, 11. Above before" in page.text


def test_without_strokes_there_is_nothing_to_export(full: Callable[..., Page]) -> None:
    page = full("paint", **RUN)
    assert "The same strokes" not in page.text
    assert page.errors == []


def test_a_brush_that_the_layer_lacks_is_an_error(full: Callable[..., Page]) -> None:
    page = full("paint", **RUN | {"brush": "unicorn"})
    assert any("layer1 has no brush unicorn" in error for error in page.errors)
