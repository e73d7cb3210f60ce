"""The DCGAN (Radford et al. 2016) in its many variants: a chain of transposed convolutions.

The chain is read from the weights: its order from the numbers in the names, its widths and kernels from the
shapes, biases and batch norms from what there is. What a file cannot tell is asked (`CHOICES`), or taken as
the tutorial has it and said in a note: the first kernel is laid on one point (stride 1, padding 0), and an
even kernel k doubles the grid (stride 2, padding k/2 - 1).
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from torch import Tensor, nn

from analysis.models.checkpoints import State, load_state
from analysis.models.families.family import Choice, Config, Family, Parts
from analysis.models.reparametrizations import plain_weights
from analysis.shared.errors import GanatomyError

LARGEST = 2048  # pixels a side
DIGITS = re.compile("[0-9]{1,9}")
IMAGE_CHANNELS = (1, 3, 4)  # a chain that ends in red, green, blue and alpha is one too; it is refused later
NORM = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu_0.2": lambda: nn.LeakyReLU(0.2),
    "leaky_relu_0.1": lambda: nn.LeakyReLU(0.1),
    "leaky_relu_0.01": lambda: nn.LeakyReLU(0.01),
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}
ACTIVATION = Choice(
    "activation", "the nonlinearity after every layer but the last", tuple(ACTIVATIONS), "relu"
)
OUTPUT = Choice(
    "output",
    "what the last layer goes through: tanh (-1 to 1), sigmoid (0 to 1) or nothing (-1 to 1)",
    ("tanh", "sigmoid", "none"),
    "tanh",
)
LATENTS = Choice("latents", "the law of the latents in training", ("normal", "uniform"), "normal")
ODD_KERNELS = Choice(
    "odd_kernels",
    "whether transposed convolutions with odd kernels double the grid (stride 2) or keep it (stride 1)",
    ("unknown", "double", "keep"),
    "unknown",
)
CHOICES = (ACTIVATION, OUTPUT, LATENTS, ODD_KERNELS)
OUTPUTS: dict[str, Callable[[], nn.Module]] = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "none": nn.Identity}


@dataclass
class Step:
    """A linear layer or convolution of the chain, with the batch norm that follows it."""

    path: str
    weight: Tensor
    kind: str  # linear, transposed or plain
    biased: bool
    norm: str = ""  # the path of its batch norm
    norm_last: bool = False  # the nonlinearity comes before the norm

    @property
    def before(self) -> int:
        return int(self.weight.shape[0 if self.kind == "transposed" else 1])

    @property
    def after(self) -> int:
        return int(self.weight.shape[1 if self.kind == "transposed" else 0])

    @property
    def kernel(self) -> tuple[int, int]:
        height, width = self.weight.shape[2:]
        return int(height), int(width)


class Chain(NamedTuple):
    """The steps in their order, the state dict with plain weights, and what was folded to get it."""

    steps: list[Step]
    state: State
    notes: tuple[str, ...]


def build(state: State, config: Config | None = None) -> Parts:
    """The module of a DCGAN's state dict; its layers are the outputs of the nonlinearities.

    Raises:
        GanatomyError: the weights are not those of such a DCGAN, or leave open how its kernels are laid.
    """
    answers = {choice.name: choice.answer(config or {}) for choice in CHOICES}
    chain = read_chain(state)
    built = _Assembly(chain, answers)
    for step in chain.steps:
        built.add_step(step)
    built.add(OUTPUTS[answers["output"]]())
    module = nn.Sequential(OrderedDict(main=built.main))  # a plain chain, so that a tail is its later modules
    load_state(module, built.state, "a DCGAN")
    first = chain.steps[0]
    return Parts(
        module.eval(),
        built.layers,
        (first.before,) if first.kind == "linear" else (first.before, 1, 1),
        output_range=(0.0, 1.0) if answers["output"] == "sigmoid" else (-1.0, 1.0),
        latent_law=answers["latents"],
        notes=(*_notes(chain, answers, built), *chain.notes),
    )


class _Assembly:
    """The module in the making: `main`, its state dict, its layers, and the size of the map so far."""

    def __init__(self, chain: Chain, answers: dict[str, str]) -> None:
        self.main = nn.Sequential()
        self.state: State = {}
        self.layers: list[str] = []
        self.laid: list[str] = []  # how each step changes the map, in words
        self.size = (1, 1)
        self._chain, self._answers = chain, answers

    def add(self, module: nn.Module, path: str = "") -> None:
        """Appends a module; `path` is where the checkpoint has its weights."""
        for key, value in self._chain.state.items() if path else ():
            if key.rpartition(".")[0] == path:
                self.state[f"main.{len(self.main)}.{key.rpartition('.')[2]}"] = value
        self.main.append(module)

    def add_step(self, step: Step) -> None:
        """Appends a step, its norm and, unless it is the last, a nonlinearity, which is a layer."""
        norm = step.norm if step.kind != "linear" else self._add_projection(step)
        if step.kind != "linear":
            self._add_convolution(step)
        if norm and not step.norm_last:
            self.add(_norm(self._chain.state, norm), norm)
        if step is not self._chain.steps[-1]:
            self.add(ACTIVATIONS[self._answers["activation"]]())
            if norm and step.norm_last:
                self.add(_norm(self._chain.state, norm), norm)
            self.layers.append(f"main.{len(self.main) - 1}")

    def _add_projection(self, step: Step) -> str:
        """A linear layer to the first map; returns the norm that is still to come, which is of maps."""
        units = self._chain.steps[1].before
        self.size = _square(step, units)
        self.add(nn.Linear(step.before, step.after, bias=step.biased), step.path)
        norm = _norm(self._chain.state, step.norm) if step.norm else None
        flat = norm is not None and norm.num_features != units
        if flat:
            self.add(nn.BatchNorm1d(step.after, affine=norm is not None and norm.affine), step.norm)
        self.add(nn.Unflatten(1, (units, *self.size)))
        self.laid.append(f"{step.path} projects to {units} units at {_words(self.size)}")
        return "" if flat else step.norm

    def _add_convolution(self, step: Step) -> None:
        first = step is self._chain.steps[0]
        ways = [_laid(step, dim, first, self._answers["odd_kernels"]) for dim in (0, 1)]
        stride, padding, extra = ((a, b) for a, b in zip(*ways, strict=True))
        height, width = (
            (self.size[d] - 1) * stride[d] - 2 * padding[d] + step.kernel[d] + extra[d] for d in (0, 1)
        )
        self.size = (height, width) if step.kind == "transposed" else self.size
        if max(self.size) > LARGEST:
            raise GanatomyError(
                f"'{step.path}' would make maps of {_words(self.size)}; images of at most "
                f"{LARGEST}x{LARGEST} can be dissected."
            )
        self.laid.append(f"{step.path} {_words(step.kernel)}: stride {stride[0]}, padding {padding[0]}")
        if step.kind == "transposed":
            module: nn.Module = nn.ConvTranspose2d(
                step.before, step.after, step.kernel, stride, padding, extra, bias=step.biased
            )
        else:
            module = nn.Conv2d(step.before, step.after, step.kernel, stride, padding, bias=step.biased)
        self.add(module, step.path)


def read_chain(state: State) -> Chain:
    """The chain in a state dict.

    Raises:
        GanatomyError: the weights form no such chain; the sentence names the first one that does not fit.
    """
    plain, notes = plain_weights(state, transposed=lambda _path: True)
    paths: dict[str, dict[str, Tensor]] = {}
    for key, value in plain.items():
        path, _dot, leaf = key.rpartition(".")
        paths.setdefault(path, {})[leaf] = value
        if leaf != "num_batches_tracked" and not value.is_floating_point():
            raise _no_dcgan(f"'{key}' holds {str(value.dtype).removeprefix('torch.')} numbers")
    steps, norms = [], []
    for path in sorted(paths, key=_natural):
        leaves = paths[path]
        weight = leaves.get("weight")
        if weight is not None and weight.ndim in (2, 4) and set(leaves) <= {"weight", "bias"}:
            kind = "transposed" if weight.ndim == 4 else "linear"
            steps.append(Step(path, weight, kind, "bias" in leaves))
        elif set(leaves) <= NORM and all(value.ndim < 2 for value in leaves.values()):
            norms.append((path, _width(leaves)))
        else:
            odd = next((leaf for leaf in leaves if leaf not in ("weight", "bias")), "weight")
            raise _no_dcgan(f"'{path}.{odd}' {tuple(leaves[odd].shape)} belongs to no layer of one")
    ordered = _ordered(steps)
    _pair(ordered, norms)
    return Chain(ordered, plain, notes)


def _ordered(found: list[Step]) -> list[Step]:
    """The steps as they run: by the numbers in their names, or by their widths where names have none."""
    linear = [step for step in found if step.kind == "linear"]
    steps = [step for step in found if step.kind != "linear"]
    if len(steps) < 2 or len(linear) > 1:
        raise _no_dcgan(f"it has {len(steps)} convolutions with a kernel and {len(linear)} linear layers")
    for step in found:
        if 0 in step.weight.shape:
            raise _no_dcgan(f"'{step.path}.weight' has the shape {tuple(step.weight.shape)}")
    steps = _in_a_chain(steps)
    if linear:
        _square(linear[0], steps[0].before)
    return [*linear, *steps]


def _in_a_chain(steps: list[Step]) -> list[Step]:
    if all(a.before == b.after for a, b in pairwise(steps)) and not _chained(steps):
        raise _no_dcgan(
            f"its convolutions take {steps[0].after} channels and lead to {steps[-1].before}, as a "
            "discriminator's do"
        )
    if not _chained(steps):
        steps = _by_width(steps)
    if _is_plain_end(*steps[-2:]) and steps[-2].after != steps[-1].before:
        steps[-1].kind = "plain"
    for a, b in pairwise(steps):
        if a.after != b.before:
            raise _no_dcgan(f"'{a.path}' makes {a.after} units and the next, '{b.path}', takes {b.before}")
    if steps[-1].after not in IMAGE_CHANNELS:
        raise _no_dcgan(f"'{steps[-1].path}', the last layer, makes {steps[-1].after} channels")
    return steps


def _by_width(steps: list[Step]) -> list[Step]:
    """The steps from the one whose input nothing makes, each with the next; as given if that is ambiguous."""
    by_width = {step.before: step for step in steps}
    starts = set(by_width) - {step.after for step in steps}
    if len(by_width) < len(steps) or len(starts) != 1:
        return steps
    walk = [by_width.pop(starts.pop())]
    while walk[-1].after in by_width:
        walk.append(by_width.pop(walk[-1].after))
    return steps if by_width else walk


def _chained(steps: list[Step]) -> bool:
    *start, (a, b) = pairwise(steps)
    return all(x.after == y.before for x, y in start) and (a.after == b.before or _is_plain_end(a, b))


def _is_plain_end(a: Step, b: Step) -> bool:
    """Whether the last step b is an ordinary convolution to colours, as in generators that end in one."""
    return a.after == b.weight.shape[1] and b.weight.shape[0] in IMAGE_CHANNELS


def _square(step: Step, units: int) -> tuple[int, int]:
    """The grid of a linear layer's output, which becomes this many units."""
    side = math.isqrt(step.after // units)
    if side < 1 or side * side * units != step.after:
        raise _no_dcgan(
            f"'{step.path}' makes {step.after} numbers, which are no square grid of the {units} units that "
            "the next layer takes"
        )
    return side, side


def _pair(steps: list[Step], norms: list[tuple[str, int]]) -> None:
    """Gives each batch norm to the step that it follows."""
    names = [norm for norm, _width in norms]
    for given in (_behind(steps, names), steps[: len(norms)], _first_fit(steps, norms)):
        if len(given) == len(norms) == len({step.path for step in given}) and all(
            _fits(steps, step, width) for step, (_norm, width) in zip(given, norms, strict=True)
        ):
            break
    else:
        sizes = ", ".join(f"{norm} {width}" for norm, width in norms[:4])
        raise _no_dcgan(f"its batch norms ({sizes}, ...) do not fit the widths of its layers")
    for step, norm in zip(given, names, strict=True):
        step.norm = norm
        parent, _dot, number = step.path.rpartition(".")
        norm_parent, _dot, norm_number = norm.rpartition(".")
        numbered = DIGITS.fullmatch(number) and DIGITS.fullmatch(norm_number)
        if parent == norm_parent and numbered and step.kind != "linear":  # behind which an Unflatten may be
            step.norm_last = int(norm_number) == int(number) + 2


def _fits(steps: list[Step], step: Step, width: int) -> bool:
    return width == step.after or (step.kind == "linear" and width == steps[1].before)


def _behind(steps: list[Step], norms: list[str]) -> list[Step]:
    """The step right before each norm, where names sort in the order of the run, as in one Sequential."""
    by_path = {step.path: step for step in steps}
    order = sorted([*by_path, *norms], key=_natural)
    if [path for path in order if path in by_path] != list(by_path):
        return []
    before = dict(zip(order[1:], order, strict=False))
    return [by_path[before[norm]] for norm in norms if before.get(norm) in by_path]


def _first_fit(steps: list[Step], norms: list[tuple[str, int]]) -> list[Step]:
    given: list[Step] = []
    for step in steps:
        if len(given) < len(norms) and _fits(steps, step, norms[len(given)][1]):
            given.append(step)
    return given


def _norm(state: State, path: str) -> nn.BatchNorm2d:
    """A batch norm of the size that the checkpoint has at this path.

    Raises:
        GanatomyError: it has no running statistics.
    """
    if f"{path}.running_mean" not in state or f"{path}.running_var" not in state:
        raise GanatomyError(
            f"The batch norm '{path}' has no running statistics, so an image would depend on the others of "
            "its batch; save the generator's whole state_dict(), with buffers."
        )
    affine = f"{path}.weight" in state or f"{path}.bias" in state
    return nn.BatchNorm2d(state[f"{path}.running_mean"].numel(), affine=affine)


def _laid(step: Step, dim: int, first: bool, odd: str) -> tuple[int, int, int]:
    """Stride, padding and output padding of a kernel in one dimension."""
    k = step.kernel[dim]
    if first:
        return 1, 0, 0
    if step.kind == "plain":
        if k % 2 == 0:
            raise GanatomyError(
                f"'{step.path}' is an ordinary convolution of {_words(step.kernel)}, whose padding is not in "
                "the file; give a generator whose last kernel is odd, or its module as a plug-in."
            )
        return 1, k // 2, 0
    if k % 2 == 0:
        return 2, k // 2 - 1, 0
    if k > 1 and odd == "unknown":
        raise GanatomyError(
            f"'{step.path}' is {_words(step.kernel)}; with an odd kernel the grid may double (stride 2) or "
            "stay (stride 1), which the file does not say: answer odd_kernels=double or odd_kernels=keep."
        )
    return (2, k // 2, 1) if k > 1 and odd == "double" else (1, k // 2, 0)


def _notes(chain: Chain, answers: dict[str, str], built: _Assembly) -> list[str]:
    notes = [
        f"Taken for granted, since a state dict does not say it: {', '.join(built.laid)}; so images are "
        f"{_words(built.size)}.",
        f"Taken for granted: {answers['activation']} after each layer but the last, and "
        f"{answers['output'].replace('none', 'nothing')} at the end.",
    ]
    if chain.steps[0].kind == "linear" and not chain.steps[0].norm:
        notes.append(f"Taken for granted: '{chain.steps[0].path}' goes through the nonlinearity too.")
    if any(step.norm_last for step in chain.steps):
        notes.append("Taken for granted from the numbers in the names: batch norms follow the nonlinearity.")
    return notes


def _words(pair: tuple[int, int]) -> str:
    return f"{pair[0]}x{pair[1]}"


def _width(leaves: dict[str, Tensor]) -> int:
    """How many units a batch norm has; -1 where its parts disagree."""
    widths = {value.numel() for leaf, value in leaves.items() if leaf != "num_batches_tracked"}
    return widths.pop() if len(widths) == 1 else -1


def _natural(name: str) -> tuple[tuple[str, int, str], ...]:
    """A key that sorts numbers in names by their value: main.3 before main.12."""
    parts = re.split(r"([0-9]+)", name)
    return tuple(
        (text, len(digits.lstrip("0")), digits.lstrip("0"))
        for text, digits in zip(parts[::2], [*parts[1::2], ""], strict=True)
    )


def _no_dcgan(why: str) -> GanatomyError:
    return GanatomyError(
        f"The weights are not those of a DCGAN (a chain of transposed convolutions): {why}; choose the "
        "family that they were trained with."
    )


def _recognises(state: State) -> bool:
    if any(key.startswith("blocks.0.0.deconv0.") for key in state):
        return False  # StudioGAN's deep_conv, which has no nonlinearity behind its projection
    try:
        read_chain({name: value.to("meta") for name, value in state.items()})
    except GanatomyError:
        return False
    return True


FAMILY = Family(
    "DCGAN",
    recognises=_recognises,
    build=lambda state, config, _inputs: build(state, config),
    choices=CHOICES,
)
