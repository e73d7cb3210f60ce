"""Read other people's weights without running their code, and say plainly what is wrong with them."""

import hashlib
import json
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from analysis.shared.errors import GanatomyError

State = dict[str, Tensor]
WRAPPERS = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before every key


def read_state(path: Path, key: str | None = None) -> State:
    """The state dict in a .pt, .pth, .tar or .safetensors file; `key` names it where a file holds several.

    Raises:
        GanatomyError: the file is missing, cut short, foreign, holds code, or holds no (single) state dict.
    """
    path = Path(path)
    if not path.is_file():
        raise GanatomyError(f"There is no weights file {path}; check the path, or fetch it again.")
    content = _read(path, _head(path))
    return _unwrapped(_state_in(path, content, key))


def load_state(module: nn.Module, state: Mapping[str, Tensor], what: str) -> nn.Module:
    """Puts a state dict into a module in which every key and shape must fit; returns the module.

    Raises:
        GanatomyError: naming the first key that is missing, unknown or of another shape.
    """
    wanted = module.state_dict()
    for problem in (_missing(wanted, state), _unknown(wanted, state), _misshapen(wanted, state)):
        if problem:
            raise GanatomyError(
                f"The weights do not fit {what}: {problem}; use the checkpoint of this architecture."
            )
    module.load_state_dict({**wanted, **state})
    return module


def save_state(path: Path, state: Mapping[str, Tensor]) -> None:
    """Writes a state dict as safetensors."""
    safetensors.torch.save_file(
        {name: value.detach().cpu().contiguous() for name, value in state.items()}, path
    )


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """The hash of a state dict's content (names, types, shapes, bytes), whatever file it came from."""
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(16)


def _read(path: Path, head: bytes) -> Any:
    if head[8:9] == b"{":
        return _read_safetensors(path)
    if head[:2] == b"PK" or head[:1] == b"\x80":
        return _read_torch(path)
    raise GanatomyError(
        f"{path.name} is {'empty' if not head else 'not a PyTorch or safetensors file'}; "
        "give a checkpoint saved by torch.save or safetensors."
    )


def _read_safetensors(path: Path) -> Any:
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise _damaged(path) from error


def _read_torch(path: Path) -> Any:
    if _head(path)[:2] == b"PK" and not zipfile.is_zipfile(path):
        raise _damaged(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # that a pickle is an odd one is said below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "weights_only" in str(error).lower() or "unsupported" in str(error).lower():
            raise GanatomyError(
                f"{path.name} holds Python objects beside weights, which can run code, and was not opened; "
                "ask its author for the state_dict() alone, saved by torch.save or safetensors."
            ) from error
        raise _damaged(path) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> GanatomyError:
    return GanatomyError(f"{path.name} is cut short or damaged; copy or download it again.")


def _is_state(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(v, Tensor) for v in value.values())


def _state_in(path: Path, content: Any, key: str | None) -> Mapping[str, Tensor]:
    inner = {str(k): v for k, v in content.items() if _is_state(v)} if isinstance(content, Mapping) else {}
    if key is not None:
        if key not in inner:
            known = f"it holds {', '.join(inner)}" if inner else "it holds none"
            raise GanatomyError(f"{path.name} has no state dict '{key}'; {known}.")
        return inner[key]
    if _is_state(content):
        return content
    if len(inner) == 1:
        return next(iter(inner.values()))
    if inner:
        raise GanatomyError(f"{path.name} holds several state dicts; name one with key: {', '.join(inner)}.")
    raise GanatomyError(f"{path.name} holds no state dict; save the generator's state_dict() and use that.")


def _unwrapped(state: Mapping[str, Tensor]) -> State:
    plain = dict(state)
    for prefix in WRAPPERS:
        if all(name.startswith(prefix) for name in plain):
            plain = {name.removeprefix(prefix): value for name, value in plain.items()}
    return plain


def _missing(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    # Batch counters came to batch norm later than many checkpoints; they play no part in evaluation.
    names = [name for name in wanted if name not in state and not name.endswith("num_batches_tracked")]
    return f"{len(names)} keys are missing, the first is '{names[0]}'" if names else ""


def _unknown(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    names = [name for name in state if name not in wanted]
    return f"{len(names)} keys are unknown, the first is '{names[0]}'" if names else ""


def _misshapen(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> str:
    for name, value in wanted.items():
        if name in state and state[name].shape != value.shape:
            return f"'{name}' has shape {tuple(state[name].shape)}, not {tuple(value.shape)}"
    return ""
