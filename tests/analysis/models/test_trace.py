from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from analysis.models.cut import Cut
from analysis.models.trace import Trace
from analysis.shared.errors import GanatomyError


def chain() -> nn.Module:
    shared = nn.ReLU(inplace=True)
    inner = nn.Sequential(nn.ConvTranspose2d(4, 6, 4, bias=False), nn.BatchNorm2d(6), shared)
    return nn.Sequential(
        inner, nn.Sequential(nn.Conv2d(6, 5, 1), nn.ReLU(inplace=True)), nn.Conv2d(5, 3, 1), nn.Tanh()
    )


class Skips(nn.Module):
    """Skip connections over the cut, a shared nonlinearity, functional work in between, keyword arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.start = nn.ConvTranspose2d(4, 6, 4)
        self.act = nn.LeakyReLU(0.2, inplace=True)
        self.a, self.b = nn.Conv2d(6, 6, 1), nn.Conv2d(6, 6, 1)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Conv2d(6, 6, 1), nn.ReLU()) for _ in range(2)])
        self.end = nn.Conv2d(6, 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        start = self.act(self.start(z))
        x = self.a(input=start)
        x = self.act(self.b(x)) + start
        for block in self.blocks:
            x = nn.functional.interpolate(block(x), scale_factor=2.0) + 0.1
        x += start.mean((2, 3), keepdim=True)
        return torch.tanh(self.end(x))


class Pair(NamedTuple):
    shift: Tensor
    maps: Tensor


class Tuples(nn.Module):
    """Layers that return tuples and lists beside their map."""

    class Part(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, x: Tensor) -> Pair:
            maps = self.conv(x)
            return Pair(maps.mean((2, 3)), maps)

    def __init__(self) -> None:
        super().__init__()
        self.grow, self.first, self.second = nn.Upsample(scale_factor=4), Tuples.Part(), Tuples.Part()
        self.end = nn.Conv2d(4, 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        shift, maps = self.first(self.grow(z))
        pair = self.second(maps + shift[..., None, None])
        return torch.tanh(self.end(pair.maps * pair.shift[..., None, None]))


CASES: list[tuple[Callable[[], nn.Module], str]] = [
    (chain, "0.2"),
    (chain, "1"),
    (chain, "1.1"),
    (chain, "2"),
    (Skips, "start"),
    (Skips, "a"),
    (Skips, "b"),
    (Skips, "blocks.0"),
    (Skips, "blocks.0.1"),
    (Skips, "blocks.1.0"),
    (Tuples, "first"),
    (Tuples, "second"),
    (Tuples, "second.conv"),
]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def halved(r: Tensor) -> Tensor:
    return torch.cat([r[:, :2] * 0, r[:, 2:] * 0.5], 1)


@pytest.mark.parametrize(("make", "path"), CASES)
def test_the_tail_equals_the_edited_whole(make: Callable[[], nn.Module], path: str) -> None:
    module, z = make().eval(), torch.randn(3, 4, 1, 1)
    with torch.no_grad():
        original = module(z)
        cut = Cut(module, path, z)
        assert torch.equal(cut.output, original)
        assert torch.equal(cut.tail(cut.r), original)
        with Trace(module, {path: halved}):
            whole = module(z)
        assert torch.equal(cut.tail(halved(cut.r)), whole)
        assert not torch.equal(whole, original)
        assert torch.equal(cut.tail(cut.r), original)
        assert torch.equal(module(z), original)


@pytest.mark.parametrize(("make", "path"), CASES)
def test_upstream_modules_do_not_run_in_the_tail(make: Callable[[], nn.Module], path: str) -> None:
    module, z = make().eval(), torch.randn(1, 4, 1, 1)
    cut = Cut(module, path, z)
    first = next(part for part in module.modules() if isinstance(part, nn.ConvTranspose2d | nn.Upsample))

    def fail(*_: Any) -> None:
        raise AssertionError("it ran")

    first.forward = fail  # type: ignore[method-assign]
    assert torch.equal(cut.tail(cut.r), cut.output)


@pytest.mark.parametrize(("make", "path"), CASES)
def test_gradients_flow_through_the_tail(make: Callable[[], nn.Module], path: str) -> None:
    module, z = make().eval(), torch.randn(2, 4, 1, 1)
    cut = Cut(module, path, z)
    r = cut.r.clone().requires_grad_()
    (slope,) = torch.autograd.grad(cut.tail(r).sum(), r)
    assert slope.shape == r.shape
    assert slope.abs().sum() > 0


def test_a_trace_keeps_what_layers_returned_before_later_in_place_work() -> None:
    module, z = chain().eval(), torch.randn(2, 4, 1, 1)
    with torch.no_grad(), Trace(module, ["0.1", "1.1"]) as trace:
        module(z)
    assert (trace["0.1"] < 0).any()
    assert (trace["1.1"] >= 0).all()
    assert not any(part._forward_hooks for part in module.modules())


def test_hooks_and_forwards_are_gone_after_an_error() -> None:
    module, z = Skips().eval(), torch.randn(1, 4, 1, 1)

    def bad(_: Tensor) -> Tensor:
        raise ArithmeticError

    with pytest.raises(ArithmeticError), Trace(module, {"a": bad}):
        module(z)
    cut = Cut(module, "b", z)
    with pytest.raises(RuntimeError):
        cut.tail(cut.r.double())
    assert not any(part._forward_hooks for part in module.modules())
    assert not any("forward" in part.__dict__ for part in module.modules())


def test_an_edit_elsewhere_applies_within_a_cut() -> None:
    module, z = Skips().eval(), torch.randn(2, 4, 1, 1)
    with torch.no_grad():
        cut = Cut(module, "a", z)
        with Trace(module, {"blocks.0": halved}):
            through_tail = cut.tail(halved(cut.r))
        with Trace(module, {"a": halved, "blocks.0": halved}):
            assert torch.equal(through_tail, module(z))


def test_unknown_paths_and_shapes_are_one_sentence() -> None:
    module, z = Skips().eval(), torch.randn(1, 4, 1, 1)
    with pytest.raises(GanatomyError, match="no module 'c'"):
        Trace(module, ["c"])
    with pytest.raises(GanatomyError, match="no module ''"):
        Cut(module, "", z)
    cut = Cut(module, "a", z)
    with pytest.raises(GanatomyError, match="must stay"):
        cut.tail(cut.r[:, :1])
    with pytest.raises(GanatomyError, match="did not run"), Trace(module, ["a"]) as trace:
        _ = trace["a"]
    with pytest.raises(GanatomyError, match="did not run"):
        Cut(module, "blocks", z)
