"""What the card of church-parts reports, against counts made pixel by pixel."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from analysis.models.segmentation.unet import WORLDS
from analysis.training import accuracy, segmenter, teacher
from analysis.worlds.vocabulary import CONCEPTS, MAPS

WORLD = WORLDS["churches"]
SIZES = WORLD.classes


def logits(images: Tensor) -> list[Tensor]:
    """Class scores that images themselves hold, (N, 17, h, w), so that a test knows them."""
    return list(images.split(SIZES, 1))


@pytest.fixture(scope="module")
def scores() -> Tensor:
    return torch.randn(60, sum(SIZES), 6, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def exact() -> np.ndarray:
    random = np.random.default_rng(0)
    maps = [random.integers(low, high, (60, 1, 6, 6)) for low, high in ((1, 8), (8, 12), (12, 15))]
    return np.concatenate(maps, 1) * (random.random((60, 3, 6, 6)) < 0.7)


def test_labels_are_the_largest_scores(scores: Tensor) -> None:
    found, first = accuracy.labelled(logits, scores, WORLD), 0
    for level, part in enumerate(logits(scores)):
        best = part.numpy().argmax(1)
        assert (found[:, level] == np.where(best > 0, best + first, 0)).all()
        first += SIZES[level] - 1


def test_confusion_is_of_the_pixels_of_each_class(scores: Tensor, exact: np.ndarray) -> None:
    found = accuracy.labelled(logits, scores, WORLD)
    tables, first = accuracy.confusion(exact, found, WORLD), 0
    for level, names in enumerate(MAPS):
        numbers = {"nothing": 0, **{name: first + k for k, name in enumerate(names, start=1)}}
        for name, row in tables[level].items():
            pixels = found[:, level][exact[:, level] == numbers[name]]
            for other, share in row.items():
                expected = (pixels == numbers[other]).mean() if len(pixels) else 0
                assert share == pytest.approx(expected)
        first += len(names)


def test_calibration_is_by_bins_of_probability(scores: Tensor, exact: np.ndarray) -> None:
    told = accuracy.calibration(logits, scores, exact, WORLD)
    assert list(told) == [concept.name for concept in CONCEPTS]
    level, concept = 1, 9  # the second part of buildings
    p = logits(scores)[level].double().softmax(1)[:, 2].numpy()
    true = exact[:, level] == concept
    errors = []
    for k in range(accuracy.BINS):
        within = (p >= k / 10) & (p < (k + 1) / 10)
        found = told[CONCEPTS[concept - 1].name]
        assert found["pixels"][k] == within.sum()
        if within.any():
            assert found["probability"][k] == pytest.approx(p[within].mean(), abs=1e-5)
            assert found["share"][k] == pytest.approx(true[within].mean())
            errors.append(within.mean() * abs(p[within].mean() - true[within].mean()))
    assert found["error"] == pytest.approx(sum(errors), abs=1e-6)
    assert found["bias"] == pytest.approx(p.mean() - true.mean(), abs=1e-6)


def test_probabilities_that_are_frequencies_have_no_error() -> None:
    random = torch.Generator().manual_seed(1)
    scores = torch.randn(50, sum(SIZES), 32, 32, generator=random) * 2
    drawn, first = [], 0
    for part, size in zip(logits(scores), SIZES, strict=True):
        chances = part.softmax(1).permute(0, 2, 3, 1).reshape(-1, size)
        best = torch.multinomial(chances, 1, generator=random).view(50, 32, 32)
        drawn.append(torch.where(best > 0, best + first, 0))
        first += size - 1
    exact = torch.stack(drawn, 1).numpy()
    for name, found in accuracy.calibration(logits, scores, exact, WORLD).items():
        assert found["error"] < 0.01, name
    sharper = accuracy.calibration(logits, scores * 3, exact, WORLD)
    assert min(found["error"] for found in sharper.values()) > 0.03


def test_a_lesson_is_generated_once_and_says_what_the_teacher_finds(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = teacher.WideUnet(sum(SIZES)).eval()
    save_file(network.state_dict(), tmp_path / "teacher.safetensors")
    images, answers = teacher.lesson(tmp_path / "state", tmp_path / "teacher.safetensors", 3)
    with torch.no_grad():
        expected = [
            s.softmax(1) for s in network(torch.from_numpy(images.astype(np.float32))).split(SIZES, 1)
        ]
    assert torch.from_numpy(answers.astype(np.float32)).allclose(torch.cat(expected, 1), atol=5e-3)
    again = teacher.lesson(tmp_path / "state", tmp_path / "nowhere", 3)
    assert (again[0] == images).all()


def test_generated_pictures_are_learned_as_well() -> None:
    random = np.random.default_rng(0)
    lesson = (
        random.uniform(-1, 1, (5, 3, 16, 16)).astype(np.float16),
        random.random((5, sum(SIZES), 16, 16)).astype(np.float16),
    )
    images, wanted = segmenter.taught_batch(lesson, 3)
    assert images.shape == (segmenter.TAUGHT_BATCH, 3, 16, 16)
    known = torch.from_numpy(lesson[0]).float()
    half = len(images) // 2
    for image, answer in zip(images[:half], wanted, strict=False):  # the first half is as it was made
        ways = [(known == seen).flatten(1).all(1) for seen in (image, image.flip(-1))]
        number = int(torch.stack(ways).any(0).nonzero()[0])
        taught = torch.from_numpy(lesson[1][number]).float()
        assert torch.equal(answer, taught) or torch.equal(answer, taught.flip(-1))
    assert not any((known == image).flatten(1).all(1).any() for image in images[half:])
