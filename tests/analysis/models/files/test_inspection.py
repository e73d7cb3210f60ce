"""Checkpoints as people save them: what is found in them, what is kept, and how each is named."""

import argparse
import datetime
import pathlib
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from example_checkpoints import EXAMPLES, randomised, tutorial_dcgan
from torch import Tensor, nn

from analysis.models import generators
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

State = dict[str, Tensor]
WIDTHS = (16, 32, 16, 8, 4, 3)  # of the tutorial's 64 pixels: five convolutions, keys from main.0 to main.12


def dcgan(seed: int = 0) -> nn.Module:
    return randomised(tutorial_dcgan(WIDTHS), seed)


def critic() -> State:
    net = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 1, 4, 2, 1))
    return dict(net.state_dict())


def optimizer(state: State) -> dict[str, Any]:
    return {
        "state": {0: {"exp_avg": torch.zeros(3, 3), "step": torch.tensor(1.0)}},
        "param_groups": [{"lr": 1}],
    }


def prefixed(prefix: str, state: State) -> State:
    return {prefix + key: value for key, value in state.items()}


# What is saved of a state dict, the key under which it is found, and the format.
WRAPPED: dict[str, tuple[Callable[[State], Any], str]] = {
    "alone": (lambda s: s, ""),
    "sorted": (lambda s: dict(sorted(s.items())), ""),
    "reversed": (lambda s: dict(reversed(s.items())), ""),
    "module.": (lambda s: prefixed("module.", s), ""),
    "_orig_mod.module.": (lambda s: prefixed("_orig_mod.module.", s), ""),
    "module._orig_mod.": (lambda s: prefixed("module._orig_mod.", s), ""),
    "generator and critic": (lambda s: {"D": critic(), "G": s}, "G"),
    "averaged weights first": (lambda s: {"g": {k: v + 1 for k, v in s.items()}, "g_ema": s}, "g_ema"),
    "averaged in another style": (
        lambda s: {"netG": {k: v + 1 for k, v in s.items()}, "netG_ema": s},
        "netG_ema",
    ),
    "state_dict": (lambda s: {"state_dict": s, "epoch": 3}, "state_dict"),
    "three wrappers": (lambda s: {"a": {"b": [{"c": s}]}}, "a/b/0/c"),
    "lightning": (
        lambda s: {
            "state_dict": prefixed("generator.", s) | prefixed("discriminator.", critic()),
            "hyper_parameters": {"latent_dim": 16},
            "optimizer_states": [optimizer(s)],
        },
        "state_dict/generator",
    ),
    "arguments": (
        lambda s: {
            "g_ema": s,
            "args": argparse.Namespace(size=64, lr=1e-3, path=pathlib.Path("/x")),
            "g_optim": optimizer(s),
        },
        "g_ema",
    ),
    "numpy scalars, paths and dates": (
        lambda s: {
            "netG": s,
            "fid": np.float64(3.5),
            "steps": np.int64(7),
            "from": pathlib.PurePosixPath("/data"),
            "at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
            "noise": torch.zeros(4, 16, 1, 1),
        },
        "netG",
    ),
    "a number in the state dict": (lambda s: {**s, "step": 3}, ""),
    "a number as key": (lambda s: {**s, 5: torch.zeros(1)}, ""),
    "tied": (lambda s: {"g": s, "g_ema": dict(s)}, "g_ema"),
    "whole module": (
        lambda s: nn.Sequential(OrderedDict(main=loaded(s).get_submodule("main"))),
        "",
    ),
    "whole module beside others": (
        lambda s: {"G": nn.Sequential(OrderedDict(main=loaded(s).get_submodule("main"))), "epoch": 3},
        "G",
    ),
    "no counters": (lambda s: {k: v for k, v in s.items() if "num_batches" not in k}, ""),
    "parameters": (lambda s: {k: nn.Parameter(v) if v.is_floating_point() else v for k, v in s.items()}, ""),
}


def loaded(state: State) -> nn.Module:
    module = tutorial_dcgan(WIDTHS)
    module.load_state_dict(state)
    return module.eval()


