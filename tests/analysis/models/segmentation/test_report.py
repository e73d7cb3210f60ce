"""What check_segmenter finds: a segmenter of known labels passes, and each planted fault is one sentence."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from analysis import Concept, SegmenterReport, check_segmenter, dissect
from analysis.models import generators
from analysis.models.segmenter import checked_labels, checked_segmenter
from analysis.shared.concepts import concept_index
from analysis.shared.errors import GanatomyError

COLOURS = torch.tensor([[-1.0, -1, -1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
NAMES = ("red", "green", "blue")


class Colours:
    """Red, green and blue squares on black; which pixel is what is known."""

    def __init__(self, concepts: Sequence[Any] = tuple(Concept(name) for name in NAMES)) -> None:
        self.concepts = concepts

    def _distance(self, images: Tensor) -> Tensor:
        return (images[:, None] - COLOURS[None, :, :, None, None]).square().sum(2)

    def labels(self, images: Tensor) -> Any:
        return self._distance(images).argmin(1, keepdim=True)

    def probability(self, images: Tensor, concept: Any) -> Any:
        return (-self._distance(images)).softmax(1)[:, 1 + concept_index(self.concepts, concept)]


def squares() -> Tensor:
    """Four images; image i has a square of colour 1 + i % 3 in a corner, and one of the next colour."""
    images = COLOURS[0].view(1, 3, 1, 1).repeat(4, 1, 16, 16)
    for i in range(4):
        images[i, :, :8, :8] = COLOURS[1 + i % 3].view(3, 1, 1)
        images[i, :, 8:12, 8:] = COLOURS[1 + (i + 1) % 3].view(3, 1, 1)
    return images * 0.9


def test_a_segmenter_of_known_labels_has_no_problem() -> None:
    report = check_segmenter(Colours(), squares())
    assert report.ok, report
    assert report.notes == ()
    assert (report.maps, report.grid, report.repeatable, report.gradient) == (1, (16, 16), True, True)
    assert report.shares[0] == pytest.approx((2 * 64 + 32) / 4 / 256)
    assert report.nothing == pytest.approx(1 - 96 / 256)
    assert "no problem was found" in str(report)


class TooHigh(Colours):
    def labels(self, images: Tensor) -> Any:
        labels = super().labels(images)
        return torch.where(labels > 0, labels % 3 + 1, 0)


class TooLow(Colours):
    """The network's classes as they are, with none for nothing: class 0 is red."""

    def labels(self, images: Tensor) -> Any:
        return self._distance(images)[:, 1:].argmin(1, keepdim=True)


class Twice(Colours):
    def labels(self, images: Tensor) -> Any:
        return torch.randint(0, 4, (len(images), 1, 16, 16))


class Batch(Colours):
    def labels(self, images: Tensor) -> Any:
        return super().labels(images)[..., : 8 + len(images)]


class Beside(Colours):
    def labels(self, images: Tensor) -> Any:
        return super().labels(images - images.mean((0, 2, 3), keepdim=True))


class Rounded(Colours):
    def probability(self, images: Tensor, concept: Any) -> Any:
        return super().probability(images, concept).detach()


class Stepped(Colours):
    def probability(self, images: Tensor, concept: Any) -> Any:
        return super().probability(images, concept).round()


class Percent(Colours):
    def probability(self, images: Tensor, concept: Any) -> Any:
        return 100 * super().probability(images, concept)


class NotANumber(Colours):
    def probability(self, images: Tensor, concept: Any) -> Any:
        return super().probability(images, concept) * float("nan")


class Flat(Colours):
    def probability(self, images: Tensor, concept: Any) -> Any:
        return super().probability(images, concept).mean((1, 2))


class Raises(Colours):
    def labels(self, images: Tensor) -> Any:
        return {}["x"]


class RaisesLater(Colours):
    def probability(self, images: Tensor, concept: Any) -> Any:
        raise NotImplementedError


class Ignored(Colours):
    def labels(self, images: Tensor) -> Any:
        return torch.where(super().labels(images) == 0, 255, 1)


class Numpy(Colours):
    def labels(self, images: Tensor) -> Any:
        return super().labels(images).numpy()


