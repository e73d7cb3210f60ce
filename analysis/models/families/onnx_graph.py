"""Generators as ONNX files: each node of the graph is a possible layer. No code of the file runs.

The converter is onnx2torch (extra `ganatomy[onnx]`). Before it sees a graph, every name in it is replaced,
because names end up in the program that torch.fx writes; the layers have the file's names.
"""

from __future__ import annotations

import hashlib
import math
import re
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from analysis.models.checkpoints import State
from analysis.models.choice import Choice
from analysis.models.families import onnx_convolutions
from analysis.models.families.family import Config, Family, Parts
from analysis.models.families.onnx_convolutions import OWN_DOMAIN
from analysis.models.files.formats import ONNX_KEY
from analysis.models.inputs import Inputs
from analysis.shared.errors import GanatomyError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

LATENTS = ("z", "latent", "latents", "latent_vector", "code", "noise", "input", "x")
CLASSES = ("y", "class", "classes", "class_id", "label", "labels", "c", "class_label")
MOST_NODES, MOST_LAYERS, SMALLEST = 20_000, 300, 16
NONLINEARITIES = {
    "Relu",
    "LeakyRelu",
    "PRelu",
    "Elu",
    "Selu",
    "Celu",
    "Gelu",
    "Softplus",
    "HardSwish",
    "Mish",
}
RANDOM = {
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Multinomial",
    "Bernoulli",
}
OPSETS = (17, 13)  # tried where an operator is newer than the converter knows
RANGE = Choice("range", "the values that stand for black and white", ("-1,1", "0,1", "0,255"), "-1,1")
LAW = Choice(
    "latents", "the law of the latents in training", ("normal", "uniform", "sphere", "truncated:2"), "normal"
)


class Given(NamedTuple):
    """An input of the graph: its name, shape (None where it is free), and torch's type."""

    name: str
    shape: tuple[int | None, ...]
    dtype: torch.dtype


def recognises(state: State) -> bool:
    """Whether these are the bytes of an ONNX file."""
    return set(state) == {ONNX_KEY} and state[ONNX_KEY].dtype == torch.uint8 and state[ONNX_KEY].ndim == 1


def build(state: State, config: Config, _inputs: Inputs) -> Parts:
    """The generator of an ONNX file's bytes.

    Raises:
        GanatomyError: onnx2torch is not installed; or the graph holds what cannot be run here, or is no
            generator.
    """
    content = state[ONNX_KEY].cpu().numpy().tobytes()
    graph = _checked(content)
    names, operators = _layer_names(graph), [node.op_type for node in graph.graph.node]
    swish = _swishes(graph.graph)
    given = _inputs_of(graph)
    plain = _renamed(graph)
    notes, module = _converted(plain)
    latent, label, fixed = _roles(given)
    classes = None if label is None else _class_count(plain, given.index(label), label)
    whole = OnnxGenerator(module, content, given, latent, label, classes, fixed)
    if fixed:
        listed = ", ".join(f"'{each.name}'" for each in fixed)
        notes.append(f"The inputs {listed} are held at fixed noise.")
    shape = tuple(int(size) for size in latent.shape[1:] if size is not None)
    shapes, single = _tried(whole, shape, classes, len(operators))
    usual: dict[str, str] = {}
    extra: dict[str, str] = {}
    for number, (name, operator) in enumerate(zip(names, operators, strict=True)):
        units, height, width = shapes.get(number, (0, 0, 0))
        if units <= 3:  # no map, or an image
            continue
        chosen = operator in NONLINEARITIES or number in swish
        (usual if chosen and height * width >= SMALLEST else extra)[name] = f"graph.n{number}"
    if not usual:
        usual = {
            name: path
            for name, path in extra.items()
            if "Conv" in operators[int(path.removeprefix("graph.n"))]
        }
    if not usual and not extra:
        raise GanatomyError(
            "No node of the ONNX graph returns maps (images, units, height, width); it is no convolutional "
            "generator."
        )
    extra = {name: path for name, path in list(extra.items())[:MOST_LAYERS] if name not in usual}
    low, high = (float(value) for value in RANGE.answer(config).split(","))
    return Parts(
        whole.eval(),
        usual or extra,
        shape,
        extra_layers=extra if usual else {},
        classes=classes,
        output_range=(low, high),
        latent_law=LAW.answer(config),
        images_per_pass=1 if single else None,
        notes=tuple(notes),
    )