def pictures(module: nn.Module) -> Tensor:
    with torch.no_grad():
        return module.get_submodule("main")(latents(3, 0, 2, (16, 1, 1)))


@pytest.mark.parametrize(
    "legacy",
    [pytest.param(False, id="zip"), pytest.param(True, id="before 1.6", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("name", WRAPPED)
def test_a_generator_is_found_wherever_it_lies_and_draws_as_its_own_module(
    tmp_path: Path, name: str, legacy: bool
) -> None:
    module = dcgan()
    wrap, key = WRAPPED[name]
    path = tmp_path / "checkpoint.pt"
    torch.save(wrap(dict(module.state_dict())), path, _use_new_zipfile_serialization=not legacy)
    added = generators.add("mine", None, path, tmp_path / "models", inputs="")
    assert added.family == "dcgan"
    generator = generators.load("mine", tmp_path / "models")
    assert torch.equal(generator.images(latents(3, 0, 2, (16, 1, 1))), pictures(module))
    found = generators.inspect(path)
    assert found.key == key
    assert [layer.units for layer in found.layers] == list(WIDTHS[1:-1])


def test_safetensors_and_folders_of_hugging_face(tmp_path: Path) -> None:
    """Keys come back in the order of texts: main.0, main.10, main.12, main.3."""
    module = dcgan()
    folder = tmp_path / "hub"
    folder.mkdir()
    safetensors.torch.save_file(module.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text('{"latent_dim": 16, "nested": {"a": [1, 2]}}')
    for number, path in enumerate((folder / "model.safetensors", folder)):
        info = generators.add(f"m{number}", None, path, tmp_path / "models")
        generator = generators.load(info.name, tmp_path / "models")
        assert torch.equal(generator.images(latents(3, 0, 2, (16, 1, 1))), pictures(module))
    assert info.config["config"] == {"latent_dim": 16, "nested": {"a": [1, 2]}}
    (folder / "model.safetensors").unlink()
    torch.save(module.state_dict(), folder / "pytorch_model.bin")
    assert generators.inspect(folder).format == "Hugging Face folder (pytorch_model.bin)"


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_weights_of_a_torchscript_archive(tmp_path: Path) -> None:
    module, path = dcgan(), tmp_path / "script.pt"
    torch.jit.save(torch.jit.trace(module.get_submodule("main"), torch.zeros(1, 16, 1, 1)), path)
    found = generators.inspect(path)
    assert (found.format, found.family) == ("TorchScript archive", "dcgan")
    info = generators.add("mine", None, path, tmp_path / "models")
    generator = generators.load(info.name, tmp_path / "models")
    assert torch.equal(generator.images(latents(3, 0, 2, (16, 1, 1))), pictures(module))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in dcgan().state_dict().items()}
    torch.save(state, tmp_path / "a.pt")
    found = generators.inspect(tmp_path / "a.pt")
    assert any(str(dtype).removeprefix("torch.") in note for note in found.notes)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if number % 9 else [])
        for number, name in enumerate(EXAMPLES)
        # Those of diffusers and ONNX are no torch files; the last draws no pictures with random weights.
        if not name.startswith(("planted", "diffusers", "onnx")) and name != "stylegan2-ada/ada-of-stylegan3"
    ],
)
def test_every_published_layout_is_added_and_proved(tmp_path: Path, name: str) -> None:
    path = tmp_path / "training.pt"
    state = dict(sorted(EXAMPLES[name]().items(), reverse=True))
    torch.save({"g_ema": state, "d": critic(), "args": argparse.Namespace(a=1), "best": np.float32(1)}, path)
    info = generators.add("mine", None, path, tmp_path / "models")
    assert info.family == name.split("/")[0]
    assert generators.load("mine", tmp_path / "models").layers == info.layers


