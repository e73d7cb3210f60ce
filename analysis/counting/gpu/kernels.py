"""Starts the loops of kernels.cu on an NVIDIA GPU. They are compiled at first use, in 0.4 s on an H100.

Only what comes with a CUDA build of torch is needed: NVRTC, which compiles, and the driver. Both have plain C
interfaces.
"""

import ctypes
import sys
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from analysis.shared.errors import GanatomyError

SOURCE = Path(__file__).with_name("kernels.cu")
NAMES = ("fill_bins", "add_listed")


class Loops(Protocol):
    """Where the loops of kernels.cu run."""

    def __call__(self, name: str, blocks: tuple[int, int], threads: int, *given: Tensor | int) -> None:
        """Runs a loop for a grid of blocks; tensors are contiguous and on the loops' device."""
        ...


class CudaLoops:
    """The loops on a CUDA device, in order with what torch does there."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        facts = torch.cuda.get_device_properties(device)
        self._driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        with torch.cuda.device(device):
            torch.cuda.current_stream().synchronize()  # the device's context exists from here on
            code = compiled_for(f"sm_{facts.major}{facts.minor}")
            module = ctypes.c_void_p()
            self._check(self._driver.cuModuleLoadData(ctypes.byref(module), code))
            self._loops = {name: self._found(module, name) for name in NAMES}

    def _found(self, module: ctypes.c_void_p, name: str) -> ctypes.c_void_p:
        loop = ctypes.c_void_p()
        self._check(self._driver.cuModuleGetFunction(ctypes.byref(loop), module, name.encode()))
        return loop

    def __call__(self, name: str, blocks: tuple[int, int], threads: int, *given: Tensor | int) -> None:
        values = [
            ctypes.c_void_p(value.data_ptr()) if isinstance(value, Tensor) else ctypes.c_int(value)
            for value in given
        ]
        pointers = (ctypes.c_void_p * len(values))(
            *(ctypes.cast(ctypes.pointer(value), ctypes.c_void_p) for value in values)
        )
        with torch.cuda.device(self._device):
            stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
            self._check(
                self._driver.cuLaunchKernel(
                    self._loops[name], *(ctypes.c_uint(n) for n in (*blocks, 1, threads, 1, 1, 0)),
                    stream, pointers, None,
                )
            )  # fmt: skip

    def _check(self, status: int) -> None:
        if status:
            said = ctypes.c_char_p()
            self._driver.cuGetErrorString(status, ctypes.byref(said))
            raise GanatomyError(
                f"The GPU refused the counting loops ({(said.value or b'unknown').decode()}); "
                "run on the CPU, or update the driver."
            )


@cache
def loops_on(device: torch.device) -> Loops:
    """The loops on a CUDA device."""
    return CudaLoops(device)


def compiled_for(architecture: str) -> bytes:
    """The machine code of kernels.cu for an architecture such as sm_90."""
    library = _compiler()
    program = ctypes.c_void_p()
    wanted = (f"--gpu-architecture={architecture}".encode(), b"--fmad=false", b"--std=c++17")
    made = library.nvrtcCreateProgram(
        ctypes.byref(program), SOURCE.read_bytes(), SOURCE.name.encode(), 0, None, None
    )
    status = made or library.nvrtcCompileProgram(
        program, len(wanted), (ctypes.c_char_p * len(wanted))(*wanted)
    )
    if status:
        size = ctypes.c_size_t()
        library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        said = ctypes.create_string_buffer(size.value)
        library.nvrtcGetProgramLog(program, said)
        raise GanatomyError(
            f"The counting loops do not compile for this GPU; run on the CPU. {said.value.decode()}"
        )
    size = ctypes.c_size_t()
    library.nvrtcGetCUBINSize(program, ctypes.byref(size))
    code = ctypes.create_string_buffer(size.value)
    library.nvrtcGetCUBIN(program, code)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return code.raw


def _compiler() -> Any:
    """The NVRTC of torch's CUDA version."""
    version = str(torch.version.cuda or "13").split(".")[0]
    name = f"nvrtc64_{version}0_0.dll" if sys.platform == "win32" else f"libnvrtc.so.{version}"
    packages = Path(torch.__file__).parent.parent
    for place in (*packages.glob(f"nvidia/*/lib/{name}"), *packages.glob(f"torch/lib/{name}"), Path(name)):
        for beside in place.parent.glob("*nvrtc-builtins*") if place.is_absolute() else ():
            ctypes.CDLL(str(beside))  # it would not be found by its name
        try:
            return ctypes.CDLL(str(place))
        except OSError:
            continue
    raise GanatomyError(
        f"{name}, which compiles the counting loops, was not found; install torch for CUDA again."
    )