class OnnxGenerator(nn.Module):
    """A converted graph, called with latents (N, ...) and, where it has classes, class numbers (N,)."""

    def __init__(
        self,
        graph: nn.Module,
        content: bytes,
        given: list[Given],
        latent: Given,
        label: Given | None,
        classes: int | None,
        fixed: list[Given],
    ) -> None:
        super().__init__()
        self.graph = graph
        # The same weights in another graph are another generator.
        digest = bytearray(hashlib.sha256(content).digest())
        self.register_buffer("onnx_sha256", torch.frombuffer(digest, dtype=torch.uint8).clone())
        self._given, self._latent, self._label, self._classes = given, latent, label, classes
        random = torch.Generator().manual_seed(0)
        for each in fixed:
            size = [1 if number == 0 or size is None else size for number, size in enumerate(each.shape)]
            noise = torch.randn(size, generator=random).to(each.dtype)
            self.register_buffer(f"noise{given.index(each)}", noise)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Any:
        """What the graph returns."""
        return self.graph(*(self._value(number, each, z, y) for number, each in enumerate(self._given)))

    def _value(self, number: int, each: Given, z: Tensor, y: Tensor | None) -> Tensor:
        if each is self._latent:
            return z.to(each.dtype)
        if each is self._label:
            assert y is not None
            assert self._classes is not None
            if each.dtype.is_floating_point:
                return functional.one_hot(y, self._classes).to(each.dtype)
            return y.to(each.dtype).reshape(-1, *(1 for _ in each.shape[1:]))
        noise: Tensor = getattr(self, f"noise{number}")
        return noise.expand(len(z), *noise.shape[1:])


def _onnx() -> Any:
    try:
        import_module("onnx2torch")
        return import_module("onnx")
    except ImportError as error:
        raise GanatomyError(
            "ONNX files need the packages onnx and onnx2torch; run pip install 'ganatomy[onnx]'."
        ) from error


def _checked(content: bytes) -> ModelProto:
    """The model of an ONNX file, of which only the graph is kept.

    Raises:
        GanatomyError: it cannot be parsed, or it holds external data, functions, control flow, operators of
            other domains, noise, or tensors that are not in the file as declared.
    """
    onnx = _onnx()
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # protobuf's own types of errors differ between its implementations
        raise GanatomyError("The ONNX file is cut short or damaged; copy or export it again.") from error
    graph = model.graph
    if not graph.node or len(graph.node) > MOST_NODES:
        raise GanatomyError(f"The ONNX graph has {len(graph.node)} nodes; 1 to {MOST_NODES} can be read.")
    if model.functions or graph.sparse_initializer or graph.quantization_annotation:
        raise GanatomyError(
            "The ONNX file holds functions, sparse or quantized tensors, which are not read; export it "
            "without."
        )
    for tensor in graph.initializer:
        _check_tensor(onnx, tensor)
    for node in graph.node:
        _check_node(onnx, node)
    kept: ModelProto = onnx.helper.make_model(
        graph, opset_imports=[each for each in model.opset_import if each.domain in ("", "ai.onnx")]
    )
    kept.ir_version = model.ir_version
    return kept


def _check_node(onnx: Any, node: NodeProto) -> None:
    if node.domain not in ("", "ai.onnx"):
        raise GanatomyError(
            f"The ONNX operator {node.op_type[:60]!r} is of the domain {node.domain[:60]!r}, whose code is "
            "not here; export the generator with standard operators only."
        )
    if node.op_type in RANDOM:
        raise GanatomyError(
            f"The ONNX graph draws noise of its own ({node.op_type}); export it with fixed noise, or with "
            "noise as an input."
        )
    for attribute in node.attribute:
        if attribute.HasField("g") or attribute.graphs:
            raise GanatomyError(
                f"The ONNX operator {node.op_type[:60]!r} has a graph of its own (a branch or a loop); "
                "export the generator for one fixed path."
            )
        if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
            raise GanatomyError("The ONNX file holds sparse tensors, which are not read; export it without.")
        for tensor in [attribute.t] if attribute.HasField("t") else attribute.tensors:
            _check_tensor(onnx, tensor)


def _check_tensor(onnx: Any, tensor: TensorProto) -> None:
    """Refuse a tensor whose values are elsewhere, or are fewer than declared."""
    kinds = onnx.TensorProto
    if tensor.data_location == kinds.EXTERNAL or tensor.external_data:
        raise GanatomyError(
            "The ONNX file keeps its weights in other files; save it as one, with "
            "onnx.save_model(model, path, save_as_external_data=False)."
        )
    try:
        dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    except (KeyError, TypeError, ValueError) as error:
        raise GanatomyError("The ONNX file holds a tensor of an unknown type; export it again.") from error
    if tensor.data_type == kinds.STRING or any(size < 0 for size in tensor.dims):
        raise GanatomyError("The ONNX file holds texts or tensors of negative size; it is no generator.")
    count = math.prod(tensor.dims)
    held = len(tensor.raw_data) // max(1, dtype.itemsize)
    if not tensor.HasField("raw_data"):
        held = max(
            len(tensor.float_data),
            len(tensor.int32_data),
            len(tensor.int64_data),
            len(tensor.double_data),
            len(tensor.uint64_data),
        )
    if count > held:
        raise GanatomyError(
            f"The ONNX file declares a tensor of {count:,} values and holds {held:,} of them; it is damaged."
        )


