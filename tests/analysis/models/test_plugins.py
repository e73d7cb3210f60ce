"""Plug-ins by entry point: refusals, and what is known of one without running it."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_package import MODELS, MORE, install

from analysis.models import generators, plugins, segmenters
from analysis.models.inputs import Inputs
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages in which the tiny one is installed."""
    folder = tmp_path / "site"
    install(folder)
    monkeypatch.syspath_prepend(folder)
    again()
    return folder


def again() -> None:
    """What a new process has: nothing imported of the package."""
    sys.modules.pop("tiny_gan", None)
    sys.dont_write_bytecode = True  # a file changed within a second would be taken for the old one
    importlib.invalidate_caches()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("unseeded", "returns another generator at each call"),
        ("failing", "failed at tiny_gan.py, line "),
        ("text", "returned str; return a Generator"),
        ("wants", "wants 'path'; its function is given device and inputs"),
        ("missing", "cannot be imported (AttributeError"),
        ("absent", "cannot be imported (ModuleNotFoundError"),
        (
            "nobody",
            "No installed package has a generator 'nobody' under the entry points ganatomy.generators",
        ),
    ],
)
def test_what_cannot_be_added_is_one_sentence_and_leaves_nothing(
    site: Path, tmp_path: Path, entry: str, said: str
) -> None:
    models = tmp_path / "models"
    with pytest.raises(GanatomyError) as caught:
        generators.plug("mine", entry, models)
    assert said in str(caught.value)
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)
    assert not models.exists()


def test_a_function_that_names_its_concepts_by_words_is_no_segmenter(site: Path, tmp_path: Path) -> None:
    with pytest.raises(GanatomyError, match="has a concept 'bright' of type str; make each one a Concept"):
        segmenters.plug("mine", "words", tmp_path)
    with pytest.raises(GanatomyError, match="returned labels from 0 to 7, but it has 1 concepts"):
        segmenters.plug("mine", "beyond", tmp_path)
    with pytest.raises(GanatomyError, match="labels pictures differently when it is built again"):
        segmenters.plug("mine", "drifting", tmp_path)


def test_a_run_may_choose_what_changes_a_picture(site: Path, tmp_path: Path) -> None:
    assert generators.plug("mine", "tiny", tmp_path).takes == ("truncation",)
    assert generators.plug("dropped", "dropped", tmp_path).takes == ()  # it leaves the inputs out
    usual, half = (
        generators.load("mine", tmp_path, inputs=inputs) for inputs in (Inputs(), Inputs(truncation=0.5))
    )
    z = latents(1, 0, 2, (4, 1, 1))
    assert (usual.images(z).atanh() / 2).tanh().allclose(half.images(z), atol=1e-5)
    assert usual.identity != half.identity
    with pytest.raises(GanatomyError, match="'mine' has no input 'noise'; it takes truncation"):
        generators.load("mine", tmp_path, inputs=Inputs(noise=1))


def test_another_version_of_the_code_shares_no_cache(site: Path, tmp_path: Path) -> None:
    generators.plug("mine", "tiny", tmp_path)
    segmenters.plug("sees", "brightness", tmp_path)
    before = generators.load("mine", tmp_path), segmenters.load("sees", tmp_path)
    install(site, "2.0")
    again()
    generators.plug("mine2", "tiny", tmp_path)
    segmenters.plug("sees2", "brightness", tmp_path)
    after = generators.load("mine2", tmp_path), segmenters.load("sees2", tmp_path)
    assert before[0].weights_sha256 == after[0].weights_sha256
    assert before[0].identity != after[0].identity
    assert before[1].weights_sha256 != after[1].weights_sha256


def test_two_packages_with_one_name_are_told_apart(site: Path, tmp_path: Path) -> None:
    other = site / "other_gan-1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other-gan\nVersion: 1\n")
    (other / "entry_points.txt").write_text("[ganatomy.generators]\ntiny = tiny_gan:build\n")
    importlib.invalidate_caches()
    with pytest.raises(GanatomyError, match="other-gan and tiny-gan both have a plug-in 'tiny'"):
        generators.plug("mine", "tiny", tmp_path)


WITHOUT_TORCH = """
import sys
from pathlib import Path
from analysis.models import generators
from jobs.kinds import catalogue
models = Path(sys.argv[1])
info = generators.describe("mine", models)
print(info.layers[0].units, generators.ready("mine", models), "mine" in generators.names(models))
assert "torch" not in sys.modules and "tiny_gan" not in sys.modules
"""


def test_pages_describe_a_plugin_without_running_it(site: Path, tmp_path: Path) -> None:
    generators.plug("mine", "tiny", tmp_path)
    command = [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stdout) == (0, "6 True True\n"), done.stderr


def test_a_job_holds_the_version_and_the_weights(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generators.plug("mine", "tiny", tmp_path)
    assert generators.load("mine", tmp_path).layers[0].units == 6
    install(site, models=(MODELS + MORE).replace("manual_seed(0)", "manual_seed(1)"))
    again()
    with pytest.raises(GanatomyError, match="returned other weights or layers than when 'mine' was added"):
        generators.load("mine", tmp_path)
    install(site, "2.0")
    again()
    with pytest.raises(
        GanatomyError, match=r"added from tiny-gan 1.0, and 2.0 is installed; install tiny-gan=="
    ):
        generators.load("mine", tmp_path)
    assert not generators.ready("mine", tmp_path)
    monkeypatch.undo()
    again()
    with pytest.raises(GanatomyError, match=r"is not installed here; run pip install tiny-gan==1.0\."):
        generators.load("mine", tmp_path)
    assert generators.describe("mine", tmp_path).layers[0].units == 6
    assert plugins.plugins() == []
