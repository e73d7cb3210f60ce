"""Unified parsing: random weights in GAN Dissection's layout, and what its heads say of objects and parts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from analysis.models import segmenters
from analysis.models.segmentation.unified import mean_pool
from analysis.models.segmenter import Segmenter, checked_labels
from analysis.shared.errors import GanatomyError

LABELS = {
    "object": ["-", "building", "tree", "person", "door"],
    "scene": ["street", "kitchen"],
    "material": ["-", "brick", "wood"],
    "part": ["-", "door", "roof", "arm", "trunk"],
    "object_part": {"building": ["-", "door", "roof"], "tree": ["-", "trunk"], "person": ["-", "arm"]},
}


def norm(state: dict[str, Tensor], key: str, width: int) -> None:
    for name, value in (("weight", 1.0), ("bias", 0.1), ("running_mean", 0.0), ("running_var", 1.0)):
        state[f"{key}.{name}"] = torch.full((width,), value)
    state[f"{key}.num_batches_tracked"] = torch.tensor(1)


def convolution(state: dict[str, Tensor], key: str, bn: str, after: int, before: int, size: int) -> None:
    scale = (2 / (before * size * size)) ** 0.5
    state[f"{key}.weight"] = scale * torch.randn(after, before, size, size)
    norm(state, bn, after)


def encoder() -> dict[str, Tensor]:
    """The names of CSAIL's ResNet with a stem of three convolutions, 8 times narrower, one block a layer."""
    state: dict[str, Tensor] = {}
    for number, (after, before) in enumerate(((8, 3), (8, 8), (16, 8)), start=1):
        convolution(state, f"conv{number}", f"bn{number}", after, before, 3)
    before = 16
    for level, inner in enumerate((4, 8, 8, 8), start=1):
        for block in range(2 if level == 1 else 1):
            key, wide = f"layer{level}.{block}", 4 * inner
            convolution(state, f"{key}.conv1", f"{key}.bn1", inner, before, 1)
            convolution(state, f"{key}.conv2", f"{key}.bn2", inner, inner, 3)
            convolution(state, f"{key}.conv3", f"{key}.bn3", wide, inner, 1)
            if block == 0:
                convolution(state, f"{key}.downsample.0", f"{key}.downsample.1", wide, before, 1)
            before = wide
    return state | {"fc.weight": torch.zeros(10, 32), "fc.bias": torch.zeros(10)}


def decoder(width: int = 8) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for number in range(4):
        convolution(state, f"ppm_conv.{number}.0", f"ppm_conv.{number}.1", 8, 32, 1)
    convolution(state, "ppm_last_conv.0", "ppm_last_conv.1", width, 32 + 4 * 8, 3)
    for number, before in enumerate((16, 32, 32)):
        convolution(state, f"fpn_in.{number}.0", f"fpn_in.{number}.1", width, before, 1)
        convolution(state, f"fpn_out.{number}.0.0", f"fpn_out.{number}.0.1", width, width, 3)
    convolution(state, "conv_fusion.0", "conv_fusion.1", width, 4 * width, 3)
    for head, classes in (("scene", 2), ("object", 5), ("part", 7), ("material", 3)):
        convolution(state, f"{head}_head.0.0", f"{head}_head.0.1", width, width, 3)
        last = f"{head}_head.{2 if head == 'scene' else 1}"
        state[f"{last}.weight"] = torch.randn(classes, width, 1, 1)
        state[f"{last}.bias"] = torch.zeros(classes)
    return state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "upp"
    path.mkdir()
    (path / "labels.json").write_text(json.dumps(LABELS))
    torch.save(encoder(), path / "encoder_epoch_40.pth")
    torch.save(decoder(), path / "decoder_epoch_40.pth")
    (path / "encoder_epoch_41.pth").write_bytes(b"")  # half of an epoch that was not saved whole
    return path


def added(folder: Path, models: Path, **settings: str) -> Segmenter:
    segmenters.add("upp", None, folder, models, settings={"size": "64", **settings})
    return segmenters.load("upp", models)


def images() -> Tensor:
    noise = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(noise, (64, 64), mode="bilinear").clamp(-1, 1)