NAMED: dict[str, tuple[Any, str]] = {
    "discriminator": (
        {"netD": critic()},
        "looks like a discriminator; the first of its 4 tensors under 'netD'",
    ),
    "an optimiser's alone": ({"optimizer": {"a": torch.zeros(3)}}, "holds no state dict"),
    "numbers": ({"epoch": 3}, "holds no state dict"),
    "a class": (argparse.Namespace(a=1), "an object of the class argparse.Namespace without weights"),
    "a tensor": (torch.zeros(3, 3), "holds one tensor"),
    "two generators": ({"a": dcgan(0).state_dict(), "b": dcgan(1).state_dict()}, "name one with key: a, b"),
}


@pytest.mark.parametrize("name", NAMED)
def test_what_cannot_be_used_is_named(tmp_path: Path, name: str) -> None:
    content, words = NAMED[name]
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(GanatomyError, match=words) as caught:
        generators.inspect(tmp_path / "a.pt")
    assert "planted" not in str(caught.value)


def test_a_key_chooses_among_generators(tmp_path: Path) -> None:
    torch.save({"a": dcgan(0).state_dict(), "b": dcgan(1).state_dict()}, tmp_path / "a.pt")
    assert generators.inspect(tmp_path / "a.pt", "b").key == "b"
    with pytest.raises(GanatomyError, match="no state dict 'c'; it holds a, b"):
        generators.inspect(tmp_path / "a.pt", "c")


def test_what_a_file_does_not_say_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save(dcgan().state_dict(), path)
    usual = generators.inspect(path)
    assert {choice.name for choice in usual.choices} >= {"activation", "output"}
    assert any("activation (relu)" in note for note in usual.notes)
    leaky = generators.inspect(path, answers={"activation": "leaky_relu_0.2"})
    assert leaky.sheet != usual.sheet
    added = generators.add(
        "mine", None, path, tmp_path / "models", answers={"activation": "leaky_relu_0.2", "output": "sigmoid"}
    )
    assert added.config["activation"] == "leaky_relu_0.2"
    assert not any("activation (" in note for note in added.notes)
    with pytest.raises(GanatomyError, match="'mish' cannot be the activation of DCGAN; choose one of relu"):
        generators.inspect(path, answers={"activation": "mish"})
    with pytest.raises(GanatomyError, match="DCGAN has no choice 'colour'; it asks for activation"):
        generators.inspect(path, answers={"colour": "red"})
    with pytest.raises(GanatomyError, match="has no input 'truncation'"):
        generators.add("other", None, path, tmp_path / "models", inputs="truncation=0.5")


def test_what_seems_odd_is_noted(tmp_path: Path) -> None:
    module = dcgan()
    with torch.no_grad():
        for part in module.modules():  # as at the beginning of a training
            if isinstance(part, nn.BatchNorm2d):
                part.reset_running_stats()
        module.get_submodule("main.4").weight[3] = 0  # one unit of layer2 stays where its bias is
    torch.save(module.state_dict(), tmp_path / "a.pt")
    notes = " ".join(generators.inspect(tmp_path / "a.pt").notes)
    assert "4 of 4 batch norms have untouched statistics (mean 0, variance 1), the first is 'main.1'" in notes
    assert re.search(r"\d+ of 16 units of layer2 are constant in 16 images", notes)


def test_the_sheet_shows_sixteen_images(tmp_path: Path) -> None:
    from PIL import Image

    torch.save(dcgan().state_dict(), tmp_path / "a.pt")
    generators.add("mine", None, tmp_path / "a.pt", tmp_path / "models")
    sheet = generators.sheet("mine", tmp_path / "models")
    assert sheet is not None
    with Image.open(sheet) as picture:
        assert picture.size == (4 * 66, 4 * 66)
        assert len(picture.getcolors(1 << 20) or ()) > 100


