"""StyleGAN2, StyleGAN2-ADA and StyleGAN3: the published code's pictures, from the published layouts."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from published_layouts import case, cases, family
from torch import Tensor

from analysis.models.checkpoints import read_state
from analysis.models.families.family import Family, Parts
from analysis.models.families.stylegan import stylegan2, stylegan2_ada, stylegan3
from analysis.models.families.stylegan.layers import filtered
from analysis.models.generator import Generator
from analysis.models.inputs import Inputs
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

FAMILIES: dict[str, Family] = {
    "stylegan2": stylegan2.FAMILY,
    "stylegan2-ada": stylegan2_ada.FAMILY,
    "stylegan3": stylegan3.FAMILY,
}
CASES = [name for name in cases() if family(name) in FAMILIES]
SMALL = ["stylegan2-16", "ada-skip", "ada-orig", "ada-resnet", "stylegan3-r"]


def config(name: str) -> Mapping[str, Any]:
    """The network's arguments, of which only the clamp matters here."""
    clamp = {"ada-resnet": 2.0, "ada-skip": None, "ada-orig": None}
    if name in clamp:
        return {"config": {"img_resolution": 16, "synthesis_kwargs": {"conv_clamp": clamp[name]}}}
    return {}


def built(name: str, inputs: Inputs = Inputs(), state: dict[str, Tensor] | None = None) -> Parts:  # noqa: B008
    return FAMILIES[family(name)].build(case(name)[0] if state is None else state, config(name), inputs)


def generator(name: str, inputs: Inputs = Inputs()) -> Generator:  # noqa: B008
    # So that no value of untrained weights is clamped.
    return Generator.of(built(name, inputs), output_range=(-9, 9), inputs=inputs)


@pytest.mark.parametrize("name", CASES)
def test_pictures_are_the_published_codes(name: str) -> None:
    stored = case(name)[1]
    given = [stored[key] for key in ("z", "y") if key in stored]
    psi = {"plain": None, "truncated": 0.6 if family(name) == "stylegan2" else 0.7}
    found = [what for what in psi if what in stored]
    assert found
    for what in found:
        with torch.no_grad():
            images = built(name, Inputs(truncation=psi[what])).module(*given)
        torch.testing.assert_close(images, stored[what], rtol=0, atol=1e-4)


def test_a_clamp_of_the_arguments_is_applied() -> None:
    state, stored = case("ada-resnet")
    with torch.no_grad():
        free = stylegan2_ada.build(state, {"config": {"synthesis_kwargs": {}}}, Inputs()).module(stored["z"])
    assert (free - stored["plain"]).abs().max() > 0.1


@pytest.mark.parametrize("name", SMALL)
def test_a_tail_sees_its_layer_and_nothing_else_changes(name: str) -> None:
    it = generator(name)
    z = latents(3, 0, 2, it.latent_shape)
    images = it.images(z)
    assert len({layer.name for layer in it.layers}) == len(it.layers) > 9
    for layer in it.layers[:: 3 if name == "stylegan3-r" else 1]:
        cut = it.cut(z, layer.name)
        assert torch.equal(cut.images, images)
        assert torch.equal(cut.tail(cut.r), images)
        kept = cut.r.clone()
        edited = cut.tail(cut.r + 1)
        assert (edited - images).abs().amax((1, 2, 3)).min() > 1e-6, layer.name
        assert torch.equal(cut.r, kept)
        assert torch.equal(it.features(z, [layer.name])[1][layer.name], kept)


@pytest.mark.parametrize("name", SMALL)
def test_gradients_reach_a_layer(name: str) -> None:
    it = generator(name)
    for layer in (it.layers[1].name, next(layer.name for layer in it.layers if layer.extra)):
        cut = it.cut(latents(3, 0, 1, it.latent_shape), layer)
        r = cut.r.clone().requires_grad_()
        (slope,) = torch.autograd.grad(cut.tail(r).square().sum(), r)
        assert (slope != 0).float().mean() > 0.9


