"""Segmenters on the command line: exported images come back as a segmenter; a check writes its picture."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import program
import pytest
import torch
from PIL import Image

from analysis.models import segmenters

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ganatomy(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("GANATOMY_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("COLUMNS", "1000")
    return partial(program.run, capsys)


def test_exported_images_come_back_as_a_segmenter(ganatomy: Run, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    words = ("export-images", "planted", "-o", str(folder), "--images", "20", "--calibration", "30")
    status, out, _ = ganatomy(*words)
    assert status == 0
    assert "ganatomy models add NAME" in out
    assert "ganatomy dissect planted --segmenter NAME --images 20 --calibration 30 --seed 1" in out
    status, _, err = ganatomy(*words)
    assert status == 1
    assert "holds exported images already" in err
    (folder / "vocabulary.json").write_text('["disc", "bar", "post", "dot"]')
    planted = segmenters.load("planted", None)
    for file in (folder / "images").glob("*.png"):
        pixels = torch.from_numpy(np.asarray(Image.open(file)).copy()).permute(2, 0, 1)[None]
        labels = planted.labels(pixels / 127.5 - 1)[0, 0].byte().numpy()
        Image.fromarray(labels).save(folder / "labels" / file.name)
    status, out, err = ganatomy("models", "add", "hand", str(folder), "--role", "segmenter")
    assert (status, err) == (0, "")
    picture = tmp_path / "check.png"
    status, out, _ = ganatomy("models", "check", "hand", "--generator", "planted", "-o", str(picture))
    assert status == 0
    assert "no problem was found" in out
    assert Image.open(picture).width > 500
    status, out, _ = ganatomy("models", "check", "hand", "-g", "planted", "--json")
    assert set(json.loads(out)["shares"]) <= {"disc", "bar", "post", "dot"}
    for words, said in (
        (
            ("dissect", "planted", "--segmenter", "hand", "--images", "90"),
            "--seed 1 --images 20 --calibration 30",
        ),
        (
            ("ace", "planted", "--segmenter", "hand", "--layer", "layer1", "--concept", "disc"),
            "knows nothing of edited",
        ),
        (
            ("full", "planted", "--segmenter", "hand", "--images", "20", "--calibration", "30"),
            "knows nothing of edited",
        ),
    ):
        status, _, err = ganatomy(*words)
        assert status == 1
        assert said in err
    status, _, err = ganatomy("models", "check", "hand", "-g", "churches")
    assert status == 1
    assert "are of images of another generator" in err


def test_what_a_segmenter_is_told_is_checked(ganatomy: Run, tmp_path: Path) -> None:
    from analysis.models.segmentation.bisenet import BiSeNet

    file = tmp_path / "faces.pt"
    torch.save(BiSeNet(19).state_dict(), file)
    add = ("models", "add", "mine", str(file), "--role", "segmenter")
    for words, said in (
        (("--set", "sides"), "write --set name=value"),
        (("--set", "side=all"), "has no choice 'side'; it asks for sides"),
        (("--set", "sides=none"), "choose one of merged, all"),
        (("--vocabulary", str(tmp_path / "no.json")), "There is no vocabulary file"),
    ):
        status, _, err = ganatomy(*add, *words)
        assert status == 1
        assert said in err
        assert "Traceback" not in err
    inspect = ("models", "inspect", str(file), "--role", "segmenter")
    status, out, _ = ganatomy(*inspect)
    assert status == 0
    assert "BiSeNet for face parsing" in out
    assert "14: skin, brow" in out
    assert "--set sides=merged" in out
    status, out, _ = ganatomy(*inspect, "--set", "sides=none")
    assert status == 1
    assert "Problem: 'none' cannot be the sides" in out
    status, _, err = ganatomy(*add, "--set", "sides=all")
    assert (status, err) == (0, "")
    status, out, _ = ganatomy("models", "show", "mine", "--json")
    shown = json.loads(out)
    assert (shown["family"], len(shown["concepts"])) == ("bisenet", 18)


@pytest.mark.parametrize(
    "words", [("models", "check", "nobody", "-g", "planted"), ("models", "check", "planted", "-g", "x")]
)
def test_a_check_of_nothing_is_one_sentence(ganatomy: Run, words: tuple[str, ...]) -> None:
    status, _, err = ganatomy(*words)
    assert status == 1
    assert err.startswith("ganatomy: There is no ")
