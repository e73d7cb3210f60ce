"""Train the churches segmenter: `python -m analysis.training.segmenter --state FOLDER`.

It sees drawn pictures only, with noise, blur and colour jitter, so that it also holds on generated ones. The
same seed gives the same training; stopped at any time it goes on from the folder's last state.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from analysis.models.families.unet import Unet
from analysis.shared.files import replacing
from analysis.training.pictures import Pictures, pictures
from analysis.worlds.vocabulary import MAPS

SEED, COUNT, BATCH, STEPS, SAVE = 2, 6000, 32, 1200, 100
RATE = 3e-3


def classes() -> list[int]:
    """Classes of each map's softmax: its concepts and nothing."""
    return [1 + len(names) for names in MAPS]


def worn(images: Tensor, generator: torch.Generator) -> Tensor:
    """Drawn images (N, 3, H, W) in [-1, 1] with jittered colour, blur and noise, each image its own."""

    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.empty(len(images), channels, 1, 1).uniform_(low, high, generator=generator)

    images = images * uniform(0.75, 1.2) + uniform(-0.15, 0.15) + uniform(-0.12, 0.12, 3)
    soft = functional.avg_pool2d(functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    images = torch.lerp(images, soft, uniform(-0.3, 1.0).clamp(0, 1))
    return images + uniform(0, 0.12) * torch.randn(images.shape, generator=generator)


def targets(labels: NDArray[np.uint8]) -> Tensor:
    """Labels (N, maps, h, w) to class numbers within each map, 0 being nothing."""
    first = np.cumsum([0, *(len(names) for names in MAPS[:-1])])[:, None, None]
    return torch.from_numpy(np.where(labels > 0, labels - first, 0).astype(np.int64))


def batch(drawn: Pictures, step: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng((SEED, step))
    chosen = rng.integers(len(drawn[0]), size=BATCH)
    images = torch.from_numpy(drawn[0][chosen]).permute(0, 3, 1, 2).float() / 127.5 - 1
    wanted = targets(drawn[1][chosen])
    if rng.random() < 0.5:
        images, wanted = images.flip(-1), wanted.flip(-1)
    return worn(images, torch.Generator().manual_seed(int(rng.integers(2**62)))), wanted


def loss_of(module: Unet, images: Tensor, wanted: Tensor) -> Tensor:
    scores = module(images).split(classes(), 1)
    losses = [functional.cross_entropy(score, wanted[:, k]) for k, score in enumerate(scores)]
    return torch.stack(losses).sum()


def train(folder: Path, pause: Path | None = None, last: int = STEPS) -> Unet:
    """Train from the folder's state to step `last`."""
    drawn = pictures(folder, SEED, COUNT)
    torch.manual_seed(SEED)
    module, step, file = Unet(sum(classes())), 0, folder / "segmenter.pt"
    adam = torch.optim.Adam(module.parameters(), RATE)
    if file.exists():
        state = torch.load(file, weights_only=True)
        module.load_state_dict(state["module"])
        adam.load_state_dict(state["adam"])
        step = int(state["step"])
    module.train()
    while step < last:
        while pause and pause.exists():
            time.sleep(1)
        for group in adam.param_groups:
            group["lr"] = RATE * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / STEPS)))
        adam.zero_grad(set_to_none=True)
        loss = loss_of(module, *batch(drawn, step))
        loss.backward()
        adam.step()
        step += 1
        if step % SAVE == 0 or step == last:
            print(step, f"{float(loss.detach()):.4f}", flush=True)
            kept = {"step": step, "module": module.state_dict(), "adam": adam.state_dict()}
            with replacing(file) as aside:
                torch.save(kept, aside)
    return module.eval()


def write(module: Unet, file: Path) -> None:
    """The weights as safetensors, in half precision."""
    state = {k: v.half() if v.is_floating_point() else v for k, v in module.state_dict().items()}
    save_file({k: v.contiguous() for k, v in state.items()}, file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder of the training's state")
    parser.add_argument("--pause", type=Path, help="wait while this file exists")
    choice = parser.parse_args()
    write(train(choice.state, choice.pause), choice.state / "segmenter.safetensors")


if __name__ == "__main__":
    main()
