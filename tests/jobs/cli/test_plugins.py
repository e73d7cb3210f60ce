"""A plug-in: a package of a few lines, installed, added, dissected by a worker and rendered."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from children import worker
from tiny_package import MODELS, install

from analysis import dissect
from analysis.models.inputs import Inputs
from db import store as stored
from db.layout import Layout
from db.queries import runs
from db.schema import metadata


class Program:
    """The real program with the package installed."""

    def __init__(self, root: Path, site: Path) -> None:
        self.root, self.site = root, site
        self.environment = {"PYTHONPATH": str(site), "GANATOMY_STORE": str(root), "OMP_NUM_THREADS": "1"}

    def __call__(self, *words: str, status: int = 0) -> str:
        command = [sys.executable, "-P", "-m", "jobs.cli", *words]
        environment = {**os.environ, **self.environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=250)
        assert done.returncode == status, done.stdout + done.stderr
        if status:
            assert "Traceback" not in done.stderr
            return done.stderr.strip()
        return done.stdout


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    folder = tmp_path_factory.mktemp("plugins")
    install(folder / "site")
    return Program(folder / "store", folder / "site")


def added(program: Program) -> list[str]:
    return [
        model["name"] for model in json.loads(program("models", "list", "--json")) if "mine" in model["name"]
    ]


@pytest.mark.slow
def test_a_package_of_ten_lines_works_from_the_entry_point_to_units_and_renders(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(MODELS.strip().splitlines()) <= 10
    listed = json.loads(program("models", "plugins", "--json"))
    assert {"role": "generator", "entry": "tiny", "function": "tiny_gan:build"}.items() <= next(
        each for each in listed if each["entry"] == "tiny"
    ).items()
    program("models", "add", "mine-sees", "--plugin", "brightness")
    told = program("models", "add", "mine", "--plugin", "tiny", "--segmenter", "mine-sees", "--json")
    info = json.loads(told)
    assert info["layers"] == [
        {"name": "layer1", "path": "1", "units": 6, "height": 8, "width": 8, "extra": False}
    ]
    assert (info["family"], info["licence"], info["takes"]) == ("plugin", "MIT", ["truncation"])
    assert info["source"] == "code of tiny-gan 1.0: tiny_gan:build"
    with worker(program.root, PYTHONPATH=str(program.site)):
        sizes = ("--images", "64", "--calibration", "64", "--layers", "layer1")
        program("dissect", "mine", *sizes, "--wait")
        program("render", "mine", "ablate layer1 0,1", "--latents", "0,1", "--json")
    snapshot = stored.open(Layout.create(program.root))
    row = runs.runs(snapshot).iloc[0]
    assert (row.generator, row.segmenter, row.state) == ("mine", "mine-sees", "final")
    units = snapshot.read(metadata.tables["unit"].select())
    assert len(units) == 6
    pairs = snapshot.read(metadata.tables["unit_concept"].select()).sort_values(["unit", "concept"])
    monkeypatch.syspath_prepend(program.site)
    package = importlib.import_module("tiny_gan")
    direct = dissect(package.build("cpu", Inputs()), package.Brightness(), images=64, calibration=64).frame()
    direct = direct.sort_values(["unit", "concept"])
    assert direct.iou.max() > 0.05
    assert np.array_equal(pairs.iou, direct.iou)
    noted = program("sql", "select name, role, family from model order by name", "--format", "csv")
    assert "mine,generator,plugin" in noted


def test_a_failing_plugin_is_one_sentence(program: Program) -> None:
    sentence = program("models", "add", "mine-not", "--plugin", "failing", status=1)
    assert sentence.startswith("ganatomy: The plug-in 'failing' of tiny-gan 1.0 failed at tiny_gan.py, line ")
    assert len(sentence.splitlines()) == 1
    assert "mine-not" not in added(program)


@pytest.mark.slow
def test_a_plugin_that_ends_its_process_leaves_the_program_alone(program: Program) -> None:
    program("models", "add", "mine-torn", "--plugin", "torn", status=1)
    assert "mine-torn" not in added(program)
