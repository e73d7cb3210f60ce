"""BigGAN and BigGAN-deep: the published code's pictures, from the published layouts."""

import json

import pytest
import torch
from published_layouts import biggan_deep, case, cases
from torch import Tensor, nn

from analysis.models.controls import random_twin
from analysis.models.families.biggan import biggan
from analysis.models.families.biggan import biggan_deep as deep
from analysis.models.families.biggan.layers import folded
from analysis.models.families.family import Parts
from analysis.models.generator import Generator
from analysis.models.inputs import Inputs
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

CASES = [name for name in cases() if name.startswith("biggan")]
NONE = Inputs()


def generator(parts: Parts, inputs: Inputs = NONE) -> Generator:
    return Generator.of(parts, inputs=inputs)


@pytest.fixture(scope="module")
def published() -> nn.Module:
    return biggan_deep()


@pytest.mark.parametrize("name", CASES)
def test_pictures_are_ajbrocks(name: str) -> None:
    state, stored = case(name)
    with torch.no_grad():
        images = biggan.build(state, {}, NONE).module(stored["z"], stored["y"])
    torch.testing.assert_close(images, stored["plain"], rtol=0, atol=1e-4)


@pytest.mark.parametrize("truncation", [None, 1.0, 0.4, 0.33, 0.02])
def test_pictures_are_hugging_faces(published: nn.Module, truncation: float | None) -> None:
    inputs = Inputs(truncation=truncation)
    parts = deep.build(
        published.state_dict(), {"config": json.loads(published.config.to_json_string())}, inputs
    )
    psi = truncation or 1.0
    z, y = latents(0, 0, 3, parts.latent_shape).clamp(-2, 2), torch.tensor([0, 4, 2])
    with torch.no_grad():
        theirs = published(psi * z, nn.functional.one_hot(y, 5).float(), psi)
        ours = parts.module(z, y)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)
    assert parts.latent_law == "truncated:2"
    assert theirs.std(0).mean() > 0.01


def test_without_a_config_every_second_block_doubles_the_grid(published: nn.Module) -> None:
    state = published.state_dict()
    z, y = torch.randn(1, 6), torch.tensor([1])
    with torch.no_grad():
        one, two = (
            deep.build(state, given, NONE).module(z, y)
            for given in ({}, {"config": json.loads(published.config.to_json_string())})
        )
    assert torch.equal(one, two)
    other = {"config": {"layers": [[False, 16, 16]] * 4}}
    with pytest.raises(GanatomyError, match="which have 8 blocks"):
        deep.build(state, other, NONE)


def test_a_conditional_generator_has_a_random_twin() -> None:
    it = generator(biggan.build(case("biggan")[0], {}, NONE))
    twin = random_twin(it)
    z = latents(0, 0, 8, it.latent_shape)
    assert (twin.images(z) - it.images(z)).abs().mean() > 0.1
    assert twin.images(z).std(0).mean() > 0.05
    norm, before = (each.module.get_submodule("blocks.1.0.bn1.bn") for each in (twin, it))
    assert (norm.running_mean - before.running_mean).abs().mean() > 0.1  # measured anew
    maps = twin.features(latents(1, 0, 64, it.latent_shape), ["blocks.0"])[1]["blocks.0"]
    assert (maps.mean((0, 2, 3)) - norm.running_mean).abs().max() < 0.5 * float(maps.std())


@pytest.mark.parametrize("name", ["biggan", "biggan-unshared", "deep"])
def test_a_tail_sees_its_layer_and_nothing_else_changes(name: str, published: nn.Module) -> None:
    parts = (
        deep.build(published.state_dict(), {}, NONE)
        if name == "deep"
        else biggan.build(case(name)[0], {}, NONE)
    )
    it = generator(parts)
    z = latents(3, 0, 2, it.latent_shape)
    images = it.images(z)
    for layer in it.layers:
        cut = it.cut(z, layer.name)
        assert torch.equal(cut.images, images)
        assert torch.equal(cut.tail(cut.r), images)
        kept = cut.r.clone()
        assert (cut.tail(cut.r + 1) - images).abs().amax((1, 2, 3)).min() > 1e-6, layer.name
        assert torch.equal(cut.r, kept)
        assert torch.equal(it.features(z, [layer.name])[1][layer.name], kept)
        if "relu" in layer.name:
            assert cut.r.min() == 0
    torch.testing.assert_close(it.images(z[1:])[0], images[1], rtol=0, atol=1e-5)


def test_layers_are_named_as_people_name_them(published: nn.Module) -> None:
    first = generator(biggan.build(case("biggan")[0], {}, NONE))
    assert [(layer.name, layer.units, layer.height) for layer in first.layers if not layer.extra] == [
        ("blocks.0", 16, 8),
        ("blocks.1", 16, 16),
        ("blocks.1.attention", 16, 16),
        ("blocks.2", 16, 32),
    ]
    assert first.layer("blocks.2.relu2").extra
    second = generator(deep.build(published.state_dict(), {}, NONE))
    assert second.layer("generator.layers.4").name == "layers.4"  # as GANSpace writes it
    assert [layer.height for layer in second.layers if not layer.extra] == [4, 8, 8, 16, 16, 16, 32, 32, 64]


