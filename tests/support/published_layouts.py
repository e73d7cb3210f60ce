"""Random weights in the layout of a published checkpoint, and what the published code makes of them.

`tests/data/reference-generators` holds, for each case, the keys and shapes of the published module's own
state dict, the buffers that are computed and not learned (filters, frequencies), latents, and the pictures of
the published code. The weights come from a seed. `reference_pictures.py` made it.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytorch_pretrained_biggan as published
import torch
from safetensors.torch import load_file
from torch import Tensor

FOLDER = Path(__file__).parents[1] / "data" / "reference-generators"
COMPUTED = re.compile(r".*(kernel|resample_filter|up_filter|down_filter|freqs|phases|transform|counter)")
MAPPING = re.compile(r"(style\.\d+|mapping\.fc\d+)\.(weight|bias)")


def value(key: str, shape: list[int], random: np.random.Generator) -> np.ndarray:
    """A tensor of sensible size for its role, which its name tells."""
    normal = random.standard_normal(shape).astype(np.float32)
    if MAPPING.fullmatch(key):
        return normal * 100  # the learning rate multiplier is 0.01
    if re.search(r"(_var|_vars|magnitude_ema|sv0)$", key):
        return np.exp(0.3 * normal).astype(np.float32)
    if re.search(r"(affine|modulation)\.bias$", key):
        return 1 + 0.3 * normal
    if re.search(r"(bias|noise_strength|noise\.weight|running_mean|running_means|stored_mean)$", key):
        return 0.3 * normal
    if re.search(r"(gain|gamma|bn\.weight)$", key):
        return 1 + 0.3 * normal
    if re.search(r"weight_[uv]$", key):
        return normal / np.linalg.norm(normal)
    return normal


def weights(shapes: dict[str, list[int]], computed: dict[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """A state dict of these keys and shapes; the same whatever their order."""
    made = {}
    for key in sorted(shapes):
        if key.endswith("num_batches_tracked"):
            made[key] = torch.tensor(1)
        elif COMPUTED.fullmatch(key):
            made[key] = computed[key]
        else:
            random = np.random.default_rng([seed, *key.encode()])
            made[key] = torch.from_numpy(np.asarray(value(key, shapes[key], random), dtype=np.float32))
    return {key: made[key] for key in shapes}


def cases() -> list[str]:
    """The names of all cases."""
    return list(json.loads((FOLDER / "layouts.json").read_text()))


def family(name: str) -> str:
    """The family of a case, as in `generators.FAMILIES`."""
    first = name.split("-")[0]
    return "stylegan2-ada" if first == "ada" else first


def case(name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A case's state dict; and its latents "z", classes "y" and pictures by what was asked for."""
    shapes = json.loads((FOLDER / "layouts.json").read_text())[name]
    stored = {
        key.removeprefix(f"{name}/"): tensor
        for key, tensor in load_file(FOLDER / "tensors.safetensors").items()
        if key.startswith(f"{name}/")
    }
    return weights(shapes, stored), stored


def biggan_deep() -> published.BigGAN:
    """Hugging Face's own module, narrow: 64x64 images of 5 classes, with attention, weights from a seed."""
    config = published.BigGANConfig(
        output_dim=64,
        z_dim=6,
        class_embed_dim=6,
        channel_width=8,
        num_classes=5,
        layers=[
            (False, 16, 16),
            (True, 16, 8),
            (False, 8, 8),
            (True, 8, 4),
            (False, 4, 4),
            (True, 4, 2),
            (False, 2, 2),
            (True, 2, 1),
        ],
        attention_layer_position=4,
        n_stats=51,
    )
    module = published.BigGAN(config)
    shapes = {key: list(tensor.shape) for key, tensor in module.state_dict().items()}
    state = weights(shapes, {})
    for key in [key for key in state if key.endswith("weight_orig")]:  # norms as training would know them
        u, _s, v = torch.linalg.svd(state[key].flatten(1), full_matrices=False)
        name = key.removesuffix("_orig")
        state[f"{name}_u"], state[f"{name}_v"] = u[:, 0], v[0]
    module.load_state_dict(state)
    return module.eval()
