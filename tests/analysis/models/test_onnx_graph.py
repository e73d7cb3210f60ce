"""Generators as ONNX files: pictures and edits equal those of the module that was exported."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx2torch")

from analysis.models import generators  # noqa: E402
from analysis.models.catalogue import ModelInfo  # noqa: E402
from analysis.models.families import onnx_graph  # noqa: E402
from analysis.models.generator import Generator  # noqa: E402
from analysis.models.inputs import Inputs  # noqa: E402
from analysis.models.weights import Added  # noqa: E402
from analysis.shared.errors import GanatomyError  # noqa: E402
from analysis.shared.latents import latents  # noqa: E402

Z = 8


class Modulated(nn.Module):
    """A convolution whose weights are computed from a style, as StyleGAN2's."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.style = nn.Linear(Z, before)
        self.weight = nn.Parameter(torch.randn(after, before, 3, 3))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        weight = self.weight[None] * (self.style(w) + 1)[:, None, :, None, None]
        weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
        n, after, before = weight.shape[:3]
        grouped = functional.conv2d(
            x.reshape(1, n * before, *x.shape[2:]),
            weight.reshape(n * after, before, 3, 3),
            padding=1,
            groups=n,
        )
        return grouped.reshape(n, after, *grouped.shape[2:])


class Style(nn.Module):
    """A small StyleGAN2 of one image, whose noise is an input."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.mapping = nn.Sequential(nn.Linear(Z, Z), nn.LeakyReLU(0.2))
        self.const = nn.Parameter(torch.randn(1, 6, 4, 4))
        self.conv1, self.conv2 = Modulated(6, 6), Modulated(6, 5)
        self.rgb = nn.Conv2d(5, 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        w = self.mapping(z)
        x = functional.silu(self.conv1(self.const, w))
        x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        return torch.tanh(self.rgb(functional.leaky_relu(self.conv2(x, w), 0.2)))


class Conditional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(7, Z)
        self.g = dcgan()

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return self.g((z + self.embedding(y))[:, :, None, None])


def dcgan() -> Any:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.ConvTranspose2d(Z, 6, 4, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.ConvTranspose2d(6, 5, 4, 2, 1, bias=False),
        nn.BatchNorm2d(5),
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(5, 3, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    for part in net:
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.normal_(part.running_mean)
        elif isinstance(part, nn.ConvTranspose2d):
            nn.init.normal_(part.weight, std=0.3)
    return net.eval()


def exported(module: nn.Module, *given: Tensor, names: tuple[str, ...] = ("z",), free: bool = True) -> bytes:
    """The ONNX file of a module, by torch's own exporter."""
    file = io.BytesIO()
    axes = {name: {0: "batch"} for name in (*names, "image")} if free else None
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            module.eval(),
            given,
            file,
            input_names=list(names),
            output_names=["image"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
    return file.getvalue()


def state(content: bytes) -> dict[str, Tensor]:
    return {"onnx": torch.frombuffer(bytearray(content), dtype=torch.uint8)}


def generator(content: bytes, **config: str) -> Generator:
    info = ModelInfo("mine", "generator", "onnx", "", "", "", Added("", ""), config=config)
    parts = generators.parts(info, state(content), Inputs())
    return generators.assembled(info, parts, "cpu", Inputs())


@pytest.fixture(scope="module")
def tutorial() -> bytes:
    return exported(dcgan(), torch.randn(2, Z, 1, 1))


def test_a_dcgan_is_the_module_it_was_exported_from(tutorial: bytes) -> None:
    made, net = generator(tutorial), dcgan()
    assert onnx_graph.recognises(state(tutorial))
    z = latents(1, 0, 5, (Z, 1, 1))
    assert torch.allclose(made.images(z), net(z), rtol=0, atol=1e-4)
    shapes = [(layer.units, layer.height) for layer in made.layers if not layer.extra]
    assert shapes == [(6, 4), (5, 8)]
    assert [layer.extra for layer in made.layers].count(True) >= 2  # the convolutions, to be named
    assert made.images_per_pass is None
    for layer, part in zip(made.layers[:2], (net[2], net[5]), strict=True):
        cut = made.cut(z, layer.name)
        edited = cut.r.clone()
        edited[:, 1] = 2.0
        handle = part.register_forward_hook(lambda _m, _g, r: r.index_fill(1, torch.tensor([1]), 2.0))
        hooked = net(z)
        handle.remove()
        assert torch.allclose(cut.tail(edited), hooked, rtol=0, atol=1e-4)
        assert not torch.allclose(hooked, net(z), atol=1e-2)


def test_weights_that_are_computed_are_convolved() -> None:
    net = Style()
    made = generator(exported(net, torch.randn(1, Z), names=("latent",), free=False))
    z = latents(1, 0, 3, (Z,))
    assert made.images_per_pass == 1
    reference = torch.cat([net(one) for one in z.split(1)])
    assert torch.allclose(made.images(z), reference, rtol=0, atol=1e-4)
    usual = [layer for layer in made.layers if not layer.extra]
    assert [(layer.units, layer.height) for layer in usual] == [(6, 4), (5, 8)]  # swish and leaky ReLU
    cut = made.cut(z, usual[0].name)
    handle = net.conv1.register_forward_hook(lambda _m, _g, r: torch.zeros_like(r))
    hooked = torch.cat([net(one) for one in z.split(1)])
    handle.remove()
    assert torch.allclose(cut.tail(torch.zeros_like(cut.r)), hooked, rtol=0, atol=1e-4)


def test_another_runtime_gives_the_same_pictures(tutorial: bytes, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    file = tmp_path / "g.onnx"
    file.write_bytes(tutorial)
    compiled = openvino.compile_model(file, "CPU")
    z = latents(2, 0, 2, (Z, 1, 1))
    reference = torch.from_numpy(np.array(compiled([z.numpy()])[0]))
    assert torch.allclose(generator(tutorial).images(z), reference, rtol=0, atol=1e-4)


def test_classes_are_counted_where_they_are_looked_up() -> None:
    net = Conditional()
    made = generator(exported(net, torch.randn(2, Z), torch.tensor([0, 1]), names=("z", "y")))
    assert made.classes == 7
    z = latents(1, 0, 2, (Z,))
    both = torch.cat([z, torch.tensor([[-9.0], [9.0]])], 1)  # the first class, and the last
    assert torch.allclose(made.images(both), net(z, torch.tensor([0, 6])), rtol=0, atol=1e-4)


def test_another_graph_of_the_same_weights_is_another_generator(tutorial: bytes) -> None:
    other = nn.Sequential(*dcgan()[:-1], nn.Sigmoid())
    changed = generator(exported(other, torch.randn(2, Z, 1, 1)), range="0,1")
    assert changed.weights_sha256 != generator(tutorial).weights_sha256
    assert changed.images(latents(1, 0, 1, (Z, 1, 1))).min() < 0


def edited(change: Callable[[Any], None], content: bytes) -> bytes:
    model = onnx.load_model_from_string(content)
    change(model)
    return bytes(model.SerializeToString())


def external(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def huge(model: Any) -> None:
    model.graph.initializer[0].dims[:] = [1 << 20, 1 << 20]


def negative(model: Any) -> None:
    model.graph.initializer[0].dims[:] = [-4, 6, 4, 4]


def foreign(model: Any) -> None:
    model.graph.node[0].domain = "com.evil"


def noisy(model: Any) -> None:
    model.graph.node[1].op_type = "RandomNormalLike"


def branch(model: Any) -> None:
    attribute = model.graph.node[0].attribute.add(name="then_branch", type=onnx.AttributeProto.GRAPH)
    attribute.g.name = "inner"


def unknown(model: Any) -> None:
    model.graph.node[1].op_type = "Nonsense"


def more(model: Any) -> None:
    kind = onnx.TensorProto.INT64
    model.graph.input.add().CopyFrom(onnx.helper.make_tensor_value_info("steps", kind, []))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (external, "keeps its weights in other files"),
        (huge, "declares a tensor of 1,099,511,627,776 values and holds"),
        (negative, "tensors of negative size"),
        (foreign, "is of the domain 'com.evil', whose code is not here"),
        (noisy, r"draws noise of its own \(RandomNormalLike\)"),
        (branch, r"has a graph of its own \(a branch or a loop\)"),
        (unknown, r"cannot be converted \(.*Nonsense"),
        (more, "has a further input 'steps', which is neither latent, class nor noise"),
    ],
)
def test_what_cannot_be_run_is_one_sentence(
    tutorial: bytes, change: Callable[[Any], None], said: str
) -> None:
    with pytest.raises(GanatomyError, match=said) as caught:
        generator(edited(change, tutorial))
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\x08\x07", b"\x08\x07:\xff\xff\xff\xff\x0f", b"\xff" * 64])
def test_damaged_bytes_are_one_sentence(content: bytes) -> None:
    with pytest.raises(GanatomyError, match=r"(damaged|has 0 nodes).*\."):
        onnx_graph.build(state(content or b"\x00"), {}, Inputs())


def test_names_of_a_graph_never_become_code(tutorial: bytes, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    code = f'x");open({str(mark)!r},"w");("'

    def hostile(model: Any) -> None:
        old = [value for node in model.graph.node for value in node.output if value != "image"]
        renamed = {value: f"{code}{number}" for number, value in enumerate(old)} | {"z": f"z = {code}"}
        model.graph.input[0].name = renamed["z"]
        for number, node in enumerate(model.graph.node):
            node.name = f"{code}{number}"
            node.input[:] = [renamed.get(value, value) for value in node.input]
            node.output[:] = [renamed.get(value, value) for value in node.output]

    made = generator(edited(hostile, tutorial))
    z = latents(1, 0, 2, (Z, 1, 1))
    assert torch.allclose(made.images(z), dcgan()(z), rtol=0, atol=1e-4)
    assert not mark.exists()
    for layer in made.layers:
        assert set(layer.name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


@pytest.mark.real_process  # a fork of a process in which other runtimes have threads waits for them
def test_a_file_is_added_and_loaded_again(tutorial: bytes, tmp_path: Path) -> None:
    file = tmp_path / "dcgan.onnx"
    file.write_bytes(tutorial)
    info = generators.add("mine", None, file, tmp_path / "models")
    assert (info.family, info.latent_shape, info.image_size) == ("onnx", (Z, 1, 1), (16, 16))
    z = latents(1, 0, 2, (Z, 1, 1))
    again = generators.load("mine", tmp_path / "models")
    assert torch.allclose(again.images(z), dcgan()(z), rtol=0, atol=1e-4)


def bomb(operator: str) -> bytes:
    """A few bytes that ask for 2**40 values."""
    helper, kinds = onnx.helper, onnx.TensorProto
    sizes = onnx.numpy_helper.from_array(np.array([1 << 20, 1 << 20], np.int64), "sizes")
    one = onnx.numpy_helper.from_array(np.ones((1, 1), np.float32), "one")
    zero = onnx.numpy_helper.from_array(np.array(0.0, np.float32), "zero")
    much = onnx.numpy_helper.from_array(np.array(2.0**40, np.float32), "much")
    delta = onnx.numpy_helper.from_array(np.array(1.0, np.float32), "delta")
    given = {
        "ConstantOfShape": ["sizes"],
        "Expand": ["one", "sizes"],
        "Tile": ["one", "sizes"],
        "Range": ["zero", "much", "delta"],
    }[operator]
    nodes = [
        helper.make_node(operator, given, ["large"]),
        helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0),
        helper.make_node("Mul", ["z", "sum"], ["image"]),
    ]
    z, image = (helper.make_tensor_value_info(name, kinds.FLOAT, [1, 3, 8, 8]) for name in ("z", "image"))
    graph = helper.make_graph(nodes, "bomb", [z], [image], [sizes, one, zero, much, delta])
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString())


@pytest.mark.slow
@pytest.mark.real_process
@pytest.mark.parametrize("operator", ["ConstantOfShape", "Expand", "Tile", "Range"])
def test_a_bomb_is_refused_within_the_limits(operator: str, tmp_path: Path) -> None:
    file = tmp_path / "bomb.onnx"
    file.write_bytes(bomb(operator))
    with pytest.raises(GanatomyError, match=r"needs more (than .* of )?memory") as caught:
        generators.add("mine", None, file, tmp_path / "models")
    assert len(str(caught.value).splitlines()) == 1
    assert not list((tmp_path / "models").rglob("*.json"))
