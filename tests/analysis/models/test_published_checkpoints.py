"""Checkpoints as trainings of these families write them: recognised, added, loaded, and drawn alike."""

import sys
import types
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from example_checkpoints import EXAMPLES, State, tutorial_dcgan
from torch import nn

from analysis.models import generators
from analysis.models.generator import Generator
from analysis.models.inputs import Inputs
from analysis.shared.latents import latents


def prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def critic() -> State:
    return nn.Sequential(
        nn.Conv2d(3, 8, 4, 2, 1), nn.Conv2d(8, 16, 4, 2, 1), nn.Conv2d(16, 1, 4)
    ).state_dict()


def lightning(state: State) -> dict[str, Any]:
    both = prefixed("generator.", state) | prefixed("discriminator.", critic())
    return {
        "state_dict": both,
        "epoch": 3,
        "pytorch-lightning_version": "2.5.0",
        "hyper_parameters": {"nz": 12},
    }


def studiogans_training(state: State) -> dict[str, Any]:
    facts = {"seed": 0, "run_name": "CIFAR10-SNGAN", "step": 1000, "epoch": 3, "topk": 16, "ada_p": None}
    return {"state_dict": state, "optimizer": {}, "best_fid": np.float64(12.5), "lecam_emas": None, **facts}


# How a training writes each example: what torch.save is given.
WRITTEN: dict[str, tuple[str, Callable[[State], Any]]] = {
    "the tutorial's state dict": ("dcgan/tutorial", lambda state: state),
    "DataParallel": ("dcgan/tutorial", lambda state: prefixed("module.", state)),
    "torch.compile": ("dcgan/tutorial", lambda state: prefixed("_orig_mod.", state)),
    "Lightning": ("dcgan/tutorial", lightning),
    "both networks": ("dcgan/tutorial", lambda state: {"G": state, "D": critic(), "epoch": 5}),
    "GAN Dissection": ("gandissect/16px", lambda state: {"state_dict": state}),
    "its older layout": ("gandissect/older-layout", lambda state: state),
    "pytorch_GAN_zoo, netG alone": ("progan-zoo/16px", lambda state: state),
    "mimicry": (
        "sngan/mimicry",
        lambda state: {"model_state_dict": state, "optimizer_state_dict": {"state": {}}, "global_step": 10},
    ),
    "mimicry's SAGAN": ("sngan/mimicry-sagan", lambda state: {"model_state_dict": state, "global_step": 10}),
    "StudioGAN, resnet": ("studiogan/resnet", studiogans_training),
    "StudioGAN, big_resnet": ("studiogan/big_resnet", studiogans_training),
    "StudioGAN, deep_conv": ("studiogan/deep_conv", studiogans_training),
}


def same_as_the_state_dicts(generator: Generator, family: str, state: State, config: dict[str, Any]) -> None:
    """The generator draws what its family builds of the state dict itself."""
    parts = import_module(generators.FAMILIES[family]).FAMILY.build(state, config, Inputs())
    z = latents(3, 0, 2, generator.latent_shape)
    with torch.no_grad():
        wanted = parts.module(*generator._given(z)).clamp(-1, 1)
    assert torch.equal(generator.images(z), wanted)
    assert wanted.std() > 0.01


QUICK = ("Lightning", "GAN Dissection", "StudioGAN, big_resnet")


@pytest.mark.parametrize(
    "case", [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in WRITTEN]
)
def test_it_is_recognised_added_and_draws_the_same(case: str, tmp_path: Path) -> None:
    example, wrap = WRITTEN[case]
    state, family = EXAMPLES[example](), example.split("/")[0]
    torch.save(wrap(state), path := tmp_path / "checkpoint.pth")
    info = generators.add("mine", None, path, tmp_path / "models")
    assert info.family == family
    generator = generators.load("mine", tmp_path / "models")
    assert generator.layers == info.layers
    same_as_the_state_dicts(generator, family, state, {})


def test_a_chain_of_ten_modules_and_more_is_loaded_again(tmp_path: Path) -> None:
    state = tutorial_dcgan((12, 8, 8, 6, 4, 3)).state_dict()  # 64 pixels: main.12 sorts before main.3
    safetensors.torch.save_file(state, path := tmp_path / "netG.safetensors")
    generators.add("mine", None, path, tmp_path / "models")
    generator = generators.load("mine", tmp_path / "models")
    assert generator.image_shape == (3, 64, 64)
    same_as_the_state_dicts(generator, "dcgan", state, {})


def test_answers_are_kept(tmp_path: Path) -> None:
    state = EXAMPLES["dcgan/tutorial"]()
    torch.save(state, path := tmp_path / "netG.pth")
    answers = {"activation": "leaky_relu_0.2", "output": "none", "latents": "uniform"}
    info = generators.add("mine", "dcgan", path, tmp_path / "models", answers=answers)
    generator = generators.load("mine", tmp_path / "models")
    same_as_the_state_dicts(generator, "dcgan", state, answers)
    assert str(generator.latent_law) == "uniform"
    assert any("leaky_relu_0.2 after each layer" in note for note in info.notes)


def test_the_gan_zoos_configuration_is_read_beside_its_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = EXAMPLES["progan-zoo/16px"]()
    other = {key: value + 0.1 for key, value in state.items()}
    said = {"alpha": 0.25, "lossCriterion": "DCGAN", "equalizedlR": True, "categoryVectorDim": 0}
    with monkeypatch.context() as present:  # its class exists where it is written, and not where it is read
        module = types.ModuleType("models.utils.config")
        kind = type("BaseConfig", (), {"__module__": module.__name__})
        module.BaseConfig = kind
        for name in ("models", "models.utils", "models.utils.config"):
            present.setitem(sys.modules, name, module)
        config = kind()
        config.__dict__.update(said)
        torch.save({"config": config, "netG": other, "netD": critic(), "avgG": state}, tmp_path / "zoo.pt")
    info = generators.add("mine", None, tmp_path / "zoo.pt", tmp_path / "models", "avgG")
    assert info.family == "progan-zoo"
    generator = generators.load("mine", tmp_path / "models")
    same_as_the_state_dicts(generator, "progan-zoo", state, {"config": said})
    assert any("25% of an image" in note for note in info.notes)
