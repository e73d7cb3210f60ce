"""Seventy-two modules that people are likely to bring, each with what should become of it."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrizations, spectral_norm

from analysis.models.generator import Generator
from analysis.models.inputs import Inputs
from analysis.models.trace import submodule, with_first_map
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

Z = 8
SHAPE = (Z, 1, 1)


def chain(*, channels: int = 3, nonlinearity: type[nn.Module] = nn.ReLU, end: nn.Module | None = None) -> Any:
    """A DCGAN in the tutorial's layout: 8 -> 6x4x4 -> 4x8x8 -> channels x 16x16."""
    torch.manual_seed(0)
    main = nn.Sequential(
        nn.ConvTranspose2d(Z, 6, 4, bias=False),
        nn.BatchNorm2d(6),
        nonlinearity(),
        nn.ConvTranspose2d(6, 4, 4, 2, 1, bias=False),
        nn.BatchNorm2d(4),
        nonlinearity(),
        nn.ConvTranspose2d(4, channels, 4, 2, 1, bias=False),
        end or nn.Tanh(),
    )
    net = nn.Sequential(OrderedDict(main=main)).eval()
    for part in net.modules():
        if isinstance(part, nn.ConvTranspose2d):
            nn.init.normal_(part.weight, std=0.2)
    return net


class Then(nn.Module):
    """A chain, and what somebody's forward does around it."""

    def __init__(self, after: Callable[..., Any], net: nn.Module | None = None) -> None:
        super().__init__()
        self.g = net or chain()
        self.after = after

    def forward(self, z: Tensor) -> Any:
        return self.after(self.g(z))


class Before(Then):
    """The same, with something done to the latent."""

    def forward(self, z: Tensor) -> Any:
        return self.g(self.after(z))


class Named(nn.Module):
    """Named layers with functional ReLUs, as in many GitHub repositories."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.deconv1 = nn.ConvTranspose2d(Z, 6, 4)
        self.deconv1_bn = nn.BatchNorm2d(6)
        self.deconv2 = nn.ConvTranspose2d(6, 3, 4, 2, 1)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.deconv2(functional.relu(self.deconv1_bn(self.deconv1(z)))))


class Calls(nn.Module):
    """A chain whose forward takes further arguments."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        super().__init__()
        self.g, self.call = chain(), forward

    def forward(self, *given: Any) -> Any:
        return self.call(self.g, *given)


class BigGan(nn.Module):
    """A class embedding beside the latent, and functional ReLUs in blocks."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.shared = nn.Embedding(5, Z)
        self.linear = nn.Linear(2 * Z, 6 * 16)
        self.blocks = nn.ModuleList(nn.ModuleList([nn.Conv2d(6, 6, 3, padding=1)]) for _ in range(2))
        self.rgb = nn.Conv2d(6, 3, 1)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        x = self.linear(torch.cat([z, self.shared(y)], 1)).reshape(-1, 6, 4, 4)
        for block in self.blocks:
            x = block[0](functional.interpolate(functional.relu(x), scale_factor=2.0))
        return torch.tanh(self.rgb(x))


class FixedClass(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.g = BigGan()

    def forward(self, z: Tensor) -> Tensor:
        return self.g(z, torch.ones(len(z), dtype=torch.long))


class StyleGan2(nn.Module):
    """What matters of rosinality's: a list of latents, functional activations, noise, and a pair returned."""

    def __init__(self, noise: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.style = nn.Linear(Z, Z)
        self.const = nn.Parameter(torch.randn(1, 6, 4, 4))
        self.modulation = nn.Linear(Z, 6)
        self.conv1 = nn.Conv2d(6, 6, 3, padding=1)
        self.convs = nn.ModuleList([nn.ConvTranspose2d(6, 4, 4, 2, 1)])
        self.to_rgb = nn.Conv2d(4, 3, 1)
        self.noise = noise

    def forward(self, styles: Sequence[Tensor]) -> tuple[Tensor, None]:
        w = self.style(styles[0])
        scale = self.modulation(w)[:, :, None, None]
        x = functional.leaky_relu(self.conv1(self.const.repeat(len(w), 1, 1, 1) * scale), 0.2)
        if self.noise == "random":
            x = x + torch.randn_like(x[:, :1])
        return self.to_rgb(functional.leaky_relu(self.convs[0](x), 0.2)), None


class SharedRelu(nn.Module):
    """One ReLU object for all blocks, as in pytorch_GAN_zoo."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.ConvTranspose2d(Z, 6, 4)
        self.second = nn.Conv2d(6, 3, 3, padding=1)
        self.relu = nn.LeakyReLU(0.2)

    def forward(self, z: Tensor) -> Tensor:
        return self.relu(self.second(self.relu(self.first(z))))


class Twice(nn.Module):
    """One block that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.start = nn.ConvTranspose2d(Z, 6, 4)
        self.block = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.ReLU())
        self.end = nn.Conv2d(6, 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.end(self.block(self.block(self.start(z)))))