def test_a_model_that_draws_otherwise_once_it_is_kept_is_not_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault that this proof is for: a family that takes the order of keys for the order of layers."""
    from analysis.models.families import dcgan as family

    honest = family.FAMILY

    def by_order(state: State, config: Any, inputs: Any) -> Any:
        first = next(key for key, value in state.items() if value.ndim == 4)
        return honest.build({**state, first: 0.5 * state[first]}, config, inputs)

    torch.save(dict(reversed(dcgan().state_dict().items())), tmp_path / "a.pt")
    monkeypatch.setattr(family, "FAMILY", replace(honest, build=by_order))
    with pytest.raises(GanatomyError, match="draws other pictures once it is kept"):
        generators.add("mine", None, tmp_path / "a.pt", tmp_path / "models")
    assert not list((tmp_path / "models" / "generators").iterdir())


def test_models_are_renamed_changed_and_removed(tmp_path: Path) -> None:
    models = tmp_path / "models"
    torch.save(dcgan().state_dict(), tmp_path / "a.pt")
    generators.add("mine", None, tmp_path / "a.pt", models)
    before = generators.load("mine", models).weights_sha256
    assert generators.rename("mine", "yours", models).title == "yours"
    assert generators.load("yours", models).weights_sha256 == before
    assert generators.change("yours", models, licence="MIT").licence == "MIT"
    assert generators.describe("yours", models).licence == "MIT"
    assert sorted(file.name for file in (models / "generators").iterdir()) == [
        "yours.json",
        "yours.png",
        "yours.safetensors",
    ]
    for call, words in (
        (lambda: generators.rename("yours", "churches", models), "already"),
        (lambda: generators.rename("yours", "../x", models), "cannot be a model's name"),
        (lambda: generators.rename("mine", "other", models), "no generator 'mine' in this store"),
        (lambda: generators.remove("faces", models), "comes with Ganatomy"),
        (lambda: generators.change("faces", models, title="x"), "comes with Ganatomy"),
    ):
        with pytest.raises(GanatomyError, match=words):
            call()
    generators.remove("yours", models)
    assert not list((models / "generators").iterdir())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is damaged; remove it"),
        ("[]", "is damaged; remove it"),
        ("[" * 100_000, "is damaged; remove it"),
        ('{"format_version": 99}', "has format '99'"),
        ('{"format_version": 1}', "is damaged; remove it"),
        ('{"format_version": "\\u001b[31m"}', "has format"),
    ],
)
def test_one_damaged_model_hides_no_other(tmp_path: Path, content: str, words: str) -> None:
    models = tmp_path / "models"
    (models / "generators").mkdir(parents=True)
    (models / "generators" / "bad.json").write_text(content)
    assert generators.names(models) == generators.names()
    assert list(generators.damaged(models)) == ["bad"]
    with pytest.raises(GanatomyError, match=words) as caught:
        generators.describe("bad", models)
    assert caught.value.args[0].isprintable()
    with pytest.raises(GanatomyError, match="already"):
        generators.add("bad", None, tmp_path / "absent.pt", models)
    generators.remove("bad", models)
    assert not generators.damaged(models)


@pytest.mark.real_process
def test_a_process_of_its_own_reads_and_is_limited(tmp_path: Path) -> None:
    torch.save(dcgan().state_dict(), tmp_path / "a.pt")
    info = generators.add("mine", None, tmp_path / "a.pt", tmp_path / "models")
    assert info.family == "dcgan"
    (tmp_path / "deep.pt").write_bytes(b"\x80\x02})" + b"\x85" * 1_000_000 + b"K\x01s.")
    with pytest.raises(GanatomyError, match=r"deep.pt was given up, because its process ended \(SIGSEGV\)"):
        generators.inspect(tmp_path / "deep.pt")


def test_a_large_model_may_be_given_more_memory(tmp_path: Path) -> None:
    state = dcgan().state_dict()
    torch.save({**state, "noise": torch.zeros(1)}, tmp_path / "a.pt")
    big = {f"main.{3 * k}.weight": torch.randn(1, 3 if k == 9 else 1, 4, 4) for k in range(10)}
    torch.save(big, tmp_path / "big.pt")  # 2048 pixels from a file of a few kilobytes
    with pytest.raises(GanatomyError, match=r"needs more than|given up|took more"):
        generators.inspect(tmp_path / "big.pt", memory_gb=0.5)
