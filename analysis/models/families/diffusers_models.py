"""Models of the library diffusers: the decoder of an AutoencoderKL, and an unconditional UNet2DModel.

A folder of `save_pretrained` has weights and config.json; nothing is loaded from the network, and no code of
it runs (extra `ganatomy[diffusion]`). A UNet sees noise at one timestep: it is one step of a diffusion, and
its image is the noise that it predicts, or the picture that follows from it (Ho et al. 2020, equation 15).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from analysis.models.checkpoints import State, load_state
from analysis.models.choice import Choice
from analysis.models.families.family import Config, Family, Parts
from analysis.models.inputs import Inputs
from analysis.shared.errors import GanatomyError

STEPS, BETAS = 1000, (1e-4, 0.02)  # of the linear schedule that DDPM and most UNets were trained with
LARGE = 64  # grids above this are offered, and not dissected unless they are named
MOST_LAYERS, MOST_BLOCKS, WIDEST = 64, 12, 1 << 16
KINDS = ("AutoencoderKL", "UNet2DModel")
SHOWN = Choice(
    "shown", "what a UNet's image is: the picture or the noise that it predicts", ("x0", "noise"), "x0"
)
SIZE = Choice(
    "size", "the side of the images in pixels", ("as trained", "512", "256", "128", "64"), "as trained"
)
OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def recognises(state: State) -> bool:
    """Whether this is an AutoencoderKL or a UNet2DModel, from its names."""
    return _is_decoder(state) or _is_unet(state)


def _is_decoder(state: State) -> bool:
    wanted = ("decoder.conv_in.weight", "decoder.mid_block.resnets.0.norm1.weight", "decoder.conv_out.weight")
    return all(name in state and state[name].ndim in (1, 4) for name in wanted)


def _is_unet(state: State) -> bool:
    wanted = ("conv_in.weight", "time_embedding.linear_1.weight", "conv_out.weight")
    resnets = "mid_block.resnets.0.conv1.weight" in state
    return resnets and all(name in state for name in wanted) and not any("attn2" in name for name in state)


def build(state: State, config: Config, inputs: Inputs) -> Parts:
    """The generator of a folder's weights and config.json.

    Raises:
        GanatomyError: diffusers is not installed; there is no config.json; or the two do not fit.
    """
    beside: Mapping[str, Any] = config.get("config") or {}
    kind = str(beside.get("_class_name") or "")
    if kind not in KINDS:
        said = f"is of a {kind[:60]}" if kind else "is missing"
        raise GanatomyError(
            f"The config.json beside the weights {said}; give the folder of a {' or '.join(KINDS)} that "
            "save_pretrained wrote."
        )
    module = _empty(kind, beside)
    side = SIZE.answer(config)
    if kind == "AutoencoderKL":
        if inputs.timestep is not None:
            raise GanatomyError("The decoder of an AutoencoderKL has no timestep; leave it out.")
        return _decoder(module, state, beside, None if side == SIZE.default else int(side))
    return _unet(
        module, state, beside, inputs, SHOWN.answer(config), None if side == SIZE.default else int(side)
    )


def _empty(kind: str, beside: Mapping[str, Any]) -> nn.Module:
    """The module of a config.json without memory for its weights."""
    try:
        made = getattr(import_module("diffusers"), kind)
    except ImportError as error:
        raise GanatomyError(
            "Diffusion models need the package diffusers; run pip install 'ganatomy[diffusion]'."
        ) from error
    known = inspect.signature(made.__init__).parameters
    given = {name: value for name, value in beside.items() if name in known}
    _check_sizes(given)
    try:
        with torch.device("meta"):
            module: nn.Module = made(**given)
    except Exception as error:  # whatever its values lead the library to
        reason = (str(error).splitlines() or [""])[0][:160]
        raise GanatomyError(
            f"The config.json describes no {kind} ({type(error).__name__}: {reason}); take that of "
            "the weights."
        ) from error
    return module


def _check_sizes(given: Mapping[str, Any]) -> None:
    """Refuse numbers that would take the library for ever."""
    layers, blocks = given.get("layers_per_block", 1), given.get("block_out_channels", ())
    numbers = [value for value in given.values() if isinstance(value, int)]
    for value in given.values():
        numbers += (
            [part for part in value if isinstance(part, int)] if isinstance(value, list | tuple) else []
        )
    many = len(blocks) if isinstance(blocks, list | tuple) else MOST_BLOCKS + 1
    usual = isinstance(layers, int) and layers <= MOST_LAYERS and many <= MOST_BLOCKS
    if not usual or any(abs(number) > WIDEST for number in numbers):
        raise GanatomyError(
            f"The config.json asks for more than {MOST_BLOCKS} blocks of {MOST_LAYERS} layers, or for a size "
            f"above {WIDEST}; it is damaged."
        )


def _today(state: State) -> State:
    """The names of attention weights as the library has them today."""
    renamed = {}
    for name, value in state.items():
        parts = name.split(".")
        if len(parts) > 2 and "attentions" in parts and parts[-2] in OLD_NAMES:
            name = ".".join([*parts[:-2], OLD_NAMES[parts[-2]], parts[-1]])
        renamed[name] = value
    return renamed


class Decoder(nn.Module):
    """Latents (N, channels, h, w) of unit variance to images (N, 3, H, W)."""

    def __init__(self, decoder: nn.Module, post: nn.Module | None, scale: float, shift: float) -> None:
        super().__init__()
        self.decoder = decoder
        self.post_quant_conv = post if post is not None else nn.Identity()
        self.scale, self.shift = scale, shift

    def forward(self, z: Tensor) -> Tensor:
        """What `AutoencoderKL.decode(z / scaling_factor + shift_factor)` returns."""
        image: Tensor = self.decoder(self.post_quant_conv(z / self.scale + self.shift))
        return image


def _decoder(module: nn.Module, state: State, beside: Mapping[str, Any], side: int | None) -> Parts:
    post = getattr(module, "post_quant_conv", None)
    settings: Any = module.config
    scale, shift = float(settings.scaling_factor or 1), float(settings.shift_factor or 0)
    parts: Any = module
    whole = Decoder(parts.decoder, post, scale, shift)
    kept = {
        name: value
        for name, value in _today(state).items()
        if not name.startswith(("encoder.", "quant_conv."))
    }
    load_state(whole, kept, "this AutoencoderKL")
    steps = len(settings.block_out_channels) - 1
    side = side or _side(beside.get("sample_size"), 512)
    grid = max(1, side // 2**steps)
    extra: dict[str, str] = {}
    usual = _resnets(whole, "decoder.mid_block", "mid")
    for number in range(steps + 1):
        found = _resnets(whole, f"decoder.up_blocks.{number}", f"up{number}")
        (usual if grid * 2**number <= LARGE else extra).update(found)
    return Parts(
        whole.eval(),
        usual,
        (int(settings.latent_channels), grid, grid),
        extra_layers=extra,
        images_per_pass=4 if side > 128 else None,
        notes=("The encoder is left out; latents have unit variance and are divided by the scaling factor.",),
    )


class Denoiser(nn.Module):
    """One step of a diffusion: noise (N, channels, h, w) to the image that a UNet predicts in it."""

    def __init__(self, unet: nn.Module, timestep: int, share: float, shown: str) -> None:
        super().__init__()
        self.unet = unet
        self.timestep, self.share, self.shown = timestep, share, shown

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The predicted noise, or the picture x0 within -1 to 1."""
        given = {} if y is None else {"class_labels": y}
        noise: Tensor = self.unet(z, self.timestep, **given).sample
        if self.shown == "noise":
            return noise
        return ((z - (1 - self.share) ** 0.5 * noise) / self.share**0.5).clamp(-1, 1)


