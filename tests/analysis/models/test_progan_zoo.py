"""The progressive GANs of pytorch_GAN_zoo: the published arithmetic, from the state dict alone."""

from collections.abc import Sequence

import pytest
import torch
from example_checkpoints import State, zoo_progan
from generator_checks import checked_generator
from torch import Tensor
from torch.nn import functional

from analysis.models.families import progan_zoo
from analysis.shared.errors import GanatomyError


def published(
    state: State, z: Tensor, equalised: bool = True, tanh: bool = False, leak: float = 0.2, alpha: float = 0.0
) -> Tensor:
    """Images of latents, from the paper's equations, in float64."""
    state, z = {key: value.double() for key, value in state.items()}, z.double()

    def normal(x: Tensor) -> Tensor:
        return x / (x.pow(2).mean(1, keepdim=True) + 1e-8).sqrt()

    def apply(path: str, x: Tensor, padding: int = 0) -> Tensor:
        weight, bias = state[f"{path}.module.weight"], state[f"{path}.module.bias"]
        he = (2 / weight[0].numel()) ** 0.5 if equalised else 1
        if weight.ndim == 2:
            return functional.linear(x, he * weight, he * bias)
        return functional.conv2d(x, he * weight, he * bias, padding=padding)

    def larger(x: Tensor) -> Tensor:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    x = normal(functional.leaky_relu(apply("formatLayer", normal(z)).view(len(z), -1, 4, 4), leak))
    x = normal(functional.leaky_relu(apply("groupScale0.0", x, 1), leak))
    scales = sum(key.startswith("toRGBLayers") for key in state) // 2
    before = x
    for k in range(scales - 1):
        before, x = x, larger(x)
        for half in (0, 1):
            x = normal(functional.leaky_relu(apply(f"scaleLayers.{k}.{half}", x, 1), leak))
    image = apply(f"toRGBLayers.{scales - 1}", x)
    if alpha:
        image = alpha * larger(apply(f"toRGBLayers.{scales - 2}", before)) + (1 - alpha) * image
    return (image.tanh() if tanh else image).float()


@pytest.mark.parametrize(
    ("widths", "channels"), [((6,), 3), ((8, 6), 1), ((16, 12, 8, 8), 3), ((12, 8, 8, 8, 8), 1)]
)
def test_it_makes_the_published_pictures(widths: Sequence[int], channels: int) -> None:
    state = zoo_progan(widths, channels=channels)
    parts = progan_zoo.FAMILY.build(dict(sorted(state.items())), {}, None)
    generator = checked_generator(parts, lambda z: published(state, z))
    side = 4 * 2 ** (len(widths) - 1)
    assert generator.image_shape == (3, side, side)
    assert generator.latent_shape == (12,)
    assert [(layer.name, layer.units, layer.height, layer.extra) for layer in generator.layers] == [
        (f"layer{2 * k + half}", width, 4 * 2**k, False) for k, width in enumerate(widths) for half in (1, 2)
    ]
    assert "no configuration lies beside the weights" in parts.notes[0]


CONFIGURATIONS = {
    "tanh": ({"lossCriterion": "DCGAN"}, {"tanh": True}),
    "no tanh": ({"lossCriterion": "WGANGP"}, {}),
    "not equalised": ({"equalizedlR": False, "lossCriterion": "MSE"}, {"equalised": False, "tanh": True}),
    "another slope": ({"leakyReluLeak": 0.1}, {"leak": 0.1}),
    "blending": ({"alpha": 0.3}, {"alpha": 0.3}),
}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_the_training_says_how_it_is_built(case: str, nested: bool) -> None:
    said, options = CONFIGURATIONS[case]
    state = zoo_progan((12, 8, 8))
    config = {"config": {"config": said} if nested else said}
    checked_generator(progan_zoo.build(state, config), lambda z: published(state, z, **options))


def test_it_may_be_answered_instead() -> None:
    state = zoo_progan((12, 8))
    parts = progan_zoo.build(state, {"output": "tanh", "equalised": "no"})
    checked_generator(parts, lambda z: published(state, z, equalised=False, tanh=True))


def changed(name: str, value: Tensor | None) -> State:
    state = zoo_progan()
    if value is None:
        del state[name]
    else:
        state[name] = value
    return state


REFUSED = {
    "attributes": (zoo_progan(), {"categoryVectorDim": 4}, "conditional on attributes"),
    "a weight lost": (
        changed("scaleLayers.0.1.module.weight", None),
        {},
        "'scaleLayers.*' is missing",
    ),
    "a bias lost": (changed("scaleLayers.0.1.module.bias", None), {}, r"1 keys are missing, .*layer4"),
    "a bias of another size": (
        changed("formatLayer.module.bias", torch.ones(7)),
        {},
        r"\(7,\), not",
    ),
    "a colour layer lost": (
        changed("toRGBLayers.0.module.weight", None),
        {},
        "'toRGBLayers.*' is missing",
    ),
    "another kernel": (
        changed("scaleLayers.1.0.module.weight", torch.ones(4, 6, 5, 5)),
        {},
        r"has the shape \(4, 6, 5, 5\); it must take 6 units with a 3x3 kernel",
    ),
    "no 4x4": (
        changed("formatLayer.module.weight", torch.ones(100, 12)),
        {},
        "must map the latent to 4x4",
    ),
    "a key more": (changed("alpha", torch.ones(1)), {}, "'alpha' belongs to no layer"),
    "a thousand scales": (changed("scaleLayers.999.0.module.weight", torch.ones(1)), {}, "have 1001 scales"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_said_precisely(case: str) -> None:
    state, said, words = REFUSED[case]
    with pytest.raises(GanatomyError, match=words):
        progan_zoo.build(state, {"config": said})