def gandissect(extra: bool = False) -> nn.Module:
    """Blocks with a ReLU each, as GAN Dissection's authors have them."""
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            layer1=nn.Sequential(
                OrderedDict(conv=nn.ConvTranspose2d(Z, 6, 4), norm=nn.GroupNorm(1, 6), relu=nn.LeakyReLU(0.2))
            ),
            layer2=nn.Sequential(
                OrderedDict(
                    up=nn.Upsample(scale_factor=2), conv=nn.Conv2d(6, 6, 3, padding=1), relu=nn.ReLU()
                )
            ),
            output_8x8=nn.Conv2d(6, 3, 1),
        )
    )


def seeded(*parts: nn.Module) -> nn.Module:
    """Parts in a row, their convolutions given weights of a seed."""
    net = nn.Sequential(*parts).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in net.parameters():
            weight.copy_(0.3 * torch.randn_like(weight))
    return net


def functional_norm(z: Tensor) -> Tensor:
    return functional.batch_norm(z, torch.zeros(3), torch.ones(3), training=True)


def normed(norm: Callable[..., nn.Module]) -> nn.Module:
    net = chain()
    for part in net.main:
        if isinstance(part, nn.ConvTranspose2d):
            norm(part)
    net.train()(torch.randn(4, *SHAPE))  # power iterations run in training
    return net


def filled(value: float) -> nn.Module:
    net = chain()
    nn.init.constant_(net.main[6].weight, value)
    return net


def complex_weight() -> nn.Module:
    net = chain()
    net.unused = nn.Parameter(torch.randn(3, dtype=torch.complex64))
    return Then(lambda image: image, net)


def failing(error: Exception) -> nn.Module:
    def fail(_image: Tensor) -> Tensor:
        raise error

    return Then(fail)


def missing_attribute(image: Tensor) -> Any:
    return image.nothing  # type: ignore[attr-defined]


class Case(NamedTuple):
    """A module, how it is given, and the words of its refusal ("" for none) or of its note."""

    make: Callable[[], Any]
    given: dict[str, Any] = {}  # noqa: RUF012
    refused: str = ""
    noted: str = ""


def wide(image: Tensor) -> Tensor:
    return 127.5 * (image + 1)


