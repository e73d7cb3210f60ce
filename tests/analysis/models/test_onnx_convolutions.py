"""Convolutions that the converter does not know, held against the reference of the onnx package."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnx2torch")

from onnx.reference import ReferenceEvaluator  # noqa: E402

from analysis.models.families import onnx_graph  # noqa: E402
from analysis.models.families.onnx_convolutions import OnnxConvolution, is_own  # noqa: E402
from analysis.shared.errors import GanatomyError  # noqa: E402

CONV: list[dict[str, Any]] = [
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
    {"auto_pad": "SAME_UPPER", "strides": [1, 2], "dilations": [2, 1]},
    {"auto_pad": "VALID"},
    {"pads": [2, 0, 1, 3], "strides": [2, 1]},
    {"pads": [1, 1, 1, 1], "group": 2},
]
TRANSPOSED: list[dict[str, Any]] = [
    {"pads": [0, 1, 2, 0], "strides": [2, 2]},
    {"pads": [1, 1, 0, 0], "strides": [2, 2], "output_padding": [1, 1]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
    {"pads": [0, 0, 1, 1], "dilations": [2, 1]},
]


def node(operator: str, attributes: dict[str, Any]) -> Any:
    return onnx.helper.make_node(operator, ["x", "w", "b"], ["y"], **attributes)


def file_of(operator: str, attributes: dict[str, Any], weight: np.ndarray, bias: np.ndarray) -> Any:
    """A model whose weights are in the file."""
    real = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [node(operator, attributes)],
        "one",
        [onnx.helper.make_tensor_value_info("x", real, ["n", 4, 7, 6])],
        [onnx.helper.make_tensor_value_info("y", real, None)],
        [onnx.numpy_helper.from_array(weight, "w"), onnx.numpy_helper.from_array(bias, "b")],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def values(attributes: dict[str, Any], operator: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    groups = attributes.get("group", 1)
    first, second = (6, 4 // groups) if operator == "Conv" else (4, 6 // groups)
    x, weight = random.normal(size=(2, 4, 7, 6)), random.normal(size=(first, second, 3, 4))
    return tuple(each.astype(np.float32) for each in (x, weight, random.normal(size=6)))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [*(("Conv", each) for each in CONV), *(("ConvTranspose", each) for each in TRANSPOSED)],
    ids=str,
)
def test_it_is_the_operator_of_the_standard(operator: str, attributes: dict[str, Any]) -> None:
    x, weight, bias = values(attributes, operator)
    model = file_of(operator, attributes, weight, bias)
    (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
    module = OnnxConvolution(operator == "ConvTranspose", attributes)
    found = module(*(torch.from_numpy(each) for each in (x, weight, bias)))
    assert found.shape == wanted.shape
    assert np.allclose(found.numpy(), wanted, atol=1e-4)


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("Conv", CONV[0]),
        ("ConvTranspose", TRANSPOSED[0]),
        ("ConvTranspose", TRANSPOSED[1]),
        ("ConvTranspose", {"output_shape": [15, 13], "strides": [2, 2]}),
    ],
)
def test_a_graph_with_weights_in_its_file_is_converted(operator: str, attributes: dict[str, Any]) -> None:
    x, weight, bias = values(attributes, operator)
    model = file_of(operator, attributes, weight, bias)
    assert is_own(model.graph.node[0], computed=False)
    _notes, module = onnx_graph._converted(onnx_graph._renamed(model))
    found = module(torch.from_numpy(x)).detach().numpy()
    if "output_shape" in attributes:
        assert list(found.shape[2:]) == attributes["output_shape"]
    else:
        (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
        assert np.allclose(found, wanted, atol=1e-4)


def test_usual_convolutions_stay_the_converter_s() -> None:
    for attributes in ({}, {"pads": [1, 1, 1, 1]}, {"auto_pad": "VALID"}):
        for operator in ("Conv", "ConvTranspose"):
            assert not is_own(node(operator, attributes), computed=False)
            assert is_own(node(operator, attributes), computed=True)


def test_other_than_two_axes_is_one_sentence() -> None:
    with pytest.raises(GanatomyError, match="other than two axes"):
        OnnxConvolution(False, {"pads": [1, 1], "strides": [1]})
