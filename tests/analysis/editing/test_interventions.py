import pytest
import torch

from analysis.editing.edits import Edit
from analysis.editing.interventions import Sources, apply_step, edited, edited_images
from analysis.models import generators
from analysis.models.generator import Generator
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

EDITS = [
    "ablate layer2 4,17,31",
    "mean layer1 0-8",
    "mean layer1 3=0.25",
    "insert layer2 3=2.5,9=-1 at 2-5:3 by 0.5",
    "scale layer1 0-35=1.5 at 0:0-7,7:7",
    "interpolate layer1 0-20 to 11 by 0.75",
    "ablate layer2 1-9; insert layer1 2=3; scale layer2 1-4=2; ablate units1.1 7",
]


@pytest.fixture(scope="module")
def generator() -> Generator:
    return generators.load("planted", None)


@pytest.fixture(scope="module")
def z(generator: Generator) -> torch.Tensor:
    return latents(1, 0, 6, generator.latent_shape)


def once(text: str, r: torch.Tensor, sources: Sources | None = None) -> torch.Tensor:
    (step,) = Edit.parse(text).steps
    return apply_step(step, r, sources)


@pytest.mark.parametrize("text", EDITS)
def test_the_tail_equals_the_edited_generator(generator: Generator, z: torch.Tensor, text: str) -> None:
    edit = Edit.parse(text)
    before, after = edited_images(generator, edit, z)
    assert torch.equal(before, generator.images(z))
    with edited(generator, edit):
        assert torch.equal(after, generator.images(z))
    assert torch.equal(before, generator.images(z))
    assert not torch.equal(before, after)


@pytest.mark.parametrize(
    "text", ["", "scale layer1 0-35=1", *(f"{text} by 0" for text in EDITS[:3] + EDITS[4:5])]
)
def test_zero_edits_are_exactly_the_original(generator: Generator, z: torch.Tensor, text: str) -> None:
    before, after = edited_images(generator, Edit.parse(text), z)
    assert torch.equal(before, after)
    assert torch.equal(before, generator.images(z))


def test_each_operation_does_what_it_says() -> None:
    r = torch.rand(2, 5, 4, 4) + 1
    sources = Sources(None, means={"a": torch.arange(5.0)})  # type: ignore[arg-type]
    assert not once("ablate a 1,3", r)[:, [1, 3]].any()
    assert torch.equal(once("ablate a 1,3", r)[:, [0, 2, 4]], r[:, [0, 2, 4]])
    torch.testing.assert_close(once("ablate a 2 by 0.25", r)[:, 2], 0.75 * r[:, 2])
    assert (once("insert a 2=7", r)[:, 2] == 7).all()
    assert (once("mean a 3,4=9", r, sources)[:, 3] == 3).all()
    assert (once("mean a 3,4=9", r, sources)[:, 4] == 9).all()
    assert torch.equal(once("scale a 0=3", r)[:, 0], 3 * r[:, 0])
    at_cells = once("insert a 2=7 at 1-2:0,3:3", r)
    seven = torch.zeros(4, 4, dtype=torch.bool)
    seven[1:3, 0] = seven[3, 3] = True
    assert torch.equal((at_cells[:, 2] == 7), seven.expand(2, 4, 4))


def test_cells_can_be_chosen_image_by_image_and_gradients_flow() -> None:
    r = torch.rand(2, 3, 2, 2, requires_grad=True)
    where = torch.zeros(2, 1, 2, 2, dtype=torch.bool)
    where[1, 0, 0, 1] = True
    (step,) = Edit.ablate("a", [0], strength=0.5).steps
    (slope,) = torch.autograd.grad(apply_step(step, r, where=where).sum(), r)
    assert slope[1, 0, 0, 1] == 0.5
    assert slope.sum() == r.numel() - 0.5


def test_ablation_also_silences_a_unit_that_is_not_finite() -> None:
    r = torch.full((1, 2, 2, 2), float("nan"))
    r[:, 1] = float("inf")
    assert not once("ablate a 0-1", r).any()


def test_means_and_other_latents_come_from_the_unedited_generator(
    generator: Generator, z: torch.Tensor
) -> None:
    edit = Edit.parse("ablate layer1 0-35; mean layer2 0-35; interpolate layer2 0-5 to 3")
    _, maps = generator.features(latents(0, 0, 64, generator.latent_shape), ["layer2"])
    with edited(generator, edit):
        _, got = generator.features(z, ["layer2"])
    expected = maps["layer2"].mean((0, 2, 3))[:, None, None].expand(-1, 16, 16).clone()
    expected[:6] = maps["layer2"][3, :6]
    torch.testing.assert_close(got["layer2"], expected.expand(6, -1, -1, -1))


def test_the_seed_decides_which_latent_is_meant(generator: Generator, z: torch.Tensor) -> None:
    edit = Edit.interpolate("layer1", range(36), latent=2)
    _, after = edited_images(generator, edit, z, Sources(generator, seed=1))
    assert torch.equal(after, generator.images(z)[2:3].expand_as(after))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ablate layer9 1", "has no layer 'layer9'"),
        ("ablate layer1 36", "units 0 to 35; there is no unit 36"),
        ("ablate layer1 3 at 0:8", "has 8x8 cells"),
    ],
)
def test_an_edit_that_does_not_fit_is_one_sentence(
    generator: Generator, z: torch.Tensor, text: str, words: str
) -> None:
    with pytest.raises(GanatomyError, match=words):
        edited_images(generator, Edit.parse(text), z)
    with pytest.raises(GanatomyError, match=words), edited(generator, Edit.parse(text)):
        generator.images(z)


def test_values_that_nobody_gave_are_asked_for() -> None:
    with pytest.raises(GanatomyError, match="needs values that nobody gave"):
        once("mean a 1", torch.zeros(1, 2, 2, 2))
