import json
from pathlib import Path

import pytest
import torch
from torch import nn

from analysis.models import generators, segmenters
from analysis.models.families import planted_shapes
from analysis.models.segmentation import bisenet
from analysis.shared.errors import GanatomyError


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "netG.pth"
    torch.save({"netG": planted_shapes.weights(5), "netD": {"a": torch.zeros(1)}}, path)
    return path


def test_what_is_on_the_shelf() -> None:
    assert "faces" in generators.names()
    assert "planted" not in generators.names()
    info = generators.describe("faces")
    assert [layer.units for layer in info.layers] == [512, 256, 128, 64]
    assert info.default_segmenter in segmenters.names()
    assert [c.name for c in segmenters.describe("face-parts").concepts].count("eye") == 1
    for catalogue in (generators, segmenters):
        for name in catalogue.names():
            json.dumps(catalogue.describe(name).as_json())


def test_every_listed_generator_says_what_it_was_trained_on() -> None:
    assert all(generators.describe(name).trained_on for name in generators.names())


def test_the_planted_generator_is_as_described() -> None:
    info, generator = generators.describe("planted"), generators.load("planted", None)
    assert generator.layers == info.layers
    assert generator.latent_shape == info.latent_shape
    assert generator.image_shape[1:] == info.image_size
    assert not any(weight.requires_grad for weight in generator.module.parameters())
    assert segmenters.load("planted", None).concepts == segmenters.describe("planted").concepts


def test_a_model_that_was_added_is_described_and_loaded(tmp_path: Path, checkpoint: Path) -> None:
    models = tmp_path / "models"
    added = generators.add(
        "mine",
        "planted",
        checkpoint,
        models,
        "netG",
        title="Mine",
        default_segmenter="planted",
        trained_on="discs",
    )
    assert added.trained_on == "discs"
    checkpoint.unlink()
    assert generators.names(models) == [*generators.names(), "mine"]
    assert generators.describe("mine", models) == added
    assert generators.ready("mine", models)
    generator = generators.load("mine", models)
    assert generator.name == "mine"
    assert generator.layers == added.layers
    file = models / "generators" / "mine.safetensors"
    with pytest.raises(GanatomyError, match="a generator 'mine' already"):
        generators.add("mine", "planted", file, models)
    assert sorted(path.name for path in (models / "generators").iterdir()) == [
        "mine.json",
        "mine.png",
        "mine.safetensors",
    ]


def test_a_segmenter_can_be_added(tmp_path: Path) -> None:
    path = tmp_path / "seg.pt"
    torch.save(bisenet.BiSeNet(19).state_dict(), path)
    added = segmenters.add("parser", "bisenet", path, tmp_path / "models", settings={"sides": "all"})
    assert len(added.concepts) == 18
    assert segmenters.load("parser", tmp_path / "models").concepts == added.concepts


@pytest.mark.parametrize(
    ("name", "family", "key", "words"),
    [
        ("Mine", "planted", "netG", "cannot be a model's name"),
        ("../mine", "planted", "netG", "cannot be a model's name"),
        ("__import__('os')", "planted", "netG", "cannot be a model's name"),
        ("faces", "planted", "netG", "a generator 'faces' already"),
        ("planted", "planted", "netG", "a generator 'planted' already"),
        ("mine", "os.system", "netG", "no generator family 'os.system'; choose one of"),
        ("mine", "dcgan", "netG", "not those of a DCGAN"),
        ("mine", "planted", "netX", "no state dict 'netX'"),
        ("mine", "planted", "netD", "do not fit a planted generator"),
    ],
)
def test_what_cannot_be_added_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, checkpoint: Path, name: str, family: str, key: str, words: str
) -> None:
    with pytest.raises(GanatomyError, match=words):
        generators.add(name, family, checkpoint, tmp_path / "models", key)
    assert not list((tmp_path / "models").rglob("*.*"))


def test_what_cannot_be_loaded_is_one_sentence(tmp_path: Path, checkpoint: Path) -> None:
    models = tmp_path / "models"
    with pytest.raises(GanatomyError, match="no generator 'nobody'; choose one of "):
        generators.load("nobody", models)
    with pytest.raises(GanatomyError, match="run `ganatomy models fetch faces`"):
        generators.load("faces", models)
    generators.add("mine", "planted", checkpoint, models, "netG")
    weights = models / "generators" / "mine.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(GanatomyError, match="damaged or not the file"):
        generators.load("mine", models)
    (models / "generators" / "mine.json").write_text("{}")
    with pytest.raises(GanatomyError, match="remove it and add the generator again"):
        generators.load("mine", models)


def test_a_wrong_file_in_the_place_of_fetched_weights_is_refused(tmp_path: Path) -> None:
    file = generators.weights_file("faces", tmp_path)
    assert file is not None
    file.parent.mkdir(parents=True)
    torch.save(nn.Linear(1, 1).state_dict(), file)
    with pytest.raises(GanatomyError, match="damaged or not the file"):
        generators.load("faces", tmp_path)