def _unet(
    module: nn.Module, state: State, beside: Mapping[str, Any], inputs: Inputs, shown: str, side: int | None
) -> Parts:
    settings: Any = module.config
    channels = int(settings.in_channels)
    if channels not in (1, 3) or settings.out_channels != channels:
        raise GanatomyError(
            f"This UNet goes from {channels} to {settings.out_channels} channels, which are no images; give "
            "the decoder of its latents instead."
        )
    if settings.class_embed_type is not None:
        raise GanatomyError(
            f"A UNet with classes as {settings.class_embed_type} cannot be read; give another."
        )
    load_state(module, _today(state), "this UNet2DModel")
    steps = int(settings.num_train_timesteps or STEPS)
    timestep = steps - 1 if inputs.timestep is None else inputs.timestep
    if not 0 <= timestep < steps:
        raise GanatomyError(f"There is no timestep {timestep}; give one from 0 to {steps - 1}.")
    betas = torch.linspace(*BETAS, steps, dtype=torch.float64)
    share = float((1 - betas).cumprod(0)[timestep])  # of the picture in what the UNet sees
    whole = Denoiser(module, timestep, share, shown)
    side = side or _side(settings.sample_size, 32)
    blocks = len(settings.block_out_channels)
    grid = max(1, side // 2 ** (blocks - 1))
    extra: dict[str, str] = {}
    usual = _resnets(whole, "unet.mid_block", "mid")
    for number in range(blocks):
        found = _resnets(whole, f"unet.up_blocks.{number}", f"up{number}")
        (usual if grid * 2**number <= LARGE else extra).update(found)
    for number in range(blocks):
        extra |= _resnets(whole, f"unet.down_blocks.{number}", f"down{number}")
    schedule = f"of {steps} steps of the linear schedule ({BETAS[0]:g} to {BETAS[1]:g})"
    return Parts(
        whole.eval(),
        usual,
        (channels, side, side),
        extra_layers=extra,
        classes=settings.num_class_embeds,
        output_range=(-3.0, 3.0) if shown == "noise" else (-1.0, 1.0),
        images_per_pass=8 if side > 64 else None,
        notes=(
            f"The UNet sees noise at timestep {timestep} {schedule}; what is shown is the "
            f"{'noise' if shown == 'noise' else 'picture'} that it predicts in one step.",
        ),
    )


def _side(size: Any, otherwise: int) -> int:
    """The side of the images, in pixels."""
    first = size[0] if isinstance(size, list | tuple) and size else size
    return int(first) if isinstance(first, int) and 0 < first <= 2048 else otherwise


def _resnets(module: nn.Module, path: str, name: str) -> dict[str, str]:
    """The residual blocks of a block, by name: up0.resnet1."""
    block = dict(module.named_modules()).get(path)
    found = getattr(block, "resnets", ())
    return {f"{name}.resnet{number}": f"{path}.resnets.{number}" for number in range(len(found))}


FAMILY = Family(
    "diffusers (AutoencoderKL or UNet2DModel)",
    recognises=recognises,
    build=build,
    choices=(SHOWN, SIZE),
    inputs=("timestep",),
)
