"""The commands of docs/bring-your-own.md, typed as they stand there, on files in each published layout."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import nvidia_pickles
import pytest
import tiny_segmenters
import torch
from example_checkpoints import EXAMPLES
from PIL import Image
from torchvision.models import segmentation

PAGE = Path(__file__).resolve().parents[2] / "docs" / "bring-your-own.md"
SIZE = {"height": 32, "width": 32}
PLAIN = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": SIZE}
FILES = {
    "G.pth": "dcgan/tutorial",
    "netG.pth": "dcgan/tutorial",
    "church.pth": "gandissect/16px",
    "stylegan2-cats.pt": "stylegan2/stylegan2-16",
    "G_ema.pth": "biggan/biggan",
    "netG_100000_steps.pth": "sngan/mimicry",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every file that the page names, and a store with the segmenter `my-segmenter`."""
    folder = tmp_path_factory.mktemp("bring")
    for file, name in FILES.items():
        torch.save(EXAMPLES[name](), folder / file)
    arguments = {"z_dim": 18, "c_dim": 4, "mapping_kwargs": {"num_layers": 3}}
    nvidia_pickles.write(folder / "metfaces.pkl", "ada-skip", arguments | {"synthesis_kwargs": {}})
    tiny_segmenters.saved(tiny_segmenters.segformer, folder / "segformer-folder", processor=PLAIN)
    tiny_segmenters.saved(tiny_segmenters.clipseg, folder / "clipseg-folder", None, PLAIN)
    tiny_segmenters.tokenizer(folder / "clipseg-folder")
    made = segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=21)
    torch.save(made.state_dict(), folder / "deeplabv3.pth")
    return folder


def lines(section: str) -> list[str]:
    """The commands of a section of the page, without comments."""
    text = PAGE.read_text()
    (part,) = re.findall(rf"^#+ {re.escape(section)}\n(.*?)(?=^#|\Z)", text, re.M | re.S)
    blocks = re.findall(r"^```\n(.*?)^```", part, re.M | re.S)
    typed = (line.split("  #")[0].strip() for block in blocks for line in block.splitlines())
    return [line for line in typed if line.startswith("ganatomy ")]


def typed(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "jobs.cli", *shlex.split(line)[1:]]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def test_sections_have_commands() -> None:
    assert lines("ProGAN") == ["ganatomy models add church-progan church.pth --segmenter my-segmenter"]
    assert len(lines("StyleGAN2 and StyleGAN3")) == 3


SECTIONS = ("Hugging Face", "torchvision", "CLIPSeg", "DCGAN", "ProGAN", "StyleGAN2 and StyleGAN3", "BigGAN")
ADDED = [
    line
    for section in (*SECTIONS, "SNGAN and StudioGAN")
    for line in lines(section)
    if line.startswith("ganatomy models") and "hub:" not in line
]


@pytest.mark.slow
def test_each_family_is_added_as_the_page_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Segmenters first, because generators name them. A dissection then runs, with inputs."""
    monkeypatch.setenv("GANATOMY_STORE", str(folder / "store"))
    for line in ADDED:
        if "face-parts" in line:  # a published segmenter, known without being fetched
            assert "my-segmenter" not in line
        done = typed(folder, line)
        assert (done.returncode, "Added" in done.stdout) == (0, True), (line, done.stdout, done.stderr)
    for line in (
        "ganatomy models inspect G.pth --set activation=leaky_relu_0.2 --set output=sigmoid",
        "ganatomy models check my-segmenter --generator mine -o check.png",
        "ganatomy export-images mine --images 24 --calibration 24 -o exported",
        "ganatomy dissect biggan --inputs class=2:3,4:1 --images 32 --calibration 32 --estimate",
    ):
        done = typed(folder, line)
        assert done.returncode in (0, 1 if "check" in line else 0), (line, done.stdout, done.stderr)
    assert (folder / "check.png").read_bytes().startswith(b"\x89PNG")
    exported = sorted((folder / "exported" / "images").glob("*.png"))
    assert len(exported) == 48
    (folder / "exported" / "labels").mkdir(exist_ok=True)
    for file in exported:  # labelled elsewhere: what is bright
        bright = np.asarray(Image.open(file).convert("L")) > 128
        Image.fromarray(bright.astype(np.uint8)).save(folder / "exported" / "labels" / file.name)
    (folder / "exported" / "vocabulary.json").write_text('["bright"]')
    for line in lines("Label images made elsewhere")[1:]:
        typed_line = line.replace("1000", "24").replace("500", "24") + (" --estimate" * ("dissect" in line))
        done = typed(folder, typed_line)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
