"""Images are exported, labelled elsewhere, and added: a dissection is the same as by the labeller."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from analysis import ace, dissect, insertion_context
from analysis.dissection.exported_images import export_images
from analysis.models import generators, segmenters
from analysis.models.files.limits import label_bytes
from analysis.models.segmentation.label_images import FAMILY
from analysis.models.segmenter import Segmenter
from analysis.shared.errors import GanatomyError

NAMES = ["disc", "bar", "post", "dot"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_images(
        generators.load("planted", None), tmp_path_factory.mktemp("export") / "it", images=70, calibration=100
    )


@pytest.fixture
def labelled(exported: Path, tmp_path: Path) -> Path:
    """The export with label maps by the planted segmenter, which reads the PNGs as any program would."""
    folder = tmp_path / "it"
    (folder / "labels").mkdir(parents=True)
    (folder / "manifest.json").write_text((exported / "manifest.json").read_text())
    (folder / "vocabulary.json").write_text(json.dumps({"category": "shape", "concepts": NAMES}))
    segmenter = segmenters.load("planted", None)
    for file in sorted((exported / "images").glob("*.png")):
        pixels = torch.from_numpy(np.asarray(Image.open(file)).copy()).permute(2, 0, 1)[None]
        labels = segmenter.labels(pixels / 127.5 - 1)[0, 0]
        Image.fromarray(labels.byte().numpy()).save(folder / "labels" / file.name)
    return folder


def added(folder: Path, models: Path, **options: Any) -> Segmenter:
    segmenters.add("hand", None, folder, models, **options)
    return segmenters.load("hand", models)


def test_what_is_exported(exported: Path) -> None:
    about = json.loads((exported / "manifest.json").read_text())
    assert (about["calibration"], about["evaluation"], about["seed"]) == ([0, 100], [128, 198], 1)
    assert about["generator_identity"] == generators.load("planted", None).identity
    numbers = sorted(int(file.stem) for file in (exported / "images").glob("*.png"))
    assert numbers == [*range(100), *range(128, 198)]
    with pytest.raises(GanatomyError, match="holds exported images already"):
        export_images(generators.load("planted", None), exported, images=70, calibration=100)


def test_a_dissection_is_the_same_as_by_the_labeller(labelled: Path, tmp_path: Path) -> None:
    segmenter = added(labelled, tmp_path / "models")
    generator = generators.load("planted", None)
    one = dissect(generator, segmenters.load("planted", None), images=70, calibration=100).frame()
    two = dissect(generator, segmenter, images=70, calibration=100).frame()
    assert one["concept"].tolist() == two["concept"].tolist()
    assert one["iou"].notna().any()
    # The PNGs are rounded to 256 grey levels, which moves hardly a pixel.
    assert np.nanmax(np.abs(one["iou"] - two["iou"])) < 0.01


def test_it_serves_what_was_exported_alone(labelled: Path, tmp_path: Path) -> None:
    segmenter = added(labelled, tmp_path / "models")
    generator = generators.load("planted", None)
    with pytest.raises(GanatomyError, match=r"no label map of latent 64|no label map of latent 100"):
        dissect(generator, segmenter, images=70, calibration=128)
    with pytest.raises(GanatomyError, match="are of seed 1, not of 2"):
        dissect(generator, segmenter, images=70, calibration=100, seed=2)
    other = generators.load("planted-scenes", None)
    with pytest.raises(GanatomyError, match="are of images of another generator"):
        dissect(other, segmenter, images=70, calibration=100)
    with pytest.raises(
        GanatomyError, match="knows nothing of edited ones; choose a segmenter that is a network"
    ):
        ace(generator, segmenter, layer="layer1", concept="disc")
    with pytest.raises(GanatomyError, match="knows nothing of edited ones"):
        insertion_context(generator, segmenter, layer="layer1", concept="disc")
    with pytest.raises(GanatomyError, match="knows nothing of other pictures"):
        segmenter.labels(torch.zeros(1, 3, 8, 8))


def test_several_maps_and_merged_numbers(labelled: Path, tmp_path: Path) -> None:
    for name in ("object", "part"):
        (labelled / "labels" / name).mkdir()
    for file in (labelled / "labels").glob("*.png"):
        numbers = np.asarray(Image.open(file)).astype(np.uint16) * 100
        Image.fromarray(numbers).save(labelled / "labels" / "part" / file.name)
        file.rename(labelled / "labels" / "object" / file.name)
    rows = [
        {"name": "round", "labels": [1, 4]},
        {"name": "long", "labels": [2, 3]},
        {"name": "round", "category": "part", "labels": [100, 400]},
    ]
    content = {"maps": ["object", "part"], "concepts": rows}
    (labelled / "vocabulary.json").write_text(json.dumps(content))
    with pytest.raises(GanatomyError, match=r"holds [23]00, which the vocabulary does not know"):
        added(labelled, tmp_path / "models")
    rows.append({"name": "rest", "category": "part", "labels": [200, 300]})
    (labelled / "vocabulary.json").write_text(json.dumps(content))
    segmenter = added(labelled, tmp_path / "models")
    names = [concept.name for concept in segmenter.concepts]
    assert names == ["round (object)", "long", "round (part)", "rest"]
    labels = segmenter.labels_of(1, [0, 1, 130])  # type: ignore[attr-defined]
    assert labels.shape[:2] == (3, 2)
    assert torch.equal(labels[:, 0] == 1, labels[:, 1] == 3)


def test_255_means_nothing_unless_it_is_a_concept(labelled: Path, tmp_path: Path) -> None:
    file = labelled / "labels" / "000003.png"
    numbers = np.asarray(Image.open(file)).copy()
    numbers[:2] = 255
    Image.fromarray(numbers).save(file)
    segmenter = added(labelled, tmp_path / "models")
    assert (segmenter.labels_of(1, [3])[0, 0, :2] == 0).all()  # type: ignore[attr-defined]
    with pytest.raises(GanatomyError, match="latent 3 holds 255, which the vocabulary does not know"):
        segmenters.add("other", None, labelled, tmp_path / "models", settings={"ignore": "none"})


def test_what_is_wrong_with_a_folder_is_one_sentence(labelled: Path, tmp_path: Path) -> None:
    models, maps = tmp_path / "models", labelled / "labels"

    def refused(words: str) -> None:
        with pytest.raises(GanatomyError, match=words):
            segmenters.add("hand", None, labelled, models)
        assert not list(models.rglob("*.*"))

    Image.new("RGB", (8, 8)).save(maps / "000500.png")
    refused("colour picture")
    Image.new("L", (8, 8)).save(maps / "000500.png")
    refused("latent 500 has 8x8 pixels, and the first has 32x32")
    Image.new("L", (4000, 8)).save(maps / "000500.png")
    refused("over 2048 pixels")
    (maps / "000500.png").write_bytes(b"no picture")
    refused("000500.png cannot be read as a PNG")
    (maps / "000500.png").rename(maps / "cat.png")
    refused("cat.png in labels is not named as the image")
    (maps / "cat.png").unlink()
    (labelled / "vocabulary.json").rename(labelled / "gone.json")
    refused("no vocabulary file")
    (labelled / "gone.json").rename(labelled / "vocabulary.json")
    (labelled / "manifest.json").write_text('{"format_version": 9}')
    refused("is not one that `ganatomy export-images` wrote")
    (labelled / "manifest.json").write_text("[")
    refused("cannot be read as JSON")


def folder_of_maps(folder: Path, maps: int, side: int, concepts: int) -> Path:
    (folder / "labels").mkdir(parents=True)
    names = [f"c{number}" for number in range(concepts)]
    (folder / "vocabulary.json").write_text(json.dumps(names))
    about = {"format_version": 1, "seed": 1, "generator_identity": "x", "calibration": [0, 1]}
    (folder / "manifest.json").write_text(json.dumps(about | {"evaluation": [1, 2]}))
    flat = np.full((side, side), concepts, np.uint8 if concepts < 256 else np.uint16)
    Image.fromarray(flat).save(folder / "labels" / "000000.png")
    for number in range(1, maps):
        shutil.copy(folder / "labels" / "000000.png", folder / "labels" / f"{number:06d}.png")
    return folder


def test_small_files_do_not_become_gigabytes(tmp_path: Path) -> None:
    flat = folder_of_maps(tmp_path / "flat", 60, 2048, 1)
    with pytest.raises(GanatomyError, match=r"60 label maps of 2048x2048 .* 252 MB of memory, and 1\d\d MB"):
        FAMILY.read(flat, {})  # type: ignore[misc]
    assert label_bytes(10**9) == 10**9


@pytest.mark.parametrize(("concepts", "kind"), [(255, torch.uint8), (300, torch.int16)])
def test_labels_take_the_smallest_type(tmp_path: Path, concepts: int, kind: torch.dtype) -> None:
    files = FAMILY.read(folder_of_maps(tmp_path / "it", 2, 8, concepts), {})  # type: ignore[misc]
    assert files.state["labels"].dtype == kind
    assert (files.state["labels"] == concepts).all()
