"""The checkpoints of GAN Dissection's authors: the paper's layers, and the published arithmetic."""

import math
from collections.abc import Sequence

import pytest
import torch
from example_checkpoints import State, gandissect_progan
from generator_checks import checked_generator
from torch import Tensor
from torch.nn import functional

from analysis.models.families import gandissect
from analysis.shared.errors import GanatomyError


def published(state: State, z: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Images and maps by layer, from the paper's equations and the state dict alone, in float64."""
    state, z = {key: value.double() for key, value in state.items()}, z.double()
    maps: dict[str, Tensor] = {}
    x, number = z.reshape(len(z), -1, 1, 1), 1
    while f"layer{number}.conv.weight" in state:
        weight = state[f"layer{number}.conv.weight"]
        x = x / (x.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()
        if number > 1 and number % 2:
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
        he = math.sqrt(2 / (weight.shape[1] * weight.shape[2] * weight.shape[3]))
        x = functional.conv2d(x, he * weight, padding=3 if number == 1 else 1)
        x = functional.leaky_relu(x + state[f"layer{number}.wscale.b"][:, None, None], 0.2)
        maps[f"layer{number}"] = x
        number += 1
    last = next(key for key in state if key.startswith("output") and key.endswith("conv.weight"))
    x = x / (x.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()
    x = functional.conv2d(x, state[last]) / math.sqrt(state[last].shape[1])
    x = x + state[last.replace("conv.weight", "wscale.b")][:, None, None]
    return x.float(), {name: map_.float() for name, map_ in maps.items()}


@pytest.mark.parametrize(
    ("widths", "side"),
    [((16, 8), 4), ((16, 8, 8, 6), 16), ((16, 12, 8, 8, 6), 32), ((9, 8, 8, 8, 8, 8), 64)],
)
def test_it_makes_the_published_pictures(widths: Sequence[int], side: int) -> None:
    state = gandissect_progan(widths)
    assert f"output_{side}x{side}.conv.weight" in state
    parts = gandissect.FAMILY.build(dict(sorted(state.items())), {}, None)
    generator = checked_generator(parts, lambda z: published(state, z)[0])
    assert generator.image_shape == (3, side, side)
    assert generator.latent_shape == (widths[0], 1, 1)
    assert [(layer.name, layer.units, layer.height, layer.extra) for layer in generator.layers] == [
        (f"layer{k}", widths[(k + 1) // 2], 2 * 2 ** ((k + 1) // 2), False)
        for k in range(1, 2 * len(widths) - 1)
    ]
    assert parts.module.state_dict().keys() == state.keys()


def test_maps_too_large_for_a_first_look_are_extra_layers() -> None:
    parts = gandissect.build(gandissect_progan((8, 4, 4, 4, 4, 4, 4, 4)))
    assert list(parts.layers) == [f"layer{k}" for k in range(1, 11)]  # to 64x64
    assert list(parts.extra_layers) == ["layer11", "layer12", "layer13", "layer14"]


def test_a_layers_map_is_the_papers() -> None:
    state = gandissect_progan((16, 12, 8, 6))
    parts = gandissect.build(state)
    generator = checked_generator(parts, lambda z: published(state, z)[0])
    z = torch.randn(2, 16, 1, 1)
    _images, maps = generator.features(z, ["layer1", "layer4", "layer5"])
    wanted = published(state, z)[1]
    for name, map_ in maps.items():
        torch.testing.assert_close(map_, wanted[name], rtol=0, atol=1e-4)
    assert maps["layer4"].shape == (2, 8, 8, 8)  # the paper's layer4 is the second one at 8x8


@pytest.mark.parametrize("saved", [False, True])
def test_the_older_layout(saved: bool) -> None:
    state = gandissect_progan((16, 12, 8))
    old = {}
    for key, value in state.items():
        name, leaf = key.split(".", 1)
        before = f"features.{int(name[5:]) - 1}" if name.startswith("layer") else "output"
        old[f"{before}.{leaf}"] = value
        if saved and leaf == "conv.weight":  # the older code kept its scale as a weight
            gain = 1.0 if before == "output" else math.sqrt(2) / value.shape[2]
            old[f"{before}.wscale.scale"] = torch.tensor([gain / math.sqrt(value.shape[1])])
    assert gandissect.FAMILY.recognises(old)
    checked_generator(gandissect.build(old), lambda z: published(state, z)[0])


REFUSED = {
    "an odd number": ({"layer3.conv.weight": None}, "The weights have 3 layers; .* an even number"),
    "a gap": ({"layer2.conv.weight": "layer9.conv.weight"}, r"'layer2\.conv\.weight' is missing"),
    "another size": (
        {"output_8x8.conv.weight": "output_16x16.conv.weight"},
        r"'output_8x8\.conv\.weight' is missing",
    ),
    "no bias": ({"layer2.wscale.b": None}, r"do not fit .*layer2\.wscale\.b"),
    "another kernel": ({"layer3.conv.weight": torch.ones(6, 8, 5, 5)}, r"its kernel must be 3x3"),
    "another width": ({"layer3.conv.weight": torch.ones(6, 7, 3, 3)}, r"takes 7 units and .* makes 8"),
    "no units": ({"layer1.conv.weight": torch.ones(0, 16, 4, 4)}, r"has the shape \(0, 16, 4, 4\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_said_precisely(case: str) -> None:
    changes, words = REFUSED[case]
    state = gandissect_progan((16, 8, 6))
    for key, change in changes.items():
        value = state.pop(key)
        if isinstance(change, str):
            state[change] = value
        elif change is not None:
            state[key] = change
    with pytest.raises(GanatomyError, match=words):
        gandissect.build(state)


def test_a_million_layers_are_not_built() -> None:
    state = {f"layer{k}.conv.weight": torch.ones(1, 1, 1, 1) for k in range(1, 1001)}
    with pytest.raises(GanatomyError, match="have 1000 layers"):
        gandissect.build(state)
