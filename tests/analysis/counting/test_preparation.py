"""Compiling the counting loops beforehand compiles all that a dissection calls."""

import subprocess
import sys

DISSECTED = """
import torch
from torch import nn
from numba.core.dispatcher import Dispatcher
from analysis import Concept, Generator, dissect
from analysis.counting import preparation

preparation.cold = lambda: True
preparation.prepare()

def variants():
    import sys
    modules = [module for name, module in sys.modules.items() if name.startswith("analysis.counting")]
    values = [each for module in modules for each in vars(module).values()]
    found = {id(each): each for each in values if isinstance(each, Dispatcher)}
    return {each.py_func.__qualname__: len(each.signatures) for each in found.values()}

class Bright:
    concepts = (Concept("dark"), Concept("bright"))
    def labels(self, images):
        return 1 + (images[:, :1] > 0).long()
    def probability(self, images, concept):
        return images[:, 0].sigmoid()

torch.manual_seed(0)
draw = nn.Sequential(nn.ConvTranspose2d(4, 6, 4), nn.ReLU(), nn.ConvTranspose2d(6, 3, 4, 2, 1), nn.Tanh())
before = variants()
assert sum(before.values()) > 10, before
dissect(Generator(draw, ["1"], (4, 1, 1)), Bright(), images=70, calibration=70)
assert variants() == before, (before, variants())
"""


def test_a_dissection_compiles_no_loop_that_was_not_prepared() -> None:
    done = subprocess.run([sys.executable, "-c", DISSECTED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
