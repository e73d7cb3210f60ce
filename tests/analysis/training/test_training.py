"""Training goes on from where it was stopped, and comes to the same weights."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from analysis.models.families.progan import build
from analysis.training import churches, segmenter, teacher
from analysis.training.progressive import Game
from analysis.training.publish import arm_facts, publish, seen


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    churches.pictures(folder, churches.SEED, 16, workers=1)
    return folder


def folder_with(drawn: Path, folder: Path) -> Path:
    for file in drawn.glob("churches-*.npz"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def test_a_stopped_training_goes_on_to_the_same_weights(drawn: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    for name, stops in (("whole", (3,)), ("stopped", (1, 3))):
        (folder := tmp_path / name).mkdir()
        for stop in stops:
            assert churches.train(folder_with(drawn, folder), last=stop, count=16) == stop
    weights = [load_file(tmp_path / name / "generator-000003.safetensors") for name in ("whole", "stopped")]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())
    assert len(build(weights[0]).layers) == 2  # begun at 8 pixels


RUN = """
import sys, torch
from pathlib import Path
from analysis.training import churches
from analysis.training.churches import Phase
torch.set_num_threads(1)
churches.SCHEDULE = (Phase(1, 2, 0, 4, penalty=0.1), Phase(2, 4, 3, 4, penalty=0.1))
churches.train(Path(sys.argv[1]), last=int(sys.argv[2]), count=16)
"""


@pytest.mark.slow
def test_a_training_stopped_while_a_new_size_fades_in_goes_on_in_another_process(
    drawn: Path, tmp_path: Path
) -> None:
    for name, stops in (("whole", ["5"]), ("stopped", ["2", "3", "5"])):  # the new size begins at step 2
        (folder := tmp_path / name).mkdir()
        folder_with(drawn, folder)
        for stop in stops:
            subprocess.run([sys.executable, "-P", "-c", RUN, str(folder), stop], check=True, timeout=200)
    weights = [load_file(tmp_path / name / "generator-000005.safetensors") for name in ("whole", "stopped")]
    assert len(build(weights[0]).layers) == 3  # 16 pixels
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


def test_a_stopped_segmenter_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(segmenter, "COUNT", 8)
    monkeypatch.setattr(segmenter, "BATCH", 4)
    monkeypatch.setattr(segmenter, "TAUGHT", 6)
    monkeypatch.setattr(segmenter, "TAUGHT_BATCH", 4)
    taught_by = tmp_path / "teacher.safetensors"
    save_file(teacher.WideUnet(sum(segmenter.WORLDS["churches"].classes)).state_dict(), taught_by)
    found = []
    for name, stops in (("whole", (3,)), ("stopped", (1, 3))):
        for stop in stops:
            module = segmenter.train(tmp_path / name, taught_by, last=stop)
        found.append(module.state_dict())
    assert all(torch.equal(value, found[1][key]) for key, value in found[0].items())


@pytest.mark.parametrize("stage", [1, 4])
def test_one_round_moves_both_players(stage: int) -> None:
    game = Game(0)
    before = [p.clone() for p in (*game.generator.parameters(), *game.critic.parameters())]
    real = torch.rand(8, 3, 4 * 2**stage, 4 * 2**stage) * 2 - 1
    losses = game.step(real, torch.randn(8, 64), stage, 0.5, penalty=1.0)
    after = (*game.generator.parameters(), *game.critic.parameters())
    moved = sum(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert np.isfinite(losses).all()
    assert moved > 4 * (stage + 1)


def test_a_new_size_fades_in() -> None:
    game, z = Game(0), torch.randn(2, 64)
    small = game.generator(z, 1, 1.0)
    assert torch.allclose(game.generator(z, 2, 0.0)[:, :, ::2, ::2], small, atol=1e-6)
    picture = torch.rand(2, 3, 16, 16)
    halved = torch.nn.functional.avg_pool2d(picture, 2)
    assert torch.allclose(game.critic(picture, 2, 0.0), game.critic(halved, 1, 1.0), atol=1e-5)


def test_the_schedule() -> None:
    first, last = churches.SCHEDULE[0], churches.SCHEDULE[-1]
    assert churches.place(0) == (first, 1.0)
    assert churches.place(churches.STEPS - 1) == (last, 1.0)
    assert churches.place(first.steps)[1] < 0.01
    assert churches.rate(0) == first.rate
    assert churches.rate(churches.STEPS) == pytest.approx(last.rate / 10)
    assert seen(first.steps + 1) == first.steps * first.batch + churches.SCHEDULE[1].batch


@pytest.mark.parametrize("world", ["churches", "rooms"])
def test_classes_of_each_map_begin_with_nothing(drawn: Path, world: str) -> None:
    _, labels = churches.pictures(drawn, churches.SEED, 16, world, workers=1)
    wanted = segmenter.targets(labels, segmenter.WORLDS[world])
    assert wanted.shape == labels.shape
    for k, count in enumerate(segmenter.WORLDS[world].classes):
        assert 0 <= int(wanted[:, k].min()) < int(wanted[:, k].max()) < count
        assert torch.equal(wanted[:, k] == 0, torch.from_numpy(labels[:, k] == 0))


def test_publishing_enters_the_hash(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("{}")
    (weights := tmp_path / "w").write_bytes(b"weights")
    publish("mine", weights, {"steps": 3}, tmp_path)
    assert (tmp_path / "mine.safetensors").read_bytes() == b"weights"
    assert '"steps": 3' in (tmp_path / "index.json").read_text()


def test_the_index_says_of_an_arm_what_its_training_wrote(tmp_path: Path) -> None:
    curve = [{"step": 1, "images": 8}, {"step": 3, "images": 24}]
    arm = {"kind": "dcgan", "spread": False, "widths": [8, 4], "seed": 2, "batch": 8}
    written = {"arm": arm, "curve": curve}
    (file := tmp_path / "arm.json").write_text(json.dumps(written))
    expected = {"arm": "dcgan", "widths": [8, 4], "minibatch_statistic": False, "seed": 2}
    assert arm_facts(file) == expected | {"steps": 3, "images": 24}