def named(*names: Any) -> Callable[[], Colours]:
    return lambda: Colours([Concept(name) for name in names])


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (
            lambda: nn.Identity(),
            "'Identity' is no segmenter, since it has no labels and probability and concepts",
        ),
        (lambda: len, "is no segmenter"),
        (lambda: Colours(["red", "green", "blue"]), "a concept 'red' of type str; make each one a Concept"),
        (lambda: Colours([]), "has no concepts"),
        (named("red", "red", "blue"), "the concept 'red' twice"),
        (named("", "green", "blue"), "the name ''"),
        (named(None, "green", "blue"), "the name None"),
        (Raises, "failed in labels(images) (KeyError: 'x')"),
        (RaisesLater, "failed in probability(images, 'red') (NotImplementedError"),
        (Ignored, "returned labels from 1 to 255, but it has 3 concepts"),
        (Numpy, "must return whole-number labels"),
        (TooHigh, "Labels seem one too high: where a pixel is labelled, the preceding"),
        (TooLow, "Labels seem one too low: where a pixel is labelled, the following"),
        (Twice, "of the pixels differently when it is asked again"),
        (Batch, "Its label maps are (1, 16, 12) for 4 images and (1, 16, 9) for one"),
        (Rounded, "has no gradient in the images"),
        (Stepped, "does not change with the images"),
        (Percent, "it must lie in 0 to 1"),
        (NotANumber, "runs from nan to nan"),
        (Flat, "returned the probability (2,); it must be of shape"),
    ],
)
def test_each_fault_is_one_sentence(made: Callable[[], Any], words: str) -> None:
    report = check_segmenter(made(), squares())
    assert not report.ok
    assert words in report.problems[0], report.problems
    assert len(report.problems) == 1
    assert "not fit for use" in str(report)


def test_what_seems_odd_is_a_note() -> None:
    assert "depend on the images beside it" in check_segmenter(Beside(), squares()).notes[0]
    black = COLOURS[0].view(1, 3, 1, 1).repeat(2, 1, 8, 8)
    assert "names nothing" in check_segmenter(Colours(), black).notes[0]
    odd = Colours([Concept("LABEL_0"), Concept("LABEL_1"), Concept("LABEL_2")])
    assert "only numbered" in check_segmenter(odd, squares()).notes[0]


class FromZero(Colours):
    """Wants images in 0 to 1, and takes those in -1 to 1 as they come."""

    def _distance(self, images: Tensor) -> Tensor:
        return super()._distance(2 * images.clamp(min=0) - 1)


def test_images_in_another_range_are_noticed() -> None:
    images = (squares() + 0.05 * torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))).clamp(
        -1, 1
    )
    notes = " ".join(check_segmenter(FromZero(), images).notes)
    assert "pays no heed to values below 0" in notes
    for wrong in (squares() * 127.5 + 127.5, squares()[0], squares()[:1], squares() * float("nan")):
        with pytest.raises(GanatomyError):
            check_segmenter(Colours(), wrong)


def test_a_report_is_a_value() -> None:
    assert SegmenterReport("it") == SegmenterReport("it")
    assert SegmenterReport("it", problems=("It is bad.",)).ok is False


@pytest.mark.parametrize(
    ("segmenter", "words"),
    [
        (nn.Identity(), "is no segmenter"),
        (len, "is no segmenter"),
        (Colours(["red", "green", "blue"]), "make each one a Concept"),
        (Colours([]), "has no concepts"),
        (Raises(), r"failed in labels\(images\)"),
    ],
)
def test_a_study_refuses_what_is_no_segmenter(segmenter: Any, words: str) -> None:
    from analysis import ace, insertion_context

    generator = generators.load("planted", None)
    with pytest.raises(GanatomyError, match=words):
        dissect(generator, segmenter, images=64, calibration=64)
    if words == "is no segmenter":
        with pytest.raises(GanatomyError, match=words):
            ace(generator, segmenter, layer="layer1", concept="disc")
        with pytest.raises(GanatomyError, match=words):
            insertion_context(generator, segmenter, layer="layer1", concept="disc")


class Doors(Colours):
    """Two concepts of one name: the label says which."""

    def __init__(self) -> None:
        super().__init__([Concept("door"), Concept("door", "part"), Concept("sky")])

    def labels(self, images: Tensor) -> Any:
        return 1 + (images.mean((1,), keepdim=True) > 0).long()


def test_one_name_in_two_categories_is_two_rows() -> None:
    assert [concept.name for concept in checked_segmenter(Doors())][:2] == ["door (object)", "door (part)"]
    found = dissect(generators.load("planted", None), Doors(), images=64, calibration=64)
    rows = found.frame()[["concept", "category"]].drop_duplicates()
    pairs = {(row.concept, row.category) for row in rows.itertuples()}
    assert {("door (object)", "object"), ("door (part)", "part")} <= pairs
    assert ("door", "object") not in pairs


def test_out_of_memory_is_left_to_the_caller() -> None:
    class Full(Colours):
        def labels(self, images: Tensor) -> Any:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")

    with pytest.raises(RuntimeError, match=re.escape("out of memory")):
        checked_labels(Full(), squares())
