"""State dicts with random weights in the exact layouts that people publish: small, made from a seed.

EXAMPLES["dcgan/tutorial"]()       # names to tensors, as in the published file

A name is the family (as in `generators.FAMILIES`) that must recognise the file, a slash and a variant. No
other family may recognise it: tests/analysis/models/test_recognition.py tries each with each. To add one:

    @example("stylegan2/rosinality-32")
    def _() -> State:
        return random_state({"input.input": (1, 8, 4, 4), ...})
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import published_layouts
import torch
from torch import Tensor, nn

from analysis.models.families import planted_scenes, planted_shapes
from analysis.models.families.mobile_stylegan import MobileStyleGAN
from analysis.models.families.progan import progan

State = dict[str, Tensor]

UNET = {
    "sample_size": 16,
    "layers_per_block": 1,
    "block_out_channels": (8, 16),
    "norm_num_groups": 4,
    "attention_head_dim": 8,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
}
VAE = {
    "sample_size": 32,
    "layers_per_block": 1,
    "block_out_channels": (8, 16),
    "norm_num_groups": 4,
    "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
}
EXAMPLES: dict[str, Callable[[], State]] = {}


def example(name: str) -> Callable[[Callable[[], State]], Callable[[], State]]:
    """Registers a function that makes a state dict under "family/variant"."""

    def registered(make: Callable[[], State]) -> Callable[[], State]:
        assert name not in EXAMPLES, name
        EXAMPLES[name] = make
        return make

    return registered


def random_state(shapes: Mapping[str, Sequence[int]], seed: int = 0) -> State:
    """Tensors of these shapes: small normal values, positive ones for variances, 0 for batch counters."""
    random = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros(tuple(shape), dtype=torch.int64)
        elif name.endswith("running_var"):
            state[name] = 0.5 + torch.rand(tuple(shape), generator=random)
        else:
            state[name] = 0.2 * torch.randn(tuple(shape), generator=random)
    return state


def randomised(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module in evaluation mode with random weights under which maps neither die out nor explode.

    Its batch norms look as if they had been trained.
    """
    random = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            taps = part.weight[0].numel()
            if isinstance(part, nn.ConvTranspose2d):
                taps = part.weight[:, 0].numel() // (part.stride[0] * part.stride[1])
            part.weight.data = 1.4 * taps**-0.5 * torch.randn(part.weight.shape, generator=random)
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            for value in (part.running_mean, part.weight, part.bias):
                if value is not None:
                    value.data += 0.3 * torch.randn(value.shape, generator=random)
            if part.running_var is not None:
                part.running_var.data *= 0.5 + torch.rand(part.running_var.shape, generator=random)
    return module.eval()


def tutorial_dcgan(widths: Sequence[int] = (12, 8, 6, 4, 3)) -> nn.Module:
    """The tutorial's own way to write the module: nz, widths from 4x4 on, channels."""
    torch.manual_seed(0)
    steps: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise(widths)):
        steps.append(nn.ConvTranspose2d(before, after, 4, *((1, 0) if number == 0 else (2, 1)), bias=False))
        if number < len(widths) - 2:
            steps += [nn.BatchNorm2d(after), nn.ReLU(True)]
    module = nn.Module()
    module.main = nn.Sequential(*steps, nn.Tanh())
    return randomised(module)


@example("dcgan/tutorial")
def _() -> State:
    return tutorial_dcgan().state_dict()


@example("progan/grown-to-16")
def _() -> State:
    torch.manual_seed(0)
    return progan((12, 10, 8), latent=7).state_dict()


@example("planted/shapes")
def _() -> State:
    return planted_shapes.weights(1)


@example("planted-scenes/scenes")
def _() -> State:
    return planted_scenes.weights(1)


for published in published_layouts.cases():
    example(f"{published_layouts.family(published)}/{published}")(
        lambda name=published: published_layouts.case(name)[0]
    )


@example("biggan-deep/hugging-face")
def _() -> State:
    return published_layouts.biggan_deep().state_dict()


def gandissect_progan(widths: Sequence[int] = (16, 12, 8)) -> State:
    """GAN Dissection's layout: the latent's size, then the widths from 4x4 on, two layers each."""
    shapes: dict[str, Sequence[int]] = {}
    for k, (before, after) in enumerate(pairwise(widths)):
        first = 4 if k == 0 else 3
        shapes[f"layer{2 * k + 1}.conv.weight"] = (after, before, first, first)
        shapes[f"layer{2 * k + 1}.wscale.b"] = (after,)
        shapes[f"layer{2 * k + 2}.conv.weight"] = (after, after, 3, 3)
        shapes[f"layer{2 * k + 2}.wscale.b"] = (after,)
    side = 2 * 2 ** (len(widths) - 1)
    shapes[f"output_{side}x{side}.conv.weight"] = (3, widths[-1], 1, 1)
    shapes[f"output_{side}x{side}.wscale.b"] = (3,)
    return {key: 5 * value for key, value in random_state(shapes).items()}


