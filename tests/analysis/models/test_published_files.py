"""Files as the published code writes them: inspected, added, loaded, and drawn as that code draws."""

import json
from argparse import Namespace
from collections import OrderedDict
from pathlib import Path
from typing import Any

import nvidia_pickles
import pytest
import torch
from published_layouts import biggan_deep, case
from torch import Tensor, nn

from analysis.models import generators
from analysis.models.generator import Generator
from analysis.models.inputs import Inputs


def drawn(generator: Generator, name: str) -> tuple[Tensor, Tensor]:
    """What a generator makes of a case's latents, and what the published code made of them."""
    stored = case(name)[1]
    with torch.no_grad():
        images = generator.module(*(stored[key] for key in ("z", "y") if key in stored))
    return images, next(stored[what] for what in ("plain", "truncated") if what in stored)


@pytest.mark.parametrize("name", ["ada-skip", "stylegan3-r"])
def test_a_network_pickle_of_nvidia_is_read_without_its_code(name: str, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"z_dim": 18, "c_dim": 4, "mapping_kwargs": {"num_layers": 3}}
    arguments |= {"synthesis_kwargs": {"conv_clamp": 256}} if name == "ada-skip" else {"conv_kernel": 1}
    path = tmp_path / "network-snapshot-025000.pkl"
    nvidia_pickles.write(path, name, arguments)
    found = generators.inspect(path)
    family = "stylegan2-ada" if name == "ada-skip" else "stylegan3"
    assert (found.family, found.key, found.classes) == (family, "G_ema", 4)
    assert found.config["mapping_kwargs"] == {"num_layers": 3}
    info = generators.add("mine", None, path, tmp_path / "models")
    assert "truncation" in info.takes
    assert "class" in info.takes
    psi = 0.7 if name == "ada-skip" else None
    images, theirs = drawn(generators.load("mine", tmp_path / "models", inputs=Inputs(truncation=psi)), name)
    torch.testing.assert_close(images, theirs, rtol=0, atol=1e-4)


def test_a_training_checkpoint_of_rosinality_gives_its_average(tmp_path: Path) -> None:
    state = case("stylegan2-16")[0]
    path = tmp_path / "010000.pt"
    optimizer = {"state": {0: {"step": 1, "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 0.002}]}
    content = {
        "g": OrderedDict((key, value + 1) for key, value in state.items()),
        "d": {"convs.0.0.weight": torch.zeros(8, 3, 1, 1), "final_linear.1.weight": torch.zeros(1, 8)},
        "g_ema": OrderedDict(state),
        "g_optim": optimizer,
        "d_optim": optimizer,
        "args": Namespace(size=16, latent=20, n_mlp=3, channel_multiplier=1, lr=0.002),
        "ada_aug_p": 0.0,
    }
    torch.save(content, path)
    found = generators.inspect(path)
    assert (found.family, found.key, found.takes) == ("stylegan2", "g_ema", ("truncation", "noise"))
    assert [layer.name for layer in found.layers][:3] == ["conv1", "convs.0", "convs.1"]
    generators.add("mine", None, path, tmp_path / "models", inputs="truncation=0.6")
    images, _plain = drawn(generators.load("mine", tmp_path / "models"), "stylegan2-16")
    torch.testing.assert_close(images, case("stylegan2-16")[1]["truncated"], rtol=0, atol=1e-4)
    whole = generators.load("mine", tmp_path / "models", inputs=Inputs(truncation=1.0))
    images, theirs = drawn(whole, "stylegan2-16")
    torch.testing.assert_close(images, theirs, rtol=0, atol=1e-4)


def test_a_biggan_of_ajbrock_is_added(tmp_path: Path) -> None:
    torch.save(case("biggan")[0], tmp_path / "G_ema.pth")
    info = generators.add("mine", None, tmp_path / "G_ema.pth", tmp_path / "models")
    assert (info.family, info.classes, info.takes) == ("biggan", 5, ("truncation", "class"))
    assert any("spectral norms were folded" in note for note in info.notes)
    images, theirs = drawn(generators.load("mine", tmp_path / "models"), "biggan")
    torch.testing.assert_close(images, theirs, rtol=0, atol=1e-4)


def test_a_folder_of_hugging_face_is_added(tmp_path: Path) -> None:
    published, folder = biggan_deep(), tmp_path / "biggan-deep-64"
    folder.mkdir()
    torch.save(published.state_dict(), folder / "pytorch_model.bin")
    (folder / "config.json").write_text(published.config.to_json_string())
    info = generators.add("mine", None, folder, tmp_path / "models", inputs="truncation=0.4")
    assert (info.family, info.classes) == ("biggan-deep", 5)
    assert (
        info.config["config"]["channel_width"]
        == json.loads(published.config.to_json_string())["channel_width"]
    )
    module = generators.load("mine", tmp_path / "models").module
    z, y = torch.randn(2, 6).clamp(-2, 2), torch.tensor([1, 4])
    with torch.no_grad():
        theirs = published(0.4 * z, nn.functional.one_hot(y, 5).float(), 0.4)
        torch.testing.assert_close(module(z, y), theirs, rtol=0, atol=1e-4)
