"""ResNet GANs in the layouts of mimicry and StudioGAN: the published arithmetic, from state dicts alone."""

from collections.abc import Sequence

import pytest
import torch
from example_checkpoints import State, mimicry_resnet, studiogan, under_spectral_norm
from generator_checks import checked_generator
from torch import Tensor
from torch.nn import functional

from analysis.models.families.resnet import sngan
from analysis.models.families.resnet import studiogan as studio
from analysis.models.inputs import Inputs
from analysis.shared.errors import GanatomyError


class Published:
    """The operations that both repositories share, by path, on a state dict whose spectral norm is undone."""

    def __init__(self, state: State, eps: float) -> None:
        self.state, self.eps = dict(state), eps
        for key, original in state.items():
            if key.endswith("weight_orig"):
                path = key.removesuffix("weight_orig")
                rows = original.movedim(1 if "deconv" in key else 0, 0)
                sigma = state[f"{path}weight_u"] @ rows.reshape(len(rows), -1) @ state[f"{path}weight_v"]
                self.state[f"{path}weight"] = original / sigma

    def linear(self, path: str, x: Tensor) -> Tensor:
        return functional.linear(x, self.state[f"{path}.weight"], self.state.get(f"{path}.bias"))

    def conv(self, path: str, x: Tensor) -> Tensor:
        weight = self.state[f"{path}.weight"]
        if "deconv" in path:
            return functional.conv_transpose2d(x, weight, self.state[f"{path}.bias"], stride=2, padding=1)
        return functional.conv2d(x, weight, self.state.get(f"{path}.bias"), padding=weight.shape[-1] // 2)

    def norm(self, path: str, x: Tensor, condition: Tensor | None = None) -> Tensor:
        inner = path if f"{path}.running_mean" in self.state else f"{path}.bn"
        mean, variance = self.state[f"{inner}.running_mean"], self.state[f"{inner}.running_var"]
        x = (x - mean[:, None, None]) / (variance[:, None, None] + self.eps).sqrt()
        if f"{path}.embed.weight" in self.state:
            rows = self.state[f"{path}.embed.weight"][condition]
            gain, shift = rows[:, : x.shape[1]], rows[:, x.shape[1] :]
        elif f"{path}.gain.weight" in self.state:
            assert condition is not None
            gain = 1 + condition @ self.state[f"{path}.gain.weight"].T
            shift = condition @ self.state[f"{path}.bias.weight"].T
        else:
            gain, shift = self.state[f"{path}.weight"][None], self.state[f"{path}.bias"][None]
        return gain[:, :, None, None] * x + shift[:, :, None, None]

    def attention(self, x: Tensor, theta: str, phi: str, g: str, o: str, gamma: str) -> Tensor:
        n, c, h, w = x.shape
        keys = functional.max_pool2d(self.conv(phi, x), 2).view(n, c // 8, -1)
        values = functional.max_pool2d(self.conv(g, x), 2).view(n, c // 2, -1)
        queries = self.conv(theta, x).view(n, c // 8, -1)
        weights = torch.softmax(torch.einsum("ncq,nck->nqk", queries, keys), -1)
        mixed = torch.einsum("nck,nqk->ncq", values, weights).view(n, c // 2, h, w)
        return x + self.state[gamma] * self.conv(o, mixed)


def mimicry(state: State, z: Tensor, y: Tensor | None = None, attention_after: int | None = None) -> Tensor:
    p = Published(state, 1e-5)
    units = p.state["block2.c1.weight"].shape[1]
    numbers = p.linear("l1", z)
    side = round((numbers.shape[1] / units) ** 0.5)
    x, k = numbers.view(len(z), units, side, side), 2
    while f"block{k}.c1.bias" in state:
        h = p.norm(f"block{k}.b1", x, y).relu()
        h, skip = (
            p.conv(f"block{k}.{name}", functional.interpolate(it, scale_factor=2, mode="bilinear"))
            for name, it in (("c1", h), ("c_sc", x))
        )
        x = p.conv(f"block{k}.c2", p.norm(f"block{k}.b2", h, y).relu()) + skip
        if k == attention_after:
            x = p.attention(x, *(f"attn_block.{part}" for part in ("theta", "phi", "g", "o", "gamma")))
        k += 1
    return p.conv(f"c{k}", p.norm(f"b{k}", x).relu()).tanh()


@pytest.mark.parametrize(
    ("widths", "side", "classes", "attention_after", "spectral"),
    [
        ((8, 8, 8, 8), 4, None, None, False),  # SNGAN at 32 pixels: equal widths
        ((16, 8, 6, 4), 6, None, None, False),  # at 48, from 6x6
        ((16, 12, 8, 6, 4), 2, None, None, False),  # four blocks, as at 64
        ((8, 8, 6, 4, 4, 4), 2, None, None, False),  # five blocks, as at 128
        ((8, 8, 8, 8), 4, 5, None, False),  # cGAN-PD at 32
        ((8, 8, 8, 8), 4, 5, 3, True),  # SAGAN at 32
        ((16, 16, 8, 8, 6), 2, 3, 4, True),  # attention behind the third block, as at 128
    ],
)
def test_mimicrys_pictures(
    widths: Sequence[int], side: int, classes: int | None, attention_after: int | None, spectral: bool
) -> None:
    state = mimicry_resnet(widths, side=side, classes=classes, attention_after=attention_after)
    if spectral:
        state = under_spectral_norm(state, "l1", ".c", f"c{len(widths) + 1}", "attn")
    parts = sngan.FAMILY.build(dict(sorted(state.items())), {}, Inputs())
    generator = checked_generator(
        parts, lambda *given: mimicry(state, *given, attention_after=attention_after)
    )
    names = ["l1", *(f"block{k}" for k in range(2, len(widths) + 1))]
    found = {layer.name: (layer.units, layer.height) for layer in generator.layers}
    for k, name in enumerate(names):
        assert found[name] == (widths[k], side * 2**k)
    assert ("attn_block" in found) == (attention_after is not None)
    assert generator.image_shape == (3, side * 2 ** (len(widths) - 1), side * 2 ** (len(widths) - 1))
    assert generator.classes == classes
    assert bool(parts.notes) == spectral


def studiogans(state: State, z: Tensor, y: Tensor | None = None) -> Tensor:
    p = Published(state, 1e-4)
    numbers = sum(".conv1x1_theta." in key for key in p.state if key.endswith("theta.weight"))
    entries = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
    label = None
    if "shared.weight" in state:
        label = p.state["shared.weight"][y]
    elif y is not None:
        key = next(key for key in p.state if key.endswith("gain.weight"))
        label = torch.eye(p.state[key].shape[1])[y]
    first = p.state["linear0.weight"].shape[1]
    parts = list(z.split(first, 1))
    assert len(parts) in (1, 1 + entries - numbers)
    main = "deconv0" if "blocks.0.0.deconv0.bias" in state else "conv2d1"
    units = p.state[f"blocks.0.0.{main}.weight"].shape[0 if main == "deconv0" else 1]
    x = p.linear("linear0", parts.pop(0)).view(len(z), units, 4, 4)
    for k in range(entries):
        path = f"blocks.{k}.0"
        if f"{path}.sigma" in state:
            names = (f"{path}.conv1x1_{part}" for part in ("theta", "phi", "g", "attn"))
            x = p.attention(x, *names, f"{path}.sigma")
            continue
        pieces = [piece for piece in (label, parts.pop(0) if parts else None) if piece is not None]
        condition = torch.cat(pieces, 1) if pieces else None
        if main == "deconv0":
            x = p.norm(f"{path}.bn0", p.conv(f"{path}.deconv0", x), condition).relu()
            continue
        h = p.norm(f"{path}.bn1", x, condition).relu().repeat_interleave(2, 2).repeat_interleave(2, 3)
        h = p.norm(f"{path}.bn2", p.conv(f"{path}.conv2d1", h), condition).relu()
        skip = p.conv(f"{path}.conv2d0", x.repeat_interleave(2, 2).repeat_interleave(2, 3))
        x = p.conv(f"{path}.conv2d2", h) + skip
    if main == "deconv0":
        return p.conv("conv4", x).tanh()
    return p.conv("conv2d5", p.norm("bn4", x).relu()).tanh()


@pytest.mark.parametrize(
    ("backbone", "widths", "classes", "attention_after", "spectral"),
    [
        ("resnet", (8, 8, 8, 8), None, None, False),
        ("resnet", (16, 8, 8), 5, None, True),
        ("resnet", (16, 8, 8, 6), 5, 2, False),
        ("big_resnet", (16, 8, 8), 5, 1, True),
        ("big_resnet", (16, 8, 8, 4), 5, None, False),
        ("big_resnet", (16, 8, 8), None, None, True),
        ("deep_conv", (16, 8, 6, 4), None, None, True),
        ("deep_conv", (16, 8, 8, 4), 5, 2, False),
    ],
)
def test_studiogans_pictures(
    backbone: str, widths: Sequence[int], classes: int | None, attention_after: int | None, spectral: bool
) -> None:
    state = studiogan(backbone, widths, classes=classes, attention_after=attention_after)
    if spectral:
        state = under_spectral_norm(state, "linear0", "conv", "gain", "bias.weight")
    parts = studio.FAMILY.build(dict(sorted(state.items())), {}, Inputs())
    generator = checked_generator(parts, lambda *given: studiogans(state, *given))
    blocks = len(widths) - 1
    assert parts.latent_shape == (12 * (blocks + 1) if backbone == "big_resnet" else 12,)
    assert generator.classes == classes
    assert generator.image_shape == (3, 4 * 2**blocks, 4 * 2**blocks)
    found = [(layer.units, layer.height) for layer in generator.layers if "attention" not in layer.name]
    assert found == [(width, 4 * 2**k) for k, width in enumerate(widths)]
    assert len(generator.layers) == len(widths) + (attention_after is not None)


def test_a_class_is_chosen_for_a_run() -> None:
    state = studiogan("big_resnet", classes=5)
    parts = studio.build(state)
    inputs = Inputs(classes=((3, 1.0),))
    checked_generator(parts, lambda z, y: studiogans(state, z, torch.full_like(y, 3)), inputs=inputs)


def test_the_activation_and_latents_are_asked() -> None:
    state = studiogan()
    parts = studio.build(state, {"activation": "leaky_relu_0.1", "latents": "uniform"})
    assert parts.latent_law == "uniform"
    assert (
        parts.module(torch.ones(1, 12)) - studio.build(state).module(torch.ones(1, 12))
    ).abs().max() > 0.01


def changed(state: State, changes: dict[str, Tensor | None]) -> State:
    left = {key: value for key, value in state.items() if key not in changes}
    return left | {key: value for key, value in changes.items() if value is not None}


MIMICRY, STUDIO = mimicry_resnet(), studiogan("big_resnet", classes=5)
REFUSED = {
    "a block lost": (
        sngan.build,
        {key.replace("block2", "block9"): value for key, value in MIMICRY.items()},
        r"'block2\.c1\.weight' is missing",
    ),
    "another width": (
        sngan.build,
        changed(MIMICRY, {"block3.c1.weight": torch.ones(6, 5, 3, 3)}),
        "Block 0 makes 8 units and the next one takes 5",
    ),
    "no square map": (
        sngan.build,
        changed(MIMICRY, {"l1.weight": torch.ones(24, 12)}),
        r"'l1\.weight' makes 24 numbers, which are no square map of 8",
    ),
    "a key lost": (sngan.build, changed(MIMICRY, {"block2.b1.bias": None}), r"first is 'block2\.b1\.bias'"),
    "attention elsewhere": (
        sngan.build,
        mimicry_resnet((16, 8, 8, 16), classes=3, attention_after=4),
        "The attention block is of 16 units, which do not fit behind block3",
    ),
    "codes of InfoGAN": (
        studio.build,
        changed(STUDIO, {"shared.weight": torch.ones(5, 4)}),
        "follow 18 numbers, not 4 of a class and 12 of the latent; InfoGAN's codes",
    ),
    "no blocks": (studio.build, {"linear0.weight": torch.ones(16, 4)}, "has 0 blocks"),
    "a projection lost": (
        studio.build,
        changed(STUDIO, {"linear0.weight": None}),
        r"'linear0\.weight' is missing",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_said_precisely(case: str) -> None:
    build, state, words = REFUSED[case]
    with pytest.raises(GanatomyError, match=words):
        build(state)