@example("gandissect/16px")
def _() -> State:
    return gandissect_progan((16, 12, 8, 6))


@example("gandissect/older-layout")
def _() -> State:
    state = gandissect_progan()
    return {
        f"features.{int(key[5]) - 1}{key[6:]}" if key.startswith("layer") else f"output{key[10:]}": value
        for key, value in state.items()
    }


def zoo_progan(widths: Sequence[int] = (8, 6, 4), latent: int = 12, channels: int = 3) -> State:
    """The layout of pytorch_GAN_zoo's PGAN: widths from 4x4 on; a layer of colours for each size."""
    shapes: dict[str, Sequence[int]] = {
        "formatLayer.module.weight": (16 * widths[0], latent),
        "formatLayer.module.bias": (16 * widths[0],),
        "groupScale0.0.module.weight": (widths[0], widths[0], 3, 3),
        "groupScale0.0.module.bias": (widths[0],),
    }
    for k, (before, after) in enumerate(pairwise(widths)):
        shapes[f"scaleLayers.{k}.0.module.weight"] = (after, before, 3, 3)
        shapes[f"scaleLayers.{k}.0.module.bias"] = (after,)
        shapes[f"scaleLayers.{k}.1.module.weight"] = (after, after, 3, 3)
        shapes[f"scaleLayers.{k}.1.module.bias"] = (after,)
    for k, width in enumerate(widths):
        shapes[f"toRGBLayers.{k}.module.weight"] = (channels, width, 1, 1)
        shapes[f"toRGBLayers.{k}.module.bias"] = (channels,)
    return {key: 5 * value for key, value in random_state(shapes).items()}


@example("progan-zoo/16px")
def _() -> State:
    return zoo_progan()


def scaled(state: State) -> State:
    """Weights of convolutions and linear layers under which maps neither die out nor explode."""
    return {
        key: value * 7 / value[0].numel() ** 0.5 if value.ndim > 1 and "embed" not in key else value
        for key, value in state.items()
    }


def under_spectral_norm(state: State, *parts: str) -> State:
    """Weights whose path contains one of these, as `weight_orig` (three times it), `weight_u`, `weight_v`."""
    made = {}
    for key, value in state.items():
        if not key.endswith(".weight") or value.ndim < 2 or not any(part in key for part in parts):
            made[key] = value
            continue
        path = key.removesuffix("weight")
        matrix = (value.transpose(0, 1) if "deconv" in key else value).flatten(1)
        u, _s, v = torch.linalg.svd(matrix, full_matrices=False)
        made |= {f"{path}weight_orig": 3 * value, f"{path}weight_u": u[:, 0], f"{path}weight_v": v[0]}
    return made


def norm_shapes(path: str, units: int, affine: bool = True) -> dict[str, Sequence[int]]:
    """The keys of a batch norm."""
    learned = {f"{path}.weight": (units,), f"{path}.bias": (units,)} if affine else {}
    rest = {f"{path}.running_mean": (units,), f"{path}.running_var": (units,)}
    return {**learned, **rest, f"{path}.num_batches_tracked": ()}