def test_layers_are_named_as_people_name_them() -> None:
    names = {name: [layer.name for layer in generator(name).layers if not layer.extra] for name in SMALL}
    assert names["stylegan2-16"] == ["conv1", "convs.0", "convs.1", "convs.2", "convs.3"]
    assert names["ada-skip"] == ["b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1"]
    assert names["stylegan3-r"][0] == "L0_36_12"
    layers = {layer.name: layer for layer in generator("ada-skip").layers}
    assert (layers["b16.conv0"].units, layers["b16.conv0"].height) == (10, 16)
    assert (layers["b16.conv0.style"].units, layers["b16.conv0.style"].height) == (12, 1)
    assert layers["b8.torgb.style"].extra
    assert "b8" in {layer.name for layer in generator("ada-resnet").layers if layer.extra}


@pytest.mark.parametrize("name", SMALL)
def test_an_image_is_the_same_in_any_batch(name: str) -> None:
    it = generator(name)
    z = latents(5, 0, 5, it.latent_shape)
    together = it.images(z)
    for number in range(5):
        torch.testing.assert_close(it.images(z[number : number + 1])[0], together[number], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_truncation_draws_pictures_together(name: str) -> None:
    z = latents(1, 0, 8, (18 if family(name) != "stylegan2" else 20,))
    y = [torch.zeros(8, dtype=torch.long)] if name in ("ada-skip", "stylegan3-r") else []
    spread = []
    for psi in (None, 0.1, 0.0):
        module = built(name, Inputs(truncation=psi)).module
        with torch.no_grad():
            spread.append(float(module(z, *y).std(0).mean()))
    assert spread[0] > 1.2 * spread[1] > 0
    assert spread[2] < 1e-6
    if name != "stylegan3-r":  # it would draw 64 images to find out
        with pytest.raises(GanatomyError, match="same image"):
            generator(name, Inputs(truncation=0.0))


@pytest.mark.parametrize("name", ["ada-skip", "stylegan3-r"])
def test_classes_give_other_pictures(name: str) -> None:
    z = torch.randn(1, 18).expand(4, -1)
    with torch.no_grad():
        images = built(name).module(z, torch.arange(4))
    assert all((images[a] - images[b]).abs().max() > 0.01 for a in range(4) for b in range(a))


@pytest.mark.parametrize("name", ["stylegan2-16", "ada-skip"])
def test_noise_is_fixed_by_its_seed(name: str) -> None:
    own, first, again, other = (generator(name, Inputs(noise=seed)) for seed in (None, 1, 1, 2))
    z = latents(0, 0, 2, own.latent_shape)
    assert torch.equal(first.images(z), again.images(z))
    assert (first.images(z) - other.images(z)).abs().max() > 0.01
    assert (first.images(z) - own.images(z)).abs().max() > 0.01
    assert first.weights_sha256 == own.weights_sha256  # noise is an input, and no weight
    assert first.identity != own.identity


def test_early_checkpoints_have_no_noise_maps() -> None:
    state = case("stylegan2-16")[0]
    early = {key: value for key, value in state.items() if "noises" not in key and "kernel" not in key}
    parts = built("stylegan2-16", state=early)
    assert "noise maps" in parts.notes[0]
    full = built(
        "stylegan2-16",
        state={**state, **{k: v for k, v in parts.module.state_dict().items() if "noises" in k}},
    )
    z = torch.randn(1, 20)
    with torch.no_grad():
        assert torch.equal(parts.module(z), full.module(z))


def test_a_missing_mean_is_measured() -> None:
    state, stored = case("ada-skip")
    without = {key: value for key, value in state.items() if key != "mapping.w_avg"}
    module = built("ada-skip", Inputs(truncation=0.0), without).module
    rows = [built("ada-skip").module.mapping(torch.randn(4000, 18), torch.arange(4000) % 4) for _ in range(2)]
    mean = module.mapping(stored["z"], stored["y"])[0]
    apart = float((rows[0].mean(0) - rows[1].mean(0)).norm())
    assert float((mean - rows[0].mean(0)).norm()) < 2 * apart


def test_a_training_checkpoint_gives_its_average(tmp_path) -> None:
    state, stored = case("stylegan2-16")
    other = {key: value + 1 for key, value in state.items()}
    torch.save({"g": other, "d": {"convs.0.weight": torch.zeros(3)}, "g_ema": state}, tmp_path / "010000.pt")
    parts = built("stylegan2-16", state=read_state(tmp_path / "010000.pt", "g_ema"))
    with torch.no_grad():
        torch.testing.assert_close(parts.module(stored["z"]), stored["plain"], rtol=0, atol=1e-4)


def test_a_map_of_stylegan3_lies_where_its_picture_is() -> None:
    """Without the margin: an edit at one place changes the picture there."""
    it = generator("stylegan3-t")
    layer = next(layer for layer in it.layers if layer.name.startswith("L9_"))
    assert layer.height == int(layer.name.split("_")[1]) - 20
    cut = it.cut(latents(2, 0, 1, it.latent_shape), layer.name)
    size = layer.height
    for row, column in ((size // 4, size // 4), (size // 4, 3 * size // 4), (3 * size // 4, size // 2)):
        r = cut.r.clone()
        r[:, :, row, column] += 5
        change = (cut.tail(r) - cut.images).abs().sum((0, 1))
        change = change / change.sum()
        middle = [float((change.sum(1 - axis) * (torch.arange(32) + 0.5)).sum()) / 32 for axis in (0, 1)]
        assert abs(middle[0] - (row + 0.5) / size) < 0.06
        assert abs(middle[1] - (column + 0.5) / size) < 0.06


def test_an_edit_at_the_edge_goes_on_into_the_margin() -> None:
    module = built("stylegan3-t").module.synthesis.get_submodule("L3_36_12")
    x = torch.randn(1, 12, 36, 36)
    inner = module.picture(x)
    assert torch.equal(module._continued(x, inner), x)
    assert not module._continued(x, 0 * inner).any()  # an ablated unit is nowhere
    middle = inner.clone()
    middle[:, :, 8, 8] = 7
    assert int((module._continued(x, middle) != x).sum()) == 12
    corner = inner.clone()
    corner[:, :, 0, 0] = 7
    assert (module._continued(x, corner)[:, :, :11, :11] == 7).all()
    assert int((module._continued(x, corner) != x).sum()) == 12 * 11 * 11


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("stylegan2-16", {"convs.1.conv.weight": None}, "numbered"),
        ("stylegan2-16", {"convs.1.activate.bias": None}, r"convs\.1\.activate\.bias"),
        ("stylegan2-16", {"style.1.weight": torch.zeros(3)}, r"style\.1\.weight"),
        ("stylegan2-16", {"more": torch.zeros(3)}, "unknown"),
        ("ada-skip", {"synthesis.b8.conv1.weight": None}, "blocks of"),
        ("ada-skip", {"synthesis.b16.torgb.weight": None}, "makes no image"),
        ("ada-skip", {"synthesis.b8.conv0.noise_const": torch.zeros(9, 9)}, "noise_const"),
        ("ada-skip", {"mapping.fc1.weight": None}, "numbered"),
        ("ada-skip", {"mapping.fc1.weight": torch.zeros(())}, r"fc1\.weight"),
        ("stylegan3-t", {"synthesis.L2_36_12.up_filter": torch.zeros(())}, "another design"),
        ("stylegan3-t", {"synthesis.input.weight": torch.zeros(2, 2)}, r"synthesis\.input\.weight"),
        ("stylegan3-t", {"synthesis.L2_36_12.weight": None}, "missing"),
        ("stylegan3-t", {"synthesis.L2_36_12.up_filter": torch.zeros(999)}, "another design"),
    ],
)
def test_what_does_not_fit_is_one_sentence(name: str, change: dict[str, Tensor | None], words: str) -> None:
    state = {key: value for key, value in {**case(name)[0], **change}.items() if value is not None}
    with pytest.raises(GanatomyError, match=words):
        built(name, state=state)


def test_another_activation_is_refused() -> None:
    arguments = {"config": {"synthesis_kwargs": {"activation": "swish"}}}
    with pytest.raises(GanatomyError, match="'swish'; only lrelu"):
        stylegan2_ada.build(case("ada-orig")[0], arguments, Inputs())


@pytest.mark.parametrize("up", [1, 2])
def test_a_kernel_of_one_row_works_on_both_axes(up: int) -> None:
    x, kernel = torch.randn(2, 3, 7, 7), torch.rand(6)
    once = filtered(x, kernel, (4, 3), up=up, gain=4.0)
    torch.testing.assert_close(filtered(x, kernel.outer(kernel), (4, 3), up=up, gain=4.0), once)
