"""Reading OpenVINO models: the constants of a graph that OpenVINO wrote, and files that must be refused."""

from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
from openvino import opset13 as ops

from analysis.models.files.openvino_ir import read_constants
from analysis.shared.errors import GanatomyError

WEIGHT = np.arange(12, dtype=np.float32).reshape(3, 4) / 7


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    """A graph of x W + b, as OpenVINO saves it."""
    x = ops.parameter([1, 3], np.float32, name="x")
    weight, bias = ops.constant(WEIGHT, name="weight"), ops.constant(np.float32([[1, 2, 3, 4]]), name="bias")
    shape = ops.constant(np.int64([4]), name="shape")
    y = ops.reshape(ops.add(ops.matmul(x, weight, False, False), bias), shape, False)
    path = tmp_path / "net.xml"
    openvino.save_model(openvino.Model([y], [x], "net"), str(path), compress_to_fp16=False)
    return path


def test_constants_are_read_by_name(graph: Path) -> None:
    state = read_constants(graph)
    assert list(state) == ["weight", "bias", "shape"]
    assert torch.equal(state["weight"], torch.from_numpy(WEIGHT))
    assert state["bias"].tolist() == [[1, 2, 3, 4]]
    assert state["shape"].dtype == torch.int64


ENTITIES = '<?xml version="1.0"?><!DOCTYPE net [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('<?xml version="1.0"?>', ENTITIES, "declares entities"),
        ('<?xml version="1.0"?>', '<!DOCTYPE net SYSTEM "/etc/hostname">', "declares entities"),
        ("</net>", "", "no XML"),
        ('offset="0"', 'offset="1000000"', "lies outside"),
        ('offset="0"', 'offset="-8"', "lies outside"),
        ('offset="0"', 'offset="x"', "cannot be read"),
        ('shape="3, 4"', 'shape="3, 5"', "not that of its shape"),
        ('shape="3, 4"', 'shape="-3, -4"', "impossible shape"),
        ('element_type="f32"', 'element_type="object"', "unknown type 'object'"),
        ('name="bias"', 'name="weight"', "one constant too many"),
    ],
)
def test_damaged_graphs_are_refused(graph: Path, old: str, new: str, words: str) -> None:
    text = graph.read_text()
    assert old in text
    graph.write_text(text.replace(old, new))
    with pytest.raises(GanatomyError, match=words) as caught:
        read_constants(graph)
    assert "\n" not in str(caught.value)


def test_few_bytes_cannot_become_a_large_state(graph: Path) -> None:
    graph.with_suffix(".bin").write_bytes(bytes(1 << 20))
    whole = f'<data element_type="u8" shape="{1 << 20}" offset="0" size="{1 << 20}"/>'
    many = "".join(f'<layer id="9" name="c{i}" type="Const">{whole}</layer>' for i in range(5000))
    graph.write_text(f"<net><layers>{many}</layers></net>")
    with pytest.raises(GanatomyError, match="larger than its numbers"):
        read_constants(graph)


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_a_missing_half_is_named(graph: Path, suffix: str) -> None:
    graph.with_suffix(suffix).unlink()
    with pytest.raises(GanatomyError, match=f"no file .*net{suffix}"):
        read_constants(graph)
