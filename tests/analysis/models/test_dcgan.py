"""DCGANs are read from their weights alone, in whatever way they were written and saved."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
import torch
from example_checkpoints import State, randomised, tutorial_dcgan
from generator_checks import checked_generator
from torch import Tensor, nn
from torch.nn.utils import parametrizations, spectral_norm, weight_norm

from analysis.models.families import dcgan
from analysis.models.generator import Generator
from analysis.shared.errors import GanatomyError

Act = Callable[[], nn.Module]


def chain(
    widths: Sequence[int],
    *,
    first: int | tuple[int, int] = 4,
    kernel: int = 4,
    stride: int = 2,
    padding: int = 1,
    extra: int = 0,
    norm: bool = True,
    bias: bool = False,
    affine: bool = True,
    act: Act = nn.ReLU,
    output: Act = nn.Tanh,
    norm_last: bool = False,
) -> nn.Sequential:
    """A flat Sequential with these widths; the tutorial's by default."""
    torch.manual_seed(0)
    steps: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise(widths)):
        if number == 0:
            steps.append(nn.ConvTranspose2d(before, after, first, 1, 0, bias=bias))
        else:
            steps.append(nn.ConvTranspose2d(before, after, kernel, stride, padding, extra, bias=bias))
        if number < len(widths) - 2:
            behind = [nn.BatchNorm2d(after, affine=affine)] if norm else []
            steps += [act(), *behind] if norm_last else [*behind, act()]
    return randomised(nn.Sequential(*steps, output()))


def under(prefix: str, module: nn.Module) -> State:
    return {f"{prefix}{name}": value for name, value in module.state_dict().items()}


