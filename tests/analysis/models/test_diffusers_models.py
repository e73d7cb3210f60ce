"""Diffusion models: what they draw is what the library itself returns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from example_checkpoints import UNET, VAE

diffusers = pytest.importorskip("diffusers")

from analysis.models import generators  # noqa: E402
from analysis.models.catalogue import ModelInfo  # noqa: E402
from analysis.models.generator import Generator  # noqa: E402
from analysis.models.inputs import Inputs  # noqa: E402
from analysis.models.weights import Added  # noqa: E402
from analysis.shared.errors import GanatomyError  # noqa: E402
from analysis.shared.latents import latents  # noqa: E402

NO_INPUTS = Inputs()


def unet(**more: Any) -> Any:
    torch.manual_seed(0)
    return diffusers.UNet2DModel(**UNET | more).eval()


def vae(**more: Any) -> Any:
    torch.manual_seed(0)
    return diffusers.AutoencoderKL(**VAE | more).eval()


def generator(model: Any, inputs: Inputs = NO_INPUTS, **answers: str) -> Generator:
    config = {"config": json.loads(model.to_json_string()), **answers}
    info = ModelInfo("mine", "generator", "diffusers", "", "", "", Added("", ""), config=config)
    return generators.assembled(info, generators.parts(info, model.state_dict(), inputs), "cpu", inputs)


def test_a_decoder_draws_what_the_library_draws() -> None:
    model = vae(scaling_factor=0.5, shift_factor=0.25)
    made = generator(model)
    assert made.latent_shape == (4, 16, 16)
    z = latents(1, 0, 2, made.latent_shape)
    with torch.no_grad():
        reference = model.decode(z / 0.5 + 0.25).sample
    assert torch.allclose(made.raw_images(z), reference, rtol=0, atol=1e-5)
    names = [layer.name for layer in made.layers]
    assert names == ["mid.resnet0", "mid.resnet1", *(f"up{k}.resnet{j}" for k in (0, 1) for j in (0, 1))]
    assert [(layer.units, layer.height) for layer in made.layers][-1] == (8, 32)
    _edits_are_hooks(made, model, "decoder", lambda: model.decode(z / 0.5 + 0.25).sample, z)


def test_a_unet_predicts_what_the_library_predicts() -> None:
    model = unet()
    made = generator(model, Inputs(timestep=400), shown="noise")
    z = latents(1, 0, 2, made.latent_shape)
    with torch.no_grad():
        noise = model(z, 400).sample
    assert torch.allclose(made.raw_images(z), noise, rtol=0, atol=1e-5)
    assert not torch.allclose(generator(model, shown="noise").raw_images(z), noise, atol=1e-3)
    assert [layer.name for layer in made.layers if layer.extra] == ["down0.resnet0", "down1.resnet0"]
    _edits_are_hooks(made, model, "unet", lambda: model(z, 400).sample, z)


@pytest.mark.parametrize("timestep", [999, 100])
def test_the_picture_is_that_of_the_library_s_scheduler(timestep: int) -> None:
    model = unet()
    made = generator(model, Inputs(timestep=timestep))
    z = latents(1, 0, 2, made.latent_shape)
    scheduler = diffusers.DDPMScheduler(clip_sample=True)
    with torch.no_grad():
        step = scheduler.step(model(z, timestep).sample, timestep, z)
    assert torch.allclose(made.images(z), step.pred_original_sample, rtol=0, atol=1e-4)


def test_classes_are_the_library_s() -> None:
    model = unet(num_class_embeds=5)
    made = generator(model, Inputs(classes=((3, 1.0),)), shown="noise")
    assert made.classes == 5
    z = latents(1, 0, 2, made.latent_shape)
    with torch.no_grad():
        noise = model(z[:, :-1].reshape(-1, 3, 16, 16), 999, class_labels=torch.tensor([3, 3])).sample
    assert torch.allclose(made.raw_images(z), noise, rtol=0, atol=1e-5)


def _edits_are_hooks(made: Generator, model: Any, prefix: str, run: Any, z: torch.Tensor) -> None:
    """The first unit of each layer at 2, as an edit and as a hook on the library's own module."""
    for layer in made.layers:
        cut = made.cut(z, layer.name)
        edited = cut.r.clone()
        edited[:, 0] = 2.0
        path = layer.path if prefix == "decoder" else layer.path.removeprefix("unet.")
        part = model.get_submodule(path)
        handle = part.register_forward_hook(lambda _m, _g, r: r.index_fill(1, torch.tensor([0]), 2.0))
        with torch.no_grad():
            hooked = made._as_images(run())
        handle.remove()
        assert torch.allclose(cut.tail(edited), hooked, rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.real_process  # the library has threads, for which a fork would wait
@pytest.mark.parametrize("model", [unet, vae])
def test_a_folder_is_added_and_loaded_again(model: Any, tmp_path: Path) -> None:
    model().save_pretrained(tmp_path / "folder")
    info = generators.add("mine", None, tmp_path / "folder", tmp_path / "models")
    assert info.family == "diffusers"
    assert "timestep" in info.takes
    again = generators.load("mine", tmp_path / "models")
    z = latents(1, 0, 2, info.latent_shape)
    assert torch.allclose(again.images(z), generator(model()).images(z), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"_class_name": "UNet2DConditionModel"}, "is of a UNet2DConditionModel; give the folder of a"),
        ({"_class_name": None}, "The config.json beside the weights is missing"),
        ({"layers_per_block": 10**9}, "more than 12 blocks of 64 layers, or for a size above"),
        ({"block_out_channels": [8, 10**9]}, "or for a size above"),
        ({"down_block_types": ["os.system", "DownBlock2D"]}, "describes no UNet2DModel"),
        ({"block_out_channels": [8, 8]}, "do not fit this UNet2DModel"),
        ({"in_channels": 4, "out_channels": 4}, "goes from 4 to 4 channels"),
    ],
)
def test_a_config_that_does_not_fit_is_one_sentence(changed: dict[str, Any], said: str) -> None:
    model = unet()
    config = {"config": json.loads(model.to_json_string()) | changed}
    info = ModelInfo("mine", "generator", "diffusers", "", "", "", Added("", ""), config=config)
    with pytest.raises(GanatomyError, match=said):
        generators.parts(info, model.state_dict(), NO_INPUTS)