def mimicry_resnet(
    widths: Sequence[int] = (8, 8, 6),
    *,
    latent: int = 12,
    side: int = 4,
    classes: int | None = None,
    attention_after: int | None = None,
) -> State:
    """The layout of mimicry's generators: the width of the first map, then of each block."""
    shapes: dict[str, Sequence[int]] = {
        "l1.weight": (side * side * widths[0], latent),
        "l1.bias": (side * side * widths[0],),
    }
    for k, (before, after) in enumerate(pairwise(widths), start=2):
        for name, shape in (
            ("c1", (after, before, 3, 3)),
            ("c2", (after, after, 3, 3)),
            ("c_sc", (after, before, 1, 1)),
        ):
            shapes[f"block{k}.{name}.weight"] = shape
            shapes[f"block{k}.{name}.bias"] = (after,)
        for name, units in (("b1", before), ("b2", after)):
            if classes is None:
                shapes |= norm_shapes(f"block{k}.{name}", units)
            else:
                shapes |= norm_shapes(f"block{k}.{name}.bn", units, affine=False)
                shapes[f"block{k}.{name}.embed.weight"] = (classes, 2 * units)
    last = len(widths) + 1
    shapes |= norm_shapes(f"b{last}", widths[-1])
    shapes |= {f"c{last}.weight": (3, widths[-1], 3, 3), f"c{last}.bias": (3,)}
    if attention_after is not None:
        units = widths[attention_after - 1]
        shapes |= {"attn_block.gamma": (), "attn_block.o.weight": (units, units // 2, 1, 1)}
        for name, part in (("theta", 8), ("phi", 8), ("g", 2)):
            shapes[f"attn_block.{name}.weight"] = (units // part, units, 1, 1)
    state = scaled(random_state(shapes))
    return {key: 1 + value if "embed" in key else value for key, value in state.items()}


@example("sngan/mimicry")
def _() -> State:
    return mimicry_resnet()


@example("sngan/mimicry-sagan")
def _() -> State:
    state = mimicry_resnet((8, 8, 8, 8), classes=5, attention_after=3)
    return under_spectral_norm(state, "l1", ".c", "c5", "attn")


def studiogan_convolutions(path: str, before: int, after: int) -> dict[str, Sequence[int]]:
    """The keys of a residual block's convolutions."""
    shapes: dict[str, Sequence[int]] = {}
    for name, taken, size in (("conv2d0", before, 1), ("conv2d1", before, 3), ("conv2d2", after, 3)):
        shapes |= {f"{path}.{name}.weight": (after, taken, size, size), f"{path}.{name}.bias": (after,)}
    return shapes


def studiogan_attention(path: str, units: int) -> dict[str, Sequence[int]]:
    """The keys of an attention block."""
    parts = {"theta": (units // 8, units), "phi": (units // 8, units), "g": (units // 2, units)}
    parts["attn"] = (units, units // 2)
    weights = {f"{path}.conv1x1_{name}.weight": (*shape, 1, 1) for name, shape in parts.items()}
    return {f"{path}.sigma": (1,), **weights}


def studiogan(
    backbone: str = "resnet",
    widths: Sequence[int] = (16, 8, 8),
    *,
    latent: int = 12,
    classes: int | None = None,
    shared: int = 6,
    attention_after: int | None = None,
) -> State:
    """The layout of StudioGAN's resnet, big_resnet and deep_conv; `latent` is one part of big_resnet's."""
    shapes: dict[str, Sequence[int]] = {
        "linear0.weight": (16 * widths[0], latent),
        "linear0.bias": (16 * widths[0],),
    }
    follows = classes
    if backbone == "big_resnet":
        follows = latent if classes is None else latent + shared
        if classes is not None:
            shapes["shared.weight"] = (classes, shared)

    def norm(path: str, units: int) -> None:
        if follows is None:
            shapes.update(norm_shapes(path, units))
        else:
            shapes.update(norm_shapes(f"{path}.bn", units, affine=False))
            shapes.update({f"{path}.gain.weight": (units, follows), f"{path}.bias.weight": (units, follows)})

    number = 0
    for k, (before, after) in enumerate(pairwise(widths), start=1):
        path = f"blocks.{number}.0"
        if backbone == "deep_conv":
            shapes |= {f"{path}.deconv0.weight": (before, after, 4, 4), f"{path}.deconv0.bias": (after,)}
            norm(f"{path}.bn0", after)
        else:
            norm(f"{path}.bn1", before)
            norm(f"{path}.bn2", after)
            shapes |= studiogan_convolutions(path, before, after)
        number += 1
        if k == attention_after:
            shapes |= studiogan_attention(f"blocks.{number}.0", after)
            number += 1
    last = "conv4" if backbone == "deep_conv" else "conv2d5"
    shapes |= {f"{last}.weight": (3, widths[-1], 3, 3), f"{last}.bias": (3,)}
    shapes |= {} if backbone == "deep_conv" else norm_shapes("bn4", widths[-1])
    return scaled(random_state(shapes))


@example("studiogan/resnet")
def _() -> State:
    return studiogan()


@example("studiogan/big_resnet")
def _() -> State:
    state = studiogan("big_resnet", classes=5, attention_after=1)
    return under_spectral_norm(state, "linear0", "conv", "gain", "bias.weight")


@example("studiogan/deep_conv")
def _() -> State:
    return studiogan("deep_conv")


@example("mobile_stylegan/own-names")
def _() -> State:
    torch.manual_seed(0)
    return MobileStyleGAN(8, 2, 8, [(6, 8), (6, 4)]).state_dict()


@example("onnx/graph")
def _() -> State:
    import onnx

    z, image = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", 3, 8, 8])
        for name in ("z", "image")
    )
    graph = onnx.helper.make_graph([onnx.helper.make_node("Tanh", ["z"], ["image"])], "g", [z], [image])
    content = onnx.helper.make_model(graph).SerializeToString()
    return {"onnx": torch.frombuffer(bytearray(content), dtype=torch.uint8)}


@example("diffusers/unet")
def _() -> State:
    from diffusers import UNet2DModel

    torch.manual_seed(0)
    return dict(UNet2DModel(**UNET).state_dict())


@example("diffusers/vae")
def _() -> State:
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    return dict(AutoencoderKL(**VAE).state_dict())