def test_three_maps_with_parts_in_their_objects(folder: Path, tmp_path: Path) -> None:
    segmenter = added(folder, tmp_path / "models")
    names = [concept.name for concept in segmenter.concepts]
    objects, materials = ["building", "tree", "person", "door (object)"], ["brick", "wood"]
    assert names == [*objects, "door (part)", "roof", "arm", *materials]  # a tree's trunk is not in the paper
    assert {concept.category for concept in segmenter.concepts} == {"object", "part", "material"}
    labels = checked_labels(segmenter, images())
    assert labels.shape == (2, 3, 64, 64)
    number = {name: place for place, name in enumerate(names, start=1)}
    things, parts = labels[:, 0], labels[:, 1]
    assert set(things.unique().tolist()) <= {0, 1, 2, 3, 4}
    assert set(labels[:, 2].unique().tolist()) <= {0, 8, 9}
    inside = {"building": ("door (part)", "roof"), "person": ("arm",)}
    for owner, of in inside.items():
        for part in of:
            assert (things[parts == number[part]] == number[owner]).all()
    assert len(parts.unique()) > 1


def test_labels_are_where_the_probability_is_largest(folder: Path, tmp_path: Path) -> None:
    segmenter = added(folder, tmp_path / "models")
    labels = checked_labels(segmenter, images())
    with torch.no_grad():
        shares = {concept.name: segmenter.probability(images(), concept) for concept in segmenter.concepts}
    best = torch.stack([shares[name] for name in ("building", "tree", "person", "door (object)")])
    here = labels[:, 0] > 0
    assert (best.argmax(0)[here] + 1 == labels[:, 0][here]).all()
    assert (best.sum(0) <= 1 + 1e-5).all()
    assert (shares["roof"] + shares["door (part)"] <= shares["building"] + 1e-6).all()
    given = images().requires_grad_()
    for name in ("tree", "roof", "brick"):
        (slope,) = torch.autograd.grad(segmenter.probability(given, name).mean(), given)
        assert slope.abs().sum() > 0


def test_all_parts_and_other_pooling(folder: Path, tmp_path: Path) -> None:
    paper = added(folder, tmp_path / "a")
    every = added(folder, tmp_path / "b", parts="all")
    assert "trunk" in [concept.name for concept in every.concepts]
    adaptive = added(folder, tmp_path / "c", pooling="adaptive")
    one, two = (each.probability(images(), "tree") for each in (paper, adaptive))
    assert not torch.equal(one, two)
    assert len({each.weights_sha256 for each in (paper, every, adaptive)}) == 3  # type: ignore[attr-defined]


def test_pooling_is_the_integral_of_the_surface() -> None:
    values = np.random.default_rng(0).normal(size=(7, 5))
    rows, columns = (np.linspace(0, n, 20 * n * 6, endpoint=False) + 1 / 240 for n in values.shape)

    def tent(at: Any, count: int) -> Any:
        return np.clip(1 - np.abs(at[:, None] - np.arange(count)), 0, None)

    surface = tent(rows, 7) @ values @ tent(columns, 5).T
    for bins in (1, 2, 3, 6):
        expected = [
            [part.mean() for part in np.array_split(row, bins, 1)] for row in np.array_split(surface, bins)
        ]
        found = mean_pool(torch.from_numpy(values)[None, None], bins)[0, 0]
        np.testing.assert_allclose(found.numpy(), expected, atol=2e-3)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"object": ["-", "tree"]}, "has parts of 'building', which is no object"),
        ({"object": "tree"}, "names no objects, materials and parts"),
        ({"material": ["-", "brick"]}, "names 2 materials, but the network has 3"),
        ({"object_part": {"person": ["-", "arm"]}}, "names 2 parts, but the network has 7"),
    ],
)
def test_labels_of_another_network_are_one_sentence(
    folder: Path, tmp_path: Path, labels: dict[str, Any], words: str
) -> None:
    (folder / "labels.json").write_text(json.dumps(LABELS | labels))
    with pytest.raises(GanatomyError, match=words):
        added(folder, tmp_path / "models")


def test_other_weights_are_one_sentence(folder: Path, tmp_path: Path) -> None:
    state = decoder()
    del state["fpn_in.1.0.weight"]
    torch.save(state, folder / "decoder_epoch_40.pth")
    with pytest.raises(GanatomyError, match="not those of a unified parsing network"):
        added(folder, tmp_path / "models")
    torch.save(decoder() | {"object_head.1.weight": torch.zeros(5, 9, 1, 1)}, folder / "decoder_epoch_40.pth")
    with pytest.raises(GanatomyError, match="do not fit a unified parsing network"):
        added(folder, tmp_path / "models")
