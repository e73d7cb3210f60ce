"""The DCGAN of the standard tutorial (Radford et al. 2016): one Sequential `main` of transposed convolutions.

Sizes are read from the weights: nz -> [ngf * 2**k at 4x4] -> ... -> [ngf] -> channels, the grid doubling at
each step, so 64x64 images have five convolutions and 128x128 images have six.
"""

from collections import OrderedDict
from itertools import pairwise

from torch import Tensor, nn

from analysis.models.checkpoints import State, load_state
from analysis.models.families.parts import Parts
from analysis.shared.errors import GanatomyError


def build(state: State) -> Parts:
    """The module of a tutorial DCGAN's state dict; its layers are the outputs of the ReLUs.

    Raises:
        GanatomyError: the weights are not those of such a DCGAN.
    """
    prefix, weights = _convolutions(state)
    widths = [weights[0].shape[0], *(weight.shape[1] for weight in weights)]
    biased = f"{prefix}.0.bias" in state
    main = nn.Sequential()
    layers = []
    for number, (before, after) in enumerate(pairwise(widths)):
        stride, padding = (1, 0) if number == 0 else (2, 1)
        main.append(nn.ConvTranspose2d(before, after, 4, stride, padding, bias=biased))
        if number < len(weights) - 1:
            main.extend([nn.BatchNorm2d(after), nn.ReLU()])
            layers.append(f"main.{len(main) - 1}")
    main.append(nn.Tanh())
    module = nn.Sequential(OrderedDict(main=main))  # a plain chain, so that a tail is its later modules
    renamed = {"main" + name.removeprefix(prefix): value for name, value in state.items()}
    return Parts(load_state(module, renamed, "a tutorial DCGAN"), layers, (widths[0], 1, 1))


def _convolutions(state: State) -> tuple[str, list[Tensor]]:
    """The chain's name in the state dict, and the weights of its convolutions in order."""
    found = {name: value for name, value in state.items() if value.ndim == 4 and name.endswith(".weight")}
    prefixes = {name.rsplit(".", 2)[0] for name in found if name.count(".") >= 2}
    weights = list(found.values())
    chained = all(a.shape[1] == b.shape[0] for a, b in pairwise(weights))
    if len(prefixes) != 1 or len(weights) < 2 or not chained or any(w.shape[2:] != (4, 4) for w in weights):
        raise GanatomyError(
            "The weights are not those of a tutorial DCGAN (one Sequential of 4x4 transposed convolutions); "
            "choose the family that they were trained with."
        )
    return prefixes.pop(), weights