VARIANTS = {
    "32px": ([12, 8, 6, 4, 3], {}, 32),
    "64px": ([12, 8, 6, 4, 4, 3], {}, 64),
    "128px, six convolutions, equal widths": ([12, 6, 6, 4, 4, 4, 1], {}, 128),
    "grey": ([12, 8, 6, 4, 1], {}, 32),
    "28px from 7x7": ([12, 8, 6, 1], {"first": 7}, 28),
    "from 2x2": ([12, 8, 6, 3], {"first": 2}, 8),
    "no batch norm, biased": ([12, 8, 6, 4, 3], {"norm": False, "bias": True}, 32),
    "batch norm and biased": ([12, 8, 6, 4, 3], {"bias": True}, 32),
    "no affine": ([12, 8, 6, 4, 3], {"affine": False}, 32),
    "2x2 kernels": ([12, 8, 6, 4, 3], {"kernel": 2, "padding": 0}, 32),
    "6x6 kernels": ([12, 8, 6, 4, 3], {"kernel": 6, "padding": 2}, 32),
    "batch norm after the ReLU": ([12, 8, 6, 4, 3], {"norm_last": True}, 32),
    "latents of one number": ([1, 8, 6, 4, 3], {}, 32),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_makes_the_pictures_of_the_original(variant: str) -> None:
    widths, options, size = VARIANTS[variant]
    theirs = chain(widths, **options)
    state = dict(sorted(under("main.", theirs).items()))  # as safetensors returns them: 0, 10, 3
    assert dcgan.FAMILY.recognises(state)
    generator = checked_generator(dcgan.build(state), theirs)
    assert generator.image_shape == (3, size, size)
    assert [layer.units for layer in generator.layers] == widths[1:-1]
    assert [layer.name for layer in generator.layers] == [f"layer{k}" for k in range(1, len(widths) - 1)]


@pytest.mark.parametrize("prefix", ["", "netG.gen.", "0.", "10.9."])
def test_it_may_have_any_prefix(prefix: str) -> None:
    theirs = chain([12, 8, 6, 4, 4, 3])
    state = dict(sorted(under(prefix, theirs).items()))
    assert dcgan.FAMILY.recognises(state)
    z = torch.randn(2, 12, 1, 1)
    assert torch.equal(dcgan.build(state).module(z), theirs(z))


def test_the_tutorials_layers_are_where_they_were() -> None:
    theirs = tutorial_dcgan((100, 16, 8, 6, 4, 3))
    parts = dcgan.build(theirs.state_dict())
    assert parts.layers == ["main.2", "main.5", "main.8", "main.11"]
    assert parts.module.state_dict().keys() == theirs.state_dict().keys()  # so its hash is the file's
    assert parts.latent_shape == (100, 1, 1)


def test_a_first_kernel_need_not_be_square() -> None:
    theirs = chain([12, 8, 6, 3], first=(4, 6))
    generator = checked_generator(dcgan.build(under("main.", theirs)), theirs)
    assert generator.image_shape == (3, 16, 24)


def test_odd_kernels_are_asked_about() -> None:
    theirs = chain([12, 8, 6, 3], kernel=5, padding=2, extra=1)
    state = theirs.state_dict()
    with pytest.raises(GanatomyError, match=r"'3' is 5x5; .*answer odd_kernels=double or odd_kernels=keep"):
        dcgan.build(state)
    checked_generator(dcgan.build(state, {"odd_kernels": "double"}), theirs)
    keeps = chain([12, 8, 6, 3], kernel=3, stride=1, padding=1)
    generator = checked_generator(dcgan.build(keeps.state_dict(), {"odd_kernels": "keep"}), keeps)
    assert generator.image_shape == (3, 4, 4)


class Named(nn.Module):
    """Layers by name with ReLU as a function, as many write it."""

    def __init__(
        self, conv: str, norm: str, widths: Sequence[int] = (12, 8, 8, 4, 3), first: int = 1
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.steps = []
        for number, (before, after) in enumerate(pairwise(widths)):
            names = conv.format(number + first), norm.format(number + first)
            setattr(self, names[0], nn.ConvTranspose2d(before, after, 4, *((2, 1) if number else (1, 0))))
            if number < len(widths) - 2:
                setattr(self, names[1], nn.BatchNorm2d(after))
            self.steps.append(names)

    def forward(self, z: Tensor) -> Tensor:
        x = z
        for conv, norm in self.steps[:-1]:
            x = torch.relu(getattr(self, norm)(getattr(self, conv)(x)))
        return torch.tanh(getattr(self, self.steps[-1][0])(x))


@pytest.mark.parametrize(
    ("conv", "norm"),
    [("deconv{}", "deconv{}_bn"), ("conv{}", "bn{}"), ("ct{}", "batch_norm{}"), ("l{}", "norm{}")],
)
def test_layers_may_have_names(conv: str, norm: str) -> None:
    theirs = randomised(Named(conv, norm))
    checked_generator(dcgan.build(theirs.state_dict()), theirs)


def test_numbers_in_names_count_beyond_nine() -> None:
    theirs = randomised(Named("deconv{}", "deconv{}_bn", first=8))  # deconv8 to deconv11
    z = torch.randn(2, 12, 1, 1)
    assert torch.equal(dcgan.build(dict(sorted(theirs.state_dict().items()))).module(z), theirs(z))


def test_names_without_numbers_are_ordered_by_width() -> None:
    theirs = chain([12, 8, 6, 4, 3], norm=False)
    names = dict(zip(("0", "2", "4", "6"), ("start", "middle", "nearly", "end"), strict=True))
    state = {f"{names[k.split('.')[0]]}.weight": v for k, v in theirs.state_dict().items()}
    checked_generator(dcgan.build(state), theirs)


def test_blocks_in_blocks() -> None:
    flat = chain([12, 8, 6, 4, 3])
    parts = list(flat)
    theirs = nn.Sequential(*[nn.Sequential(*parts[k : k + 3]) for k in range(0, 9, 3)], *parts[9:])
    checked_generator(dcgan.build(under("net.", theirs)), theirs)


def test_the_gan_zoos_names() -> None:
    flat = list(chain([12, 8, 6, 4, 3]))
    names = [
        "batchNorm0",
        "relu0",
        *(f"{n}{k}" for k in (1, 2) for n in ("convTranspose", "batchNorm", "relu")),
    ]
    main = nn.Sequential(OrderedDict(zip([*names, "outlayer"], flat[1:10], strict=True)))
    theirs = nn.Sequential(OrderedDict(formatLayer=flat[0], main=main, act=nn.Tanh()))
    checked_generator(dcgan.build(theirs.state_dict()), theirs)


def test_a_last_ordinary_convolution() -> None:
    flat = list(chain([12, 8, 6, 4]))[:-1]
    theirs = nn.Sequential(*flat, nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1), nn.Tanh())
    generator = checked_generator(dcgan.build(theirs.state_dict()), theirs)
    assert [layer.units for layer in generator.layers] == [8, 6, 4]


@pytest.mark.parametrize("norm", [None, nn.BatchNorm1d(8 * 16), nn.BatchNorm2d(8)])
def test_a_linear_layer_may_come_first(norm: nn.Module | None) -> None:
    torch.manual_seed(0)
    grid = [nn.Linear(12, 8 * 16), nn.Unflatten(1, (8, 4, 4))]
    if norm is not None:
        grid.insert(1 if isinstance(norm, nn.BatchNorm1d) else 2, norm)
    up = [nn.ConvTranspose2d(8, 6, 4, 2, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.ConvTranspose2d(6, 3, 4, 2, 1)]
    theirs = randomised(nn.Sequential(*grid, nn.ReLU(), *up, nn.Tanh()))
    parts = dcgan.build(theirs.state_dict())
    generator = checked_generator(parts, theirs)
    assert parts.latent_shape == (12,)
    assert [(layer.units, layer.height) for layer in generator.layers] == [(8, 4), (6, 8)]


NORMALISED = {
    "spectral_norm": lambda conv: spectral_norm(conv),
    "parametrizations.spectral_norm": lambda conv: parametrizations.spectral_norm(conv),
    "weight_norm": lambda conv: weight_norm(conv),
    "weight_norm of the units made": lambda conv: weight_norm(conv, dim=1),
    "weight_norm of all": lambda conv: weight_norm(conv, dim=None),
    "parametrizations.weight_norm": lambda conv: parametrizations.weight_norm(conv),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("kind", NORMALISED)
@pytest.mark.parametrize("widths", [[12, 8, 6, 4, 3], [8, 8, 8, 8, 3]])
def test_normalised_weights_are_folded(kind: str, widths: list[int]) -> None:
    theirs = chain(widths, norm=False, bias=True).train()
    for module in theirs:
        if isinstance(module, nn.ConvTranspose2d):
            NORMALISED[kind](module)
    with torch.no_grad():
        theirs(torch.randn(2, widths[0], 1, 1))  # a step of the power iteration
    theirs.eval()
    assert not set(theirs.state_dict()) & {"0.weight"}
    parts = dcgan.build(theirs.state_dict())
    checked_generator(parts, theirs)
    assert "normalisation was folded into 4 weights" in " ".join(parts.notes)
    assert dcgan.FAMILY.recognises({name: value.to("meta") for name, value in theirs.state_dict().items()})


def test_spectral_norm_of_old_checkpoints_has_no_v() -> None:
    theirs = chain([12, 8, 6, 3], norm=False)
    kept = spectral_norm(theirs[0]).eval()
    state = theirs.state_dict()
    del state["0.weight_v"]
    v = nn.functional.normalize(kept.weight_orig.transpose(0, 1).flatten(1).T @ kept.weight_u, dim=0)
    kept.weight_v.copy_(v)
    checked_generator(dcgan.build(state), theirs)


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("leaky_relu_0.2", lambda: nn.LeakyReLU(0.2)),
        ("leaky_relu_0.01", nn.LeakyReLU),
        ("elu", nn.ELU),
        ("silu", nn.SiLU),
    ],
)
def test_the_activation_is_asked(name: str, act: Act) -> None:
    theirs = chain([12, 8, 6, 3], act=act)
    checked_generator(dcgan.build(theirs.state_dict(), {"activation": name}), theirs)
    z = torch.randn(2, 12, 1, 1)
    assert (dcgan.build(theirs.state_dict()).module(z) - theirs(z)).abs().max() > 0.01  # ReLU is another net


@pytest.mark.parametrize(
    ("name", "output", "span"),
    [("sigmoid", nn.Sigmoid, (0.0, 1.0)), ("tanh", nn.Tanh, (-1.0, 1.0)), ("none", nn.Identity, (-1.0, 1.0))],
)
def test_the_output_is_asked(name: str, output: Act, span: tuple[float, float]) -> None:
    theirs = chain([12, 8, 6, 3], output=output)
    parts = dcgan.build(theirs.state_dict(), {"output": name})
    assert parts.output_range == span
    checked_generator(parts, theirs)


def test_the_law_of_latents_is_asked() -> None:
    theirs = chain([12, 8, 6, 3])
    parts = dcgan.build(theirs.state_dict(), {"latents": "uniform"})
    generator = checked_generator(parts, theirs)
    assert str(generator.latent_law) == "uniform"
    with pytest.raises(GanatomyError, match="latents cannot be 'odd'; choose one of normal, uniform"):
        dcgan.build(theirs.state_dict(), {"latents": "odd"})


def test_what_was_taken_for_granted_is_said() -> None:
    notes = dcgan.build(tutorial_dcgan().state_dict()).notes
    assert "main.0 4x4: stride 1, padding 0, main.3 4x4: stride 2, padding 1" in notes[0]
    assert notes[0].endswith("so images are 32x32.")
    assert "relu after each layer but the last, and tanh at the end" in notes[1]


def test_old_and_half_checkpoints() -> None:
    theirs = chain([12, 8, 6, 4, 3])
    old = {name: value for name, value in theirs.state_dict().items() if "num_batches" not in name}
    checked_generator(dcgan.build(old), theirs)
    half = {name: value.half() if value.is_floating_point() else value for name, value in old.items()}
    parts = dcgan.build(half)
    z = torch.randn(2, 12, 1, 1)
    assert parts.module(z).dtype == torch.float32
    assert (parts.module(z) - theirs(z)).abs().max() < 5e-3


def without(state: State, *names: str) -> State:
    return {name: value for name, value in state.items() if name not in names}


NORM = ("weight", "bias", "running_mean", "running_var")
TUTORIAL = tutorial_dcgan().state_dict()
REFUSED: dict[str, tuple[State, str]] = {
    "a linear layer": (nn.Linear(2, 2).state_dict(), "it has 0 convolutions with a kernel and 1 linear"),
    "a discriminator": (
        nn.Sequential(nn.Conv2d(3, 8, 4), nn.Conv2d(8, 16, 4), nn.Conv2d(16, 1, 4)).state_dict(),
        "its convolutions take 3 channels and lead to 1, as a discriminator's do",
    ),
    "no running statistics": (
        without(TUTORIAL, "main.1.running_mean", "main.1.running_var"),
        r"The batch norm 'main\.1' has no running statistics",
    ),
    "half a batch norm": (without(TUTORIAL, "main.1.bias"), r"do not fit a DCGAN: .*main\.1\.bias"),
    "a layer lost": (
        without(TUTORIAL, "main.3.weight"),
        r"'main\.0' makes 8 units and the next, 'main\.6', ",
    ),
    "another batch norm": (
        TUTORIAL
        | {f"main.1.{leaf}": torch.ones(5) for leaf in ("weight", "bias", "running_mean", "running_var")},
        r"its batch norms \(main\.1 5, main\.4 6, main\.7 4, \.\.\.\) do not fit the widths",
    ),
    "one key more": (
        TUTORIAL | {"main.0.gain": torch.ones(8)},
        r"'main\.0\.gain' \(8,\) belongs to no",
    ),
    "5-D": (TUTORIAL | {"main.0.weight": torch.ones(1, 1, 1, 1, 1)}, r"'main\.0\.weight' \(1, 1, 1, 1, 1\)"),
    "no units": ({"0.weight": torch.ones(4, 0, 4, 4), "1.weight": torch.ones(0, 3, 4, 4)}, r"\(4, 0, 4, 4\)"),
    "whole numbers": (TUTORIAL | {"main.0.weight": torch.ones(12, 8, 4, 4, dtype=torch.int8)}, "holds int8"),
    "complex": (TUTORIAL | {"main.0.weight": torch.ones(12, 8, 4, 4, dtype=torch.cfloat)}, "holds complex64"),
    "colours of no picture": (chain([12, 8, 6, 5]).state_dict(), "'6', the last layer, makes 5 channels"),
    "65536 pixels": (
        {f"{k}.weight": torch.ones(2, 2 if k < 14 else 3, 4, 4) for k in range(15)},
        "'10' would make maps of 4096x4096; images of at most 2048x2048",
    ),
    "an even last convolution": (
        {"0.weight": torch.ones(9, 8, 4, 4), "1.weight": torch.ones(3, 8, 4, 4)},
        "'1' is an ordinary convolution of 4x4, whose padding is not in the file",
    ),
    "an impossible projection": (
        {
            "0.weight": torch.ones(24, 9),
            "1.weight": torch.ones(8, 4, 4, 4),
            "2.weight": torch.ones(4, 3, 4, 4),
        },
        "'0' makes 24 numbers, which are no square grid of the 8 units",
    ),
    "half a spectral norm": (
        without(TUTORIAL, "main.0.weight") | {"main.0.weight_orig": torch.ones(12, 8, 4, 4)},
        r"'main\.0' is under spectral normalisation .* the shape \(8,\), but the file holds none",
    ),
    "half a weight norm": (
        without(TUTORIAL, "main.0.weight") | {"main.0.weight_g": torch.ones(12, 1, 1, 1)},
        r"'main\.0' is under weight normalisation, but its parts do not fit",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_said_precisely(case: str) -> None:
    state, words = REFUSED[case]
    with pytest.raises(GanatomyError, match=words):
        dcgan.build(state)


def test_transparency_is_refused() -> None:
    parts = dcgan.build(chain([12, 8, 6, 4]).state_dict())
    with pytest.raises(GanatomyError, match="alpha: drop alpha"):
        Generator(parts.module, parts.layers, parts.latent_shape)