def _layer_names(model: ModelProto) -> list[str]:
    """A name for each node, from its own: letters, digits, _ . and -, each once."""
    found: dict[str, None] = {}
    for number, node in enumerate(model.graph.node):
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", node.name.strip("/").replace("/", "."))[:100]
        name = re.sub(r"^[^A-Za-z0-9_]+", "", name) or f"{node.op_type.lower()}{number}"
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)
        found[name if name not in found else f"{name}_{number}"] = None
    return list(found)


def _swishes(graph: GraphProto) -> set[int]:
    """The numbers of the products x * sigmoid(x), a nonlinearity of two nodes; and of clipped ReLUs."""
    gates = {
        node.output[0]: node.input[0] for node in graph.node if node.op_type in ("Sigmoid", "HardSigmoid")
    }
    found = set()
    for number, node in enumerate(graph.node):
        if node.op_type == "Mul":
            one, two = node.input[:2]
            if gates.get(one) == two or gates.get(two) == one:
                found.add(number)
    return found


def _inputs_of(model: ModelProto) -> list[Given]:
    onnx = _onnx()
    known = {tensor.name for tensor in model.graph.initializer}
    found = []
    for value in model.graph.input:
        if value.name in known:
            continue
        kind = value.type.tensor_type
        try:
            dtype = torch.from_numpy(
                np.empty(0, np.dtype(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)))
            ).dtype
        except (KeyError, TypeError, ValueError) as error:
            raise GanatomyError("An input of the ONNX graph has no known type; export it again.") from error
        found.append(Given(value.name[:60], _shape(value), dtype))
    return found


def _shape(value: ValueInfoProto) -> tuple[int | None, ...]:
    sizes = value.type.tensor_type.shape.dim
    return tuple(size.dim_value if size.HasField("dim_value") else None for size in sizes)


def _roles(given: list[Given]) -> tuple[Given, Given | None, list[Given]]:
    """Which input is the latent, which the class, and which are held at fixed noise.

    Raises:
        GanatomyError: there is no latent, or an input that is nothing of these.
    """
    real = [each for each in given if each.dtype.is_floating_point and len(each.shape) >= 2]
    named = {each.name.lower(): each for each in real}
    latent = next((named[name] for name in LATENTS if name in named), None)
    latent = latent or (real[0] if len(real) == 1 else next((r for r in real if len(r.shape) == 2), None))
    label = next((each for each in given if each is not latent and each.name.lower() in CLASSES), None)
    fixed = [each for each in given if each is not latent and each is not label]
    if latent is None:
        listed = ", ".join(f"'{each.name}'" for each in given) or "none"
        raise GanatomyError(f"The ONNX graph has no input that is a latent (its inputs: {listed}).")
    if None in latent.shape[1:] or math.prod(size or 1 for size in latent.shape[1:]) > 1_000_000:
        raise GanatomyError(
            f"The latent '{latent.name}' of the ONNX graph has no fixed shape; export it with only the batch "
            "free."
        )
    for each in fixed:
        large = math.prod(size or 1 for size in each.shape) > 10_000_000
        if not each.dtype.is_floating_point or len(each.shape) < 2 or None in each.shape[1:] or large:
            raise GanatomyError(
                f"The ONNX graph has a further input '{each.name}', which is neither latent, class nor "
                "noise; export the generator with that input fixed."
            )
    return latent, label, fixed


