"""Tails of kept latents: whatever latents and edits, they give what whole passes give, bit for bit."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch
from example_checkpoints import EXAMPLES
from torch import Tensor, nn

from analysis.models.cut import Cut, Reading, reading_of
from analysis.models.families.family import Family
from analysis.models.generator import Generator, ImageTail
from analysis.models.generators import FAMILIES
from analysis.models.inputs import Inputs
from analysis.models.trace import Trace
from analysis.shared.errors import GanatomyError
from analysis.shared.latents import latents

# Built from more than a state dict, or only with answers; their own tests cut them.
NOT_HERE = {"onnx/graph", "diffusers/unet", "diffusers/vae", "stylegan2-ada/ada-of-stylegan3"}
CHOSEN = torch.tensor([4, 0, 0, 2])


def edit(r: Tensor) -> Tensor:
    return 0.3 * r.flip(1)


def generator(name: str) -> Generator:
    family: Family = import_module(FAMILIES[name.split("/")[0]]).FAMILY
    parts = family.build(EXAMPLES[name](), {}, Inputs())
    return Generator.of(parts)


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in NOT_HERE])
def test_chosen_latents_of_several_passes_are_edited_as_in_whole_passes(name: str) -> None:
    made = generator(name)
    z = latents(1, 0, 5, made.latent_shape)
    # Each layer, of the largest models every third: the last is always among them.
    for layer in made.layers[:: -1 if len(made.layers) < 12 else -3]:
        cuts = [made.cut(z[:3], layer.name), made.cut(z[3:], layer.name)]
        parts = [cut.kept for cut in cuts if cut.kept is not None]
        assert len(parts) == 2
        tail, r = ImageTail.joined(parts).rows(CHOSEN), torch.cat([cut.r for cut in cuts])[CHOSEN]
        with torch.no_grad():
            found, same = tail.tail(edit(r)), tail.tail(r)
            torch.testing.assert_close(same, made.images(z[CHOSEN]), rtol=1e-4, atol=1e-4)
            with Trace(made.module, {layer.path: edit}):
                # A processor's convolutions may round batches of other sizes otherwise.
                torch.testing.assert_close(found, made.images(z[CHOSEN]), rtol=1e-4, atol=1e-4)
        assert not torch.equal(found, same)


class Planted(nn.Module):
    """Modules before a cut at `cut`, and a forward that uses what they return in one special way."""

    def __init__(self, forward: Callable[["Planted", Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.start, self.skip, self.cut = nn.ConvTranspose2d(4, 6, 4), nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1)
        self.act, self.end = nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(6, 3, 1)
        self.embed, self.constant = nn.Embedding(3, 6), Constant()
        self.pair, self.stale = Pair(), Stale()
        self._forward = forward

    def forward(self, z: Tensor, y: Tensor) -> Any:
        return torch.tanh(self.end(self._forward(self, z, y)))


class Constant(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.noise = nn.Parameter(torch.randn(1, 1, 4, 4))

    def forward(self) -> Tensor:
        return self.noise


class Pair(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Any]:
        return {"mean": x.mean((2, 3), keepdim=True), "parts": [x + 1, None, "text"]}


class Stale(nn.Module):
    """Keeps something of a pass for itself."""

    def forward(self, x: Tensor) -> Tensor:
        self.last = x.mean((1, 2, 3), keepdim=True)
        return x


def unread(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    x = m.start(z)
    x = torch.relu(m.skip(x)) + x.mean((1, 2, 3), keepdim=True)
    return m.act(m.cut(x))


def in_place(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    x = m.start(z)
    skip, dead = m.skip(x), m.skip(x + 1)
    dead += 1
    r = m.cut(m.act(x))
    skip += m.act(r)
    skip *= 2
    return skip


def twice(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    x = m.act(m.skip(m.act(m.skip(m.start(z)))))
    return m.act(m.skip(m.cut(x))) + x


def structures(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    pair = m.pair(m.start(z))
    return m.cut(pair["parts"][0]) * pair["mean"]


def classes(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    return m.cut(m.start(z)) * m.embed(y)[:, :, None, None] + z.mean(1, keepdim=True)


def constants(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    noise = m.constant()
    return m.cut(m.start(z)) + noise


def sizes(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    x = m.skip(m.start(z))
    return m.cut(x) + torch.zeros_like(x) + x.new_ones(x.shape[0], 1, 1, 1)


def gated(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    """Without an edit of more than 50 nothing of `skip` is to be seen in any image."""
    skip = m.skip(m.start(z))
    r = m.cut(skip)
    return torch.where(r > 50, skip, r)


def views(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    """What is read lies in memory that another view of it filled."""
    x = m.skip(m.start(z))
    room = torch.zeros_like(x)
    room[:, :2] = x[:, :2]
    return m.cut(x) + room.flatten(1).view_as(x)


PLANTED: dict[str, tuple[Callable[..., Tensor], bool]] = {  # and whether anything of the images is read
    "unread": (unread, False),
    "in place": (in_place, True),
    "twice": (twice, True),
    "structures": (structures, True),
    "classes": (classes, True),
    "constants": (constants, False),
    "sizes": (sizes, False),
    "gated": (gated, True),
    "views": (views, True),
}


def inputs(images: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(images, 4, 1, 1, generator=random)
    return z, torch.randint(3, (images,), generator=random)


def planted(forward: Callable[..., Tensor]) -> tuple[nn.Module, Reading | None]:
    torch.manual_seed(0)
    module = Planted(forward).eval()
    return module, reading_of(module, "cut", inputs(2, 1), inputs(1, 2))


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("change", [edit, lambda r: r + 100 * (r > 0)], ids=["edit", "large"])
def test_planted_tails_equal_whole_passes(name: str, change: Callable[[Tensor], Tensor]) -> None:
    forward, reads = PLANTED[name]
    module, reading = planted(forward)
    given = inputs(5)
    cut = Cut(module, "cut", *given)
    kept = cut.kept(reading)
    assert kept is not None
    assert kept.any_batch == (not reads)
    assert (kept.bytes_per_image > 0) == reads
    module(*inputs(3, 9))
    some = tuple(value[CHOSEN] for value in given)
    with torch.no_grad(), Trace(module, {"cut": change}):
        whole = module(*some)
    before = [value.clone() for value in getattr(kept, "_values", {}).values()]
    for _ in range(2):  # the first leaves nothing behind
        with torch.no_grad():
            assert torch.equal(kept.rows(CHOSEN).tail(change(cut.r[CHOSEN])), whole)
    assert all(map(torch.equal, before, getattr(kept, "_values", {}).values()))
    again = Cut(module, "cut", *some, reading=reading)  # which keeps no more than that
    assert torch.equal(again.tail(change(again.r)), whole)
    assert again.kept(None) is not None
    r = cut.r[CHOSEN].requires_grad_()
    (slope,) = torch.autograd.grad(kept.rows(CHOSEN).tail(r).sum(), r)
    assert slope.abs().sum() > 0


def chooses(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    skip = m.skip(m.start(z))
    r = m.cut(skip)
    return r + skip if float(r.mean()) > 5 else r


def by_numpy(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    skip = m.skip(m.start(z))
    return m.cut(skip) + torch.from_numpy(skip.detach().numpy().copy())


def by_list(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    skip = m.skip(m.start(z))
    return m.cut(skip) + torch.tensor(skip.mean((1, 2, 3)).tolist())[:, None, None, None]


def as_long_as(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    skip = m.skip(m.start(z))
    return m.cut(skip) + len(torch.nonzero(skip > 0))


def stale(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    m.stale(m.start(z))
    return m.cut(m.skip(m.start(z))) + m.stale.last


def batch_mean(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    x = m.skip(m.start(z))
    return m.cut(x) + x - x.mean(0, keepdim=True)


def channels_of_images(m: Planted, z: Tensor, y: Tensor) -> Tensor:
    x = m.constant() + m.skip(m.start(z))
    together = m.act(x.reshape(1, -1, 4, 4))
    return m.cut(x) + together.view_as(x)


@pytest.mark.parametrize(
    "forward", [chooses, by_numpy, by_list, as_long_as, stale, batch_mean, channels_of_images]
)
def test_what_cannot_be_told_is_not_kept(forward: Callable[..., Tensor]) -> None:
    module, reading = planted(forward)
    assert reading is None
    cut = Cut(module, "cut", *inputs(3))
    assert cut.kept(reading) is None
    assert torch.equal(cut.tail(cut.r), cut.output)
    with pytest.raises(GanatomyError, match="must stay"):
        cut.tail(cut.r[:2])


def test_a_pass_that_goes_another_way_is_not_kept() -> None:
    module, reading = planted(unread)
    module._forward = twice  # type: ignore[assignment]
    assert Cut(module, "cut", *inputs(3)).kept(reading) is None
    cut = Cut(module, "cut", *inputs(3), reading=reading)
    assert torch.equal(cut.tail(cut.r), module(*inputs(3)))


def test_maps_that_do_not_fit_are_one_sentence() -> None:
    module, reading = planted(classes)
    kept = Cut(module, "cut", *inputs(3)).kept(reading)
    assert kept is not None
    with pytest.raises(GanatomyError, match="2 maps for 3 kept images"):
        kept.tail(torch.zeros(2, 6, 4, 4))


def test_edits_of_other_layers_are_not_taken_for_the_module_s_own() -> None:
    made = generator("biggan/biggan")
    z = latents(1, 0, 2, made.latent_shape)
    with Trace(made.module, {made.layers[1].path: torch.zeros_like}):
        assert made.cut(z, made.layers[0].name).kept is None
    assert made.cut(z, made.layers[0].name).kept is not None