CASES = {
    "c01_plain": Case(chain),
    "c02_grey": Case(lambda: chain(channels=1)),
    "c03_functional_relu": Case(Named, refused="Modules that return maps once are deconv1, deconv1_bn"),
    "c04_functional_relu_named": Case(Named, {"layers": ["deconv1_bn", "deconv2"]}),
    "c05_sigmoid": Case(
        lambda: chain(end=nn.Sigmoid()), noted="if 0 stands for black, the output range is 0,1"
    ),
    "c05_sigmoid_said": Case(lambda: chain(end=nn.Sigmoid()), {"output_range": (0, 1)}),
    "c06_rgba": Case(lambda: chain(channels=4), refused="drop alpha"),
    "c07_tuple_image_none": Case(lambda: Then(lambda image: (image, None))),
    "c08_tuple_features_first": Case(lambda: Then(lambda image: (image.repeat(1, 4, 1, 1), image))),
    "c09_dict": Case(lambda: Then(lambda image: {"depth": image[:, :1], "image": image})),
    "c10_flat": Case(lambda: Then(lambda image: image.flatten(1)), refused="reshape each row"),
    "c11_hwc": Case(lambda: Then(lambda image: image.permute(0, 2, 3, 1)), refused="the channels come last"),
    "c12_uint8": Case(lambda: Then(lambda x: wide(x).byte()), refused="as output_range=(0, 255)"),
    "c12_uint8_said": Case(lambda: Then(lambda x: wide(x).byte()), {"output_range": (0, 255)}),
    "c13_0_to_255": Case(lambda: Then(wide), refused="as output_range=(0, 255)"),
    "c13_0_to_255_said": Case(lambda: Then(wide), {"output_range": (0, 255)}),
    "c14_half": Case(lambda: chain().half()),
    "c15_bf16": Case(lambda: chain().bfloat16()),
    "c16_double": Case(lambda: chain().double()),
    "c17_not_square": Case(
        lambda: seeded(nn.ConvTranspose2d(Z, 6, (4, 6)), nn.ReLU(), nn.Conv2d(6, 3, 1), nn.Tanh())
    ),
    "c18_noise_in_forward": Case(
        lambda: Then(lambda x: x + 0.1 * torch.randn_like(x)), refused="another image each time"
    ),
    "c19_little_noise": Case(
        lambda: Then(lambda x: x + 1e-4 * torch.randn_like(x)), refused="another image each time"
    ),
    "c20_noise_argument": Case(lambda: Calls(lambda g, z, noise: g(z)), refused="wants more than a latent"),
    "c21_class_argument": Case(
        lambda: Then(lambda x: x, BigGan()), {"latent_shape": (Z,)}, "for a class give classes="
    ),
    "c21_class_argument_said": Case(
        BigGan, {"latent_shape": (Z,), "classes": 5, "layers": ["blocks.0.0", "blocks.1.0"]}
    ),
    "c22_biggan": Case(FixedClass, {"latent_shape": (Z,)}, "return maps once are g.blocks.0.0, g.blocks.1.0"),
    "c23_biggan_named": Case(FixedClass, {"latent_shape": (Z,), "layers": ["g.blocks.0.0"]}),
    "c24_class_default": Case(lambda: Calls(lambda g, z, y=0: g(z + 0.1 * y))),
    "c25_flat_latents": Case(lambda: Before(lambda z: z[:, :, None, None]), {"latent_shape": (Z,)}),
    "c26_default_shape": Case(
        lambda: Before(lambda z: z.view(-1, Z, 1, 1)[: len(z)].squeeze(3)),
        {"latent_shape": (100, 1, 1)},
        "does not accept latents of shape (100, 1, 1)",
    ),
    "c27_wrong_shape": Case(
        chain,
        {"latent_shape": (5, 1, 1)},
        "does not accept latents of shape (5, 1, 1); give the latent_shape",
    ),
    "c28_int_shape": Case(lambda: Before(lambda z: z[:, :, None, None]), {"latent_shape": Z}),
    "c29_no_running_statistics": Case(
        lambda: seeded(
            nn.ConvTranspose2d(Z, 6, 4),
            nn.BatchNorm2d(6, track_running_stats=False),
            nn.ReLU(),
            nn.Conv2d(6, 3, 1),
        ),
        refused="in another batch; use batch norms that have running statistics",
    ),
    "c30_training_mode": Case(lambda: chain().train()),
    "c31_functional_norm": Case(lambda: Then(functional_norm), refused="in another batch"),
    "c32_leaky": Case(lambda: chain(nonlinearity=nn.LeakyReLU)),
    "c33_dataparallel": Case(lambda: nn.DataParallel(chain())),
    "c34_compiled": Case(lambda: torch.compile(chain(), backend="eager")),
    "c35_script": Case(lambda: torch.jit.script(chain()), refused="is TorchScript"),
    "c36_script_named": Case(lambda: torch.jit.script(chain()), {"layers": ["main.2"]}, "is TorchScript"),
    "c37_fx": Case(lambda: torch.fx.symbolic_trace(chain())),
    "c38_function": Case(lambda: lambda z: z, refused="is of type function, not an nn.Module"),
    "c39_layers_text": Case(chain, {"layers": "main.2"}, "layers is the text 'main.2'; give a list"),
    "c40_unknown_layer": Case(chain, {"layers": ["main.99"]}, "There is no module 'main.99'"),
    "c41_layer_twice": Case(chain, {"layers": ["main.2", "main.2"]}, "'main.2' is named twice"),
    "c42_own_names": Case(chain, {"layers": {"early": "main.2", "late": "main.5"}}),
    "c43_no_layers": Case(chain, {"layers": []}, "No layer was named"),
    "c44_meta": Case(lambda: chain().to("meta"), refused="has no values yet; load its weights"),
    "c45_nan": Case(lambda: filled(math.nan), refused="has NaN or infinite values"),
    "c46_constant": Case(lambda: filled(0.0), refused="gives the same image for 64 latents"),
    "c47_far_out": Case(lambda: Then(lambda x: 259 * x), refused="say what is black and white"),
    "c48_list_of_latents": Case(
        lambda: StyleGan2("fixed"), {"latent_shape": (Z,)}, "takes a list of latents; wrap it in a module"
    ),
    "c49_stylegan2_noise": Case(
        lambda: Before(lambda z: [z], StyleGan2("random")),
        {"latent_shape": (Z,), "layers": ["g.conv1"]},
        "fix its noise inputs",
    ),
    "c50_stylegan2": Case(
        lambda: Before(lambda z: [z], StyleGan2("fixed")),
        {"latent_shape": (Z,)},
        "return maps once are g.conv1, g.convs.0",
    ),
    "c51_stylegan2_named": Case(
        lambda: Before(lambda z: [z], StyleGan2("fixed")),
        {"latent_shape": (Z,), "layers": ["g.conv1", "g.convs.0"]},
    ),
    "c52_gandissect": Case(gandissect),
    "c53_gandissect_blocks": Case(gandissect, {"layers": ["layer1", "layer2"]}),
    "c54_shared_relu": Case(SharedRelu, refused="('relu' runs 2 times in one pass); name layers"),
    "c55_shared_relu_named": Case(SharedRelu, {"layers": ["first"]}),
    "c56_spectral_norm": Case(lambda: normed(spectral_norm)),
    "c57_spectral_norm_parametrized": Case(lambda: normed(parametrizations.spectral_norm)),
    "c58_no_parameters": Case(
        lambda: nn.Sequential(nn.PixelShuffle(2), nn.ReLU()),
        {"latent_shape": (12, 4, 4)},
        noted="if 0 stands for black",
    ),
    "c59_in_place_after": Case(
        lambda: seeded(nn.ConvTranspose2d(Z, 6, 4), nn.ELU(), nn.ReLU(True), nn.Conv2d(6, 3, 1)),
        {"layers": ["1"]},
    ),
    "c60_lazy": Case(
        lambda: nn.Sequential(nn.LazyConvTranspose2d(6, 4), nn.ReLU()), refused="has no values yet"
    ),
    "c61_name_markup": Case(chain, {"name": "[red]x[/red]"}),
    "c62_complex": Case(complex_weight),
    "c63_attribute_error": Case(lambda: Then(missing_attribute), refused="fails in its own forward"),
    "c64_assertion": Case(lambda: failing(AssertionError("z must have 7")), refused="z must have 7"),
    "c65_key_error": Case(lambda: failing(KeyError("x")), refused="KeyError: 'x'"),
    "c66_one_image_only": Case(
        lambda: Then(lambda x: x.view(1, 3, 16, 16)), refused="give images_per_pass=1"
    ),
    "c66_one_image_said": Case(lambda: Then(lambda x: x.view(1, 3, 16, 16)), {"images_per_pass": 1}),
    "c67_video": Case(lambda: Then(lambda x: x[:, :, None]), refused="that is a video: return one frame"),
    "c68_small_first": Case(lambda: Then(lambda x: [functional.avg_pool2d(x, 4), x])),
    "c69_weight_norm": Case(lambda: normed(parametrizations.weight_norm)),
    "c70_no_such_device": Case(chain, {"device": "cuda:99"}, "The device 'cuda:99' cannot be used here"),
    "c71_one_pixel": Case(
        lambda: seeded(
            nn.Conv2d(Z, 6, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(6, 5, 4),
            nn.ReLU(),
            nn.Conv2d(5, 3, 1),
            nn.Tanh(),
        )
    ),
    "c72_runs_twice": Case(Twice, refused="runs 2 times in one pass"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_module_works_exactly_or_is_one_sentence(name: str) -> None:
    case = CASES[name]
    given = {"latent_shape": SHAPE} | case.given
    if case.refused:
        with pytest.raises(GanatomyError) as caught:
            Generator(case.make(), **given)
        sentence = str(caught.value)
        assert case.refused in sentence
        assert sentence.endswith(".")
        assert "\n" not in sentence
        return
    generator = Generator(case.make(), **given)
    if case.noted:
        assert any(case.noted in note for note in generator.notes)
    else:
        assert not any("output range" in note for note in generator.notes)
    assert not generator.module.training
    _is_exact(generator)


def _is_exact(generator: Generator) -> None:
    """Images are in range; a cut's tail is the image; an edit is what a plain forward hook makes of it."""
    z = latents(3, 0, 2, generator.latent_shape)
    images = generator.images(z)
    assert images.shape[1] == 3
    assert images.dtype == torch.float32
    assert float(images.abs().max()) <= 1
    for layer in generator.layers:
        cut = generator.cut(z, layer.name)
        assert cut.r.shape == (2, layer.units, layer.height, layer.width)
        assert torch.equal(cut.tail(cut.r), images)
        edited = cut.r.clone()
        edited[:, 0] = 3.0

        def hook(_module: nn.Module, _given: Any, output: Any) -> Any:
            r = output.clone() if isinstance(output, Tensor) else output
            r[:, 0] = 3.0
            return with_first_map(output, r)

        handle = submodule(generator.module, layer.path).register_forward_hook(hook)
        hooked = generator.images(z)
        handle.remove()
        assert torch.equal(cut.tail(edited), hooked)


def test_a_unit_range_is_mapped_to_minus_one_to_one() -> None:
    said = Generator(chain(end=nn.Sigmoid()), latent_shape=SHAPE, output_range=(0, 1))
    z = latents(1, 0, 4, SHAPE)
    assert torch.equal(said.images(z), (2 * said.raw_images(z) - 1).clamp(-1, 1))
    bytes_ = Generator(Then(lambda x: wide(x).byte()), latent_shape=SHAPE, output_range=(0, 255))
    assert torch.allclose(bytes_.images(z), Generator(chain(), latent_shape=SHAPE).images(z), atol=1 / 127)


def test_what_lies_far_outside_is_noted() -> None:
    generator = Generator(Then(lambda image: 3 * image), ["g.main.2"], SHAPE)
    values = generator.raw_images(latents(0, 0, 8, SHAPE))
    share = float((values.abs() > 1.04).float().mean())
    assert share > 0.01
    assert any(note.startswith(f"{share:.0%} of the values lie outside -1 to 1") for note in generator.notes)


class Latent(nn.Module):
    """Keeps the latents that it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.g, self.seen = chain(), torch.empty(0)

    def forward(self, z: Tensor) -> Tensor:
        self.seen = z
        return self.g(z)


@pytest.mark.parametrize(
    ("law", "reference"),
    [
        ("normal", stats.norm()),
        ("uniform", stats.uniform(-1, 2)),
        ("truncated:2", stats.truncnorm(-2, 2)),
        ("truncated:0.7", stats.truncnorm(-0.7, 0.7)),
    ],
)
def test_a_law_of_latents_is_that_law(law: str, reference: Any) -> None:
    module = Latent()
    generator = Generator(module, latent_shape=SHAPE, latent_law=law)
    generator.images(latents(5, 0, 2000, SHAPE))
    seen = module.seen.flatten().numpy()
    assert stats.kstest(seen, reference.cdf).pvalue > 0.01
    if law != "normal":  # and the test can tell it from the usual one
        assert stats.kstest(seen, stats.norm().cdf).pvalue < 1e-3


def test_latents_on_the_sphere_have_one_length() -> None:
    module = Latent()
    Generator(module, latent_shape=SHAPE, latent_law="sphere").images(latents(5, 0, 50, SHAPE))
    assert torch.allclose(module.seen.flatten(1).norm(dim=1), torch.tensor(math.sqrt(Z)))


class Classes(nn.Module):
    """Keeps the classes that it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.g, self.seen = chain(), torch.empty(0)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        self.seen = y
        return self.g(z)


@pytest.mark.parametrize(
    ("inputs", "shares"),
    [
        (Inputs(), {0: 0.25, 1: 0.25, 2: 0.25, 3: 0.25}),
        (Inputs(classes=((2, 1.0),)), {2: 1.0}),
        (Inputs(classes=((3, 3.0), (0, 1.0))), {3: 0.75, 0: 0.25}),
    ],
)
def test_classes_come_with_their_shares_and_each_latent_keeps_its_own(
    inputs: Inputs, shares: dict[int, float]
) -> None:
    module = Classes()
    generator = Generator(module, latent_shape=SHAPE, classes=4, inputs=inputs)
    z = latents(7, 0, 4000, generator.latent_shape)
    generator.images(z)
    drawn = module.seen
    assert drawn.dtype == torch.int64
    for number in range(4):
        expected = shares.get(number, 0.0)
        deviation = math.sqrt(expected * (1 - expected) / len(drawn))
        assert abs(float((drawn == number).float().mean()) - expected) <= 4 * deviation
    generator.images(z[1234:1236])
    assert torch.equal(module.seen, drawn[1234:1236])
