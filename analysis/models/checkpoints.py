"""Read other people's weights without running their code, and say plainly what is wrong with them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from analysis.shared.errors import GanatomyError

State = dict[str, Tensor]


def read_state(path: Path, key: str | None = None) -> State:
    """The state dict in a checkpoint file, in float32; `key` names it where a file holds several.

    No code of the file runs. It is read in this process, without limits of time and memory: that is for files
    which are known by their hash. `read_apart` is for others.

    Raises:
        GanatomyError: the file is missing, cut short, foreign, or holds no (single) state dict.
    """
    from analysis.models.files import formats, recognition, states
    from analysis.models.files.words import Unreadable

    path = Path(path)
    try:
        found = recognition.single(states.states(formats.read(path)), key)
        return states.values(found, formats.disk_bytes(path))[0]
    except Unreadable as error:
        raise GanatomyError(f"{formats.described(path)} {error}.") from error


def read_apart(path: Path, key: str | None = None, memory_gb: float | None = None) -> State:
    """The state dict in anybody's checkpoint file, read in a process with limits, often of its own.

    Raises:
        GanatomyError: it cannot be read within them, or holds no (single) state dict.
    """
    from analysis.models.files.inspection import examined
    from analysis.models.files.limits import confined

    if confined():
        return read_state(path, key)
    with examined(path, key, role="state", memory_gb=memory_gb) as folder:
        return safetensors.torch.load((folder / "state.safetensors").read_bytes())


def load_state(module: nn.Module, state: Mapping[str, Tensor], what: str) -> nn.Module:
    """Puts a state dict into a module in which every key and shape must fit; returns the module.

    A module on the meta device takes the tensors themselves, so that nothing is allocated before they fit.

    Raises:
        GanatomyError: naming the first key that is missing, unknown or of another shape.
    """
    wanted = module.state_dict()
    for problem in (_missing(wanted, state), _unknown(wanted, state), _misshapen(wanted, state)):
        if problem:
            raise GanatomyError(
                f"The weights do not fit {what}: {problem}; use the checkpoint of this architecture."
            )
    module.load_state_dict({**wanted, **state}, assign=any(value.is_meta for value in wanted.values()))
    return module


def save_state(path: Path, state: Mapping[str, Tensor]) -> None:
    """Writes a state dict as safetensors."""
    own: dict[int, str] = {}  # tied weights: safetensors wants each tensor to have memory of its own
    kept = {}
    for name, value in state.items():
        value = value.detach().cpu().contiguous()
        first = own.setdefault(value.untyped_storage().data_ptr(), name)
        kept[name] = value if first == name else value.clone()
    safetensors.torch.save_file(kept, path)


def weights_sha256(state: Mapping[str, Tensor]) -> str:
    """The hash of a state dict's content (names, types, shapes, bytes), whatever file it came from."""
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        digest.update(json.dumps([name, str(value.dtype), list(value.shape)]).encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


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
