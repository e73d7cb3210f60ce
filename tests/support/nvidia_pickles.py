"""Network pickles in the layout of NVIDIA's StyleGAN2-ADA and StyleGAN3, with classes that are gone later."""

import pickle
import sys
import types
from pathlib import Path
from typing import Any
from unittest import mock

from published_layouts import case
from torch import Tensor, nn

SOURCE = "raise RuntimeError('the source in the pickle ran')"


def nested(state: dict[str, Tensor], kind: type[nn.Module]) -> nn.Module:
    """Modules that hold a state dict under its own keys; what is computed or counted is a buffer."""
    root = kind()
    for key, value in state.items():
        *path, last = key.split(".")
        module = root
        for name in path:
            if name not in module._modules:
                module.add_module(name, kind())
            module = module.get_submodule(name)
        if (
            last in ("w_avg", "noise_const", "magnitude_ema", "freqs", "phases", "transform")
            or "filter" in last
        ):
            module.register_buffer(last, value)
        else:
            module.register_parameter(last, nn.Parameter(value))
    return root


def write(path: Path, name: str, arguments: dict[str, Any]) -> None:
    """Write the network pickle of a published case. The modules that it names exist only meanwhile."""
    persistence = types.ModuleType("torch_utils.persistence")
    util = types.ModuleType("dnnlib.util")

    def _reconstruct_persistent_obj(meta: object) -> None:
        raise RuntimeError("the pickle was executed")

    class EasyDict(dict[str, Any]):
        pass

    class Persistent(nn.Module):
        def __reduce__(self) -> Any:
            meta = EasyDict(
                type="class", version=6, module_src=SOURCE, class_name="Generator", state=self.__dict__
            )
            return (_reconstruct_persistent_obj, (meta,), None)

    present: dict[str, types.ModuleType] = {}
    for module, value in ((persistence, _reconstruct_persistent_obj), (util, EasyDict)):
        value.__module__, value.__qualname__ = module.__name__, value.__name__
        setattr(module, value.__name__, value)
        package = module.__name__.partition(".")[0]
        present |= {package: types.ModuleType(package), module.__name__: module}
    with mock.patch.dict(sys.modules, present):
        network = nested(case(name)[0], Persistent)
        network._init_args = ()  # type: ignore[assignment]
        network._init_kwargs = EasyDict(  # type: ignore[assignment]
            {key: EasyDict(value) if isinstance(value, dict) else value for key, value in arguments.items()}
        )
        other = nested({key: value + 1 for key, value in case(name)[0].items()}, Persistent)
        content = {"G": other, "D": nn.Linear(2, 2), "G_ema": network, "training_set_kwargs": None}
        path.write_bytes(pickle.dumps({**content, "augment_pipe": None}))
