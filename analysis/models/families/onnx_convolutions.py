"""Convolutions of ONNX graphs that onnx2torch has no module for: any padding, and any weights.

The converter knows weights that are in the file, with given padding, which is even if transposed. Graphs of
StyleGAN2 compute their weights; those of TensorFlow pad by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn import functional

from analysis.shared.errors import GanatomyError

if TYPE_CHECKING:
    from onnx import NodeProto

OWN_DOMAIN = "ganatomy"  # of the nodes that `OnnxConvolution` stands for
OPERATORS = ("Conv", "ConvTranspose")


def is_own(node: NodeProto, computed: bool) -> bool:
    """Whether a node of a graph needs `OnnxConvolution`; `computed` says that its weights are no tensor."""
    if node.op_type not in OPERATORS or len(node.input) < 2:
        return False
    given = {attribute.name: attribute for attribute in node.attribute}
    pads = list(given["pads"].ints) if "pads" in given else []
    uneven = pads[: len(pads) // 2] != pads[len(pads) // 2 :]
    own = "auto_pad" in given and given["auto_pad"].s not in (b"NOTSET", b"VALID")
    transposed = node.op_type == "ConvTranspose" and (uneven or "output_shape" in given)
    return computed or own or transposed


class OnnxConvolution(nn.Module):
    """A convolution of maps (N, units, h, w) with weights that it is given, as ONNX defines it.

    Raises:
        GanatomyError: it is over other than two axes.
    """

    def __init__(self, transposed: bool, attributes: dict[str, Any]) -> None:
        super().__init__()
        self.transposed = transposed
        self.auto_pad = str(attributes.get("auto_pad", "NOTSET"))
        self.pads = [int(pad) for pad in attributes.get("pads", (0, 0, 0, 0))]
        self.stride = [int(step) for step in attributes.get("strides", (1, 1))]
        self.dilation = [int(step) for step in attributes.get("dilations", (1, 1))]
        self.more = [int(size) for size in attributes.get("output_padding", (0, 0))]
        self.wanted = [int(size) for size in attributes.get("output_shape", ())][-2:]
        self.groups = int(attributes.get("group", 1))
        if {len(self.pads), 2 * len(self.stride), 2 * len(self.dilation), 2 * len(self.more)} != {4}:
            raise GanatomyError("a convolution over other than two axes, with weights or padding of its own")

    def forward(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """The convolved maps."""
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilation, weight.shape[2:], strict=True)]
        if not self.transposed:
            before, after = self._before_and_after(self._wide(x.shape[2:], reach))
            x = functional.pad(x, (before[1], after[1], before[0], after[0]))
            return functional.conv2d(x, weight, bias, self.stride, 0, self.dilation, self.groups)
        # Padding takes lines away here, and may take other numbers of them at either end, or add some.
        full = functional.conv_transpose2d(x, weight, None, self.stride, 0, 0, self.groups, self.dilation)
        before, after = self._before_and_after(self._long(x.shape[2:], reach))
        ends = [m - a for m, a in zip(self.more, after, strict=True)]
        cut = functional.pad(full, (-before[1], ends[1], -before[0], ends[0]))
        return cut if bias is None else cut + bias.view(-1, 1, 1)

    def _wide(self, size: Sequence[int], reach: Sequence[int]) -> list[int]:
        """The lines that a convolution adds so that there are as many places as strides."""
        places = [-(-n // step) for n, step in zip(size, self.stride, strict=True)]
        whole = zip(places, self.stride, reach, size, strict=True)
        return [max(0, (places - 1) * step + r - n) for places, step, r, n in whole]

    def _long(self, size: Sequence[int], reach: Sequence[int]) -> list[int]:
        """The lines that a transposed convolution takes away to come to its size."""
        wanted = self.wanted or [n * step for n, step in zip(size, self.stride, strict=True)]
        whole = zip(size, self.stride, reach, self.more, wanted, strict=True)
        return [step * (n - 1) + more + r - out for n, step, r, more, out in whole]

    def _before_and_after(self, total: Sequence[int]) -> tuple[list[int], list[int]]:
        """How many lines of the padding are at the beginning and the end of each axis."""
        if self.auto_pad == "VALID":
            return [0, 0], [0, 0]
        if self.auto_pad == "NOTSET" and not self.wanted:
            return self.pads[:2], self.pads[2:]
        less, rest = [n // 2 for n in total], [n - n // 2 for n in total]
        return (less, rest) if self.auto_pad == "SAME_UPPER" else (rest, less)


def register() -> None:
    """Tell the converter of these nodes, once."""
    registry = import_module("onnx2torch.node_converters.registry")
    common = import_module("onnx2torch.utils.common")
    if registry.OperationDescription(OWN_DOMAIN, "Conv", 1) in registry._CONVERTER_REGISTRY:
        return
    for operator in OPERATORS:

        @registry.add_converter(operation_type=operator, version=1, domain=OWN_DOMAIN)
        def converted(node: Any, graph: Any, transposed: bool = operator == "ConvTranspose") -> Any:
            return common.OperationConverterResult(
                torch_module=OnnxConvolution(transposed, dict(node.attributes)),
                onnx_mapping=common.onnx_mapping_from_node(node),
            )