@pytest.mark.parametrize("family", [biggan, deep])
def test_a_class_and_a_mixture_are_chosen(family, published: nn.Module) -> None:
    state = published.state_dict() if family is deep else case("biggan")[0]
    one, two, mixed = (
        generator(family.build(state, {}, inputs), inputs)
        for inputs in (
            Inputs(classes=((1, 1.0),)),
            Inputs(classes=((3, 1.0),)),
            Inputs(classes=((1, 1.0), (3, 1.0))),
        )
    )
    z = latents(0, 0, 8, one.latent_shape)
    of_one, of_two, both = one.images(z), two.images(z), mixed.images(z)
    assert (of_one - of_two).abs().amax((1, 2, 3)).min() > 1e-3
    same = [torch.equal(both[i], of_one[i]) for i in range(8)]
    assert 0 < sum(same) < 8


def test_a_truncated_biggan_has_latents_within_its_bound() -> None:
    state = case("biggan")[0]
    inputs = Inputs(truncation=0.5)
    it = generator(biggan.build(state, {}, inputs), inputs)
    z, _y = it._given(latents(0, 0, 200, it.latent_shape))
    assert 0.45 < float(z.abs().max()) <= 0.5
    for family, psi in ((biggan, 0.0), (deep, 0.0), (deep, 1.5)):
        with pytest.raises(GanatomyError, match=f"truncation of {psi:g}"):
            family.build(biggan_deep().state_dict() if family is deep else state, {}, Inputs(truncation=psi))


def test_standing_statistics_are_divided_by_their_count() -> None:
    state, stored = case("biggan-mybn")
    summed = dict(state)
    for key, value in state.items():
        if key.endswith("accumulation_counter"):
            summed[key] = torch.full_like(value, 4)
        if key.endswith(("stored_mean", "stored_var")):
            summed[key] = 4 * value
    with torch.no_grad():
        images = biggan.build(summed, {}, NONE).module(stored["z"], stored["y"])
    torch.testing.assert_close(images, stored["plain"], rtol=0, atol=1e-4)


def test_weights_may_come_without_spectral_norms() -> None:
    state, stored = case("biggan")
    plain, notes = folded(state, "it")
    assert notes
    assert len(plain) < len(state)
    parts = biggan.build(plain, {}, NONE)
    assert not parts.notes
    with torch.no_grad():
        torch.testing.assert_close(parts.module(stored["z"], stored["y"]), stored["plain"], rtol=0, atol=1e-4)


def test_what_synchronised_norms_do_with_their_gain_is_said() -> None:
    assert "add their gain" in biggan.build(case("biggan-cross")[0], {}, NONE).notes[-1]
    assert not any("gain" in note for note in biggan.build(case("biggan-mybn")[0], {}, NONE).notes)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("blocks.1.0.conv1.weight", None, "numbered"),
        ("blocks.1.0.conv_sc.weight", None, r"conv_sc\.weight"),
        ("blocks.1.1.g.weight", None, r"blocks\.1\.1\.g\.weight"),
        ("linear.weight", torch.zeros(250, 3), "no square map"),
        ("shared.weight", torch.zeros(5, 7), "numbers of the latent"),
        ("blocks.0.0.conv1.u0", torch.zeros(1, 3), "spectral norm"),
        ("blocks.0.0.conv_sc.weight", torch.zeros(()), "spectral norm|dimensions"),
        ("blocks.0.0.bn1.stored_mean", torch.zeros(3), "stored_mean|running_mean|shape"),
    ],
)
def test_what_is_no_biggan_is_one_sentence(key: str, value: Tensor | None, words: str) -> None:
    whole = case("biggan")[0]
    if key == "linear.weight":
        whole = folded(whole, "it")[0]
    state = {k: v for k, v in {**whole, key: value}.items() if v is not None}
    with pytest.raises(GanatomyError, match=words):
        biggan.build(state, {}, NONE)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("generator.layers.3.conv_2.weight_orig", None, r"conv_2\.weight"),
        ("generator.layers.3.bn_1.running_means", None, "running_mean"),
        ("generator.gen_z.bias", torch.zeros(3), r"gen_z\.bias"),
        ("embeddings.weight", torch.zeros(12, 5), "of which the class has 12"),
        ("generator.layers.2.conv_0.weight_u", torch.zeros(99), "spectral norm"),
    ],
)
def test_what_is_no_biggan_deep_is_one_sentence(
    key: str, value: Tensor | None, words: str, published: nn.Module
) -> None:
    state = {k: v for k, v in {**published.state_dict(), key: value}.items() if v is not None}
    with pytest.raises(GanatomyError, match=words):
        deep.build(state, {}, NONE)
