"""A foreign segmenter is read, built and tried in a process with limits, and in no other."""

import subprocess
import sys
from pathlib import Path

import pytest
import tiny_segmenters as tiny
import torch

from analysis.models import segmenters
from analysis.models.files.limits import GB, Limits, confined
from analysis.shared.errors import GanatomyError

SIDE = {"size": {"height": 512, "width": 512}}
TOLD = {"background": "label0-is-a-class"}
ADD = """
import sys
from pathlib import Path
from analysis.models import segmenters
folder, models = map(Path, sys.argv[1:])
info = segmenters.add("mine", None, folder, models, settings={"background": "label0-is-a-class"})
print(len(info.concepts), "torch" in sys.modules)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.saved(tiny.segformer, tmp_path / "net", processor=SIDE)[1]


@pytest.mark.real_process
def test_the_process_that_adds_a_segmenter_does_not_build_it(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ADD, str(folder), str(tmp_path / "models")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == ("5 False\n", "")
    segmenter = segmenters.load("mine", tmp_path / "models")
    assert segmenter.labels(torch.zeros(1, 3, 32, 32)).shape == (1, 1, 32, 32)


@pytest.mark.real_process
def test_building_and_trying_is_limited(folder: Path, tmp_path: Path) -> None:
    """Attention over 512 x 512 pixels takes hundreds of megabytes, whatever the file's 200 kB."""
    with pytest.raises(GanatomyError, match=r"^net (needs more than 0\.2 GB of memory|was given up)"):
        segmenters.add("mine", None, folder, tmp_path / "models", settings=TOLD, memory_gb=0.25)
    assert not list((tmp_path / "models").rglob("*.*"))
    assert not confined()


def test_what_is_asked_is_found_without_an_answer(folder: Path) -> None:
    found = segmenters.inspect(folder)
    assert (found.family, found.choices[0].name) == ("huggingface", "background")
    assert "say --set background=" in found.problems[0]
    found = segmenters.inspect(folder, settings=TOLD)
    assert (found.problems, found.answers) == ((), TOLD)
    assert [concept.name for concept in found.concepts] == ["wall", "building", "sky", "tree", "door"]


def test_a_segmenter_may_take_more_than_its_file() -> None:
    small, large = Limits.of_segmenter(10**6), Limits.of_segmenter(10**6, memory_gb=0.5)
    assert large.memory == GB // 2 < small.memory <= 3.1 * GB