def _class_count(model: ModelProto, number: int, label: Given) -> int:
    """How many classes the class input knows: the width of a one-hot one, else the rows it looks up."""
    if label.dtype.is_floating_point:
        if len(label.shape) == 2 and label.shape[1]:
            return label.shape[1]
    else:
        rows = {tensor.name: tensor.dims for tensor in model.graph.initializer}
        same = {f"i{number}"}
        for node in model.graph.node:
            if node.op_type in ("Cast", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Flatten"):
                same |= set(node.output) if node.input[0] in same else set()
            if node.op_type == "Gather" and node.input[1] in same and len(rows.get(node.input[0], ())) == 2:
                return int(rows[node.input[0]][0])
    raise GanatomyError(
        f"The class input '{label.name}' of the ONNX graph does not say how many classes there are; export "
        "the generator with a one-hot class, or for one class."
    )


def _renamed(model: ModelProto) -> ModelProto:
    """The same graph under plain names: inputs i0, i1, ..., nodes n0, n1, ..., values v0, v1, ...

    A converted graph is a program, and names such as 'x");import os' must not become part of it.
    """
    onnx = _onnx()
    graph = onnx.GraphProto(name="graph")
    names: dict[str, str] = {"": ""}
    known = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in known]
    for number, value in enumerate(inputs):
        names[value.name] = f"i{number}"
        graph.input.add().CopyFrom(value)
        graph.input[-1].name = names[value.name]
    for tensor in model.graph.initializer:
        names.setdefault(tensor.name, f"w{len(names)}")
        graph.initializer.add().CopyFrom(tensor)
        graph.initializer[-1].name = names[tensor.name]
    for number, node in enumerate(model.graph.node):
        copy = graph.node.add()
        copy.CopyFrom(node)
        copy.name, copy.doc_string = f"n{number}", ""
        copy.input[:] = [names.setdefault(value, f"v{len(names)}") for value in node.input]
        copy.output[:] = [names.setdefault(value, f"v{len(names)}") for value in node.output]
        if onnx_convolutions.is_own(node, computed=node.input[1:2] != [] and node.input[1] not in known):
            copy.domain = OWN_DOMAIN
    for value in model.graph.output:
        graph.output.add().CopyFrom(value)
        graph.output[-1].name = names.setdefault(value.name, f"v{len(names)}")
    versions = [*model.opset_import, onnx.helper.make_opsetid(OWN_DOMAIN, 1)]
    renamed: ModelProto = onnx.helper.make_model(graph, opset_imports=versions)
    renamed.ir_version = model.ir_version
    return renamed


def _converted(model: ModelProto) -> tuple[list[str], nn.Module]:
    """What the converter warns of, and the module.

    Raises:
        GanatomyError: it does not know an operator, or cannot read the graph.
    """
    onnx, convert = _onnx(), import_module("onnx2torch").convert
    onnx_convolutions.register()
    failed: Exception | None = None
    for opset in (None, *OPSETS):
        try:
            tried = model if opset is None else onnx.version_converter.convert_version(model, opset)
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                module: nn.Module = convert(tried)
        except Exception as error:  # the converter's own errors are of many types
            failed = failed or error
            continue
        notes = [str(warning.message).splitlines()[0][:200] for warning in said]
        return list(dict.fromkeys(note for note in notes if "nearest" in note.lower())), module
    reason = (str(failed).splitlines() or [""])[0][:160]
    raise GanatomyError(
        f"The ONNX graph cannot be converted ({type(failed).__name__}: {reason}); export it with opset 17 "
        "and standard operators."
    ) from failed


def _tried(
    module: OnnxGenerator, shape: tuple[int, ...], classes: int | None, nodes: int
) -> tuple[dict[int, tuple[int, int, int]], bool]:
    """Units, height and width of the maps that nodes return, by number; and whether it makes one image only.

    Raises:
        GanatomyError: it does not run on one latent.
    """
    found: dict[int, tuple[int, int, int]] = {}
    hooks = []
    for number in range(nodes):
        node = getattr(module.graph, f"n{number}", None)
        if node is not None:

            def kept(_module: nn.Module, _given: Any, output: Any, number: int = number) -> None:
                real = isinstance(output, Tensor) and output.is_floating_point()
                if real and output.ndim == 4 and len(output) == 1:
                    found[number] = (output.shape[1], output.shape[2], output.shape[3])

            hooks.append(node.register_forward_hook(kept))
    random = torch.Generator().manual_seed(0)
    z = torch.randn((2, *shape), generator=random)
    y = [torch.zeros(2, dtype=torch.int64)] if classes is not None else []
    module.eval()
    try:
        with torch.no_grad():
            one = module(z[:1], *(each[:1] for each in y))
    except Exception as error:  # the graph is anybody's
        if isinstance(error, MemoryError) or "alloc" in str(error):
            raise GanatomyError(
                "The ONNX graph needs more memory for one image than is allowed; it is damaged or made to do "
                "harm, or needs a higher limit."
            ) from error
        reason = (str(error).splitlines() or [""])[0][:160]
        raise GanatomyError(
            f"The ONNX graph does not run on one latent of shape {shape} ({type(error).__name__}: {reason}); "
            "export it for a batch of one, or with a free batch."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    return found, not _takes_two(module, z, y, one)


def _takes_two(module: OnnxGenerator, z: Tensor, y: list[Tensor], one: object) -> bool:
    """Whether a batch of two gives two images, the first of which is that of its latent alone."""
    try:
        with torch.no_grad():
            two = module(z, *y)
    except Exception:
        return False
    pairs = list(zip(_all(two), _all(one), strict=False))
    return all(len(a) == 2 * len(b) and torch.allclose(a[:1], b, atol=1e-3) for a, b in pairs)


def _all(output: object) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, tuple | list):
        for part in output:
            yield from _all(part)


FAMILY = Family("ONNX graph", recognises=recognises, build=build, choices=(RANGE, LAW))
