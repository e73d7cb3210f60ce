"""The loops of analysis/counting/gpu/kernels.cu on a processor: the same file, by a C++ compiler."""

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from torch import Tensor

from analysis.counting.gpu.kernels import SOURCE

COMPILER = shutil.which("g++") or shutil.which("clang++")


@cache
def library() -> ctypes.CDLL:
    assert COMPILER is not None
    file = Path(tempfile.mkdtemp()) / "kernels.so"
    # No contraction of floating point, as on the GPU; no aliasing rules, since words are read as bytes.
    flags = ["-O1", "-shared", "-fPIC", "-ffp-contract=off", "-fno-strict-aliasing", "-fpermissive", "-w"]
    subprocess.run([COMPILER, *flags, "-x", "c++", str(SOURCE), "-o", str(file)], check=True)
    return ctypes.CDLL(str(file))


class CpuLoops:
    """Runs the blocks of a grid one after another."""

    def __call__(self, name: str, blocks: tuple[int, int], threads: int, *given: Tensor | int) -> None:
        assert all(value.is_contiguous() for value in given if isinstance(value, Tensor))
        values = [
            ctypes.c_void_p(value.data_ptr()) if isinstance(value, Tensor) else ctypes.c_int(value)
            for value in given
        ]
        loop, place = getattr(library(), name), library().place_block
        for y in range(blocks[1]):
            for x in range(blocks[0]):
                place(threads, x, y)
                loop(*values)
