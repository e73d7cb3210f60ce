"""Train the segmenter of a drawn world: `python -m analysis.training.segmenter --world rooms --state FOLDER`.

It learns exact labels of drawn pictures with noise, blur and colour jitter. With `--teacher FILE` (churches)
also, on pictures of the churches generator, half of them worn likewise, what its teacher finds there
(`analysis.training.teacher`).
The same seed gives the same training; stopped at any time it goes on from the folder's last state.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from analysis.models.segmentation.unet import WORLDS, Unet, World
from analysis.shared.files import replacing
from analysis.training import teacher
from analysis.training.pictures import Pictures, pictures

SEED, COUNT, BATCH, SAVE = 2, 12_000, 32, 100
TAUGHT, TAUGHT_BATCH = 3000, 8  # generated pictures, and those of one step
STEPS, WARM = 3800, 100  # the rate grows over the first WARM steps and falls from then on
RATE = 4e-3
NAMES = {"churches": "church-parts", "rooms": "room-parts"}  # of the worlds' segmenters


def worn(images: Tensor, generator: torch.Generator) -> Tensor:
    """Drawn images (N, 3, H, W) in [-1, 1] with jittered colour, blur and noise, each image its own."""

    def uniform(low: float, high: float, channels: int = 1) -> Tensor:
        return torch.empty(len(images), channels, 1, 1).uniform_(low, high, generator=generator)

    images = images * uniform(0.75, 1.2) + uniform(-0.15, 0.15) + uniform(-0.12, 0.12, 3)
    soft = functional.avg_pool2d(functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    images = torch.lerp(images, soft, uniform(-0.3, 1.0).clamp(0, 1))
    return images + uniform(0, 0.12) * torch.randn(images.shape, generator=generator)


def targets(labels: NDArray[np.uint8], world: World) -> Tensor:
    """Labels (N, maps, h, w) to class numbers within each map, 0 being nothing."""
    first = np.cumsum([0, *(len(names) for names in world.maps[:-1])])[:, None, None]
    return torch.from_numpy(np.where(labels > 0, labels - first, 0).astype(np.int64))


def batch(drawn: Pictures, world: World, step: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng((SEED, step))
    chosen = rng.integers(len(drawn[0]), size=BATCH)
    images = torch.from_numpy(drawn[0][chosen]).permute(0, 3, 1, 2).float() / 127.5 - 1
    wanted = targets(drawn[1][chosen], world)
    if rng.random() < 0.5:
        images, wanted = images.flip(-1), wanted.flip(-1)
    return worn(images, torch.Generator().manual_seed(int(rng.integers(2**62)))), wanted


def taught_batch(lesson: teacher.Lesson, step: int) -> tuple[Tensor, Tensor]:
    """The step's generated pictures, the second half worn, and the teacher's probabilities of classes."""
    rng = np.random.default_rng((SEED, step, 1))
    chosen = np.sort(rng.integers(len(lesson[0]), size=TAUGHT_BATCH))
    images, wanted = (torch.from_numpy(part[chosen]).float() for part in lesson)
    order = torch.from_numpy(rng.permutation(len(chosen)))
    images, wanted = images[order], wanted[order]
    if rng.random() < 0.5:
        images, wanted = images.flip(-1), wanted.flip(-1)
    clean, other = images.chunk(2)
    changed = worn(other, torch.Generator().manual_seed(int(rng.integers(2**62))))
    return torch.cat([clean, changed]), wanted


def entropy(logits: Tensor, wanted: Sequence[Tensor], classes: list[int]) -> Tensor:
    """The sum over maps of the cross entropy with class numbers (N, h, w) or probabilities (N, k, h, w)."""
    scores = logits.split(classes, 1)
    return torch.stack([functional.cross_entropy(*pair) for pair in zip(scores, wanted, strict=True)]).sum()


def loss_of(module: Unet, drawn: Pictures, lesson: teacher.Lesson | None, step: int, world: World) -> Tensor:
    """The step's loss on drawn pictures, and on generated ones where there is a lesson."""
    images, wanted = batch(drawn, world, step)
    count = len(images)
    if lesson is not None:
        more, answers = taught_batch(lesson, step)
        images = torch.cat([images, more])
    # Half precision in the convolutions, where a processor has it, halves a step's time.
    with torch.autocast(images.device.type, torch.bfloat16):
        logits = module(images.contiguous(memory_format=torch.channels_last))
    logits = logits.float()
    loss = entropy(logits[:count], wanted.unbind(1), world.classes)
    if lesson is None:
        return loss
    return loss + entropy(logits[count:], answers.split(world.classes, 1), world.classes)


def rate(step: int) -> float:
    return RATE * min((step + 1) / WARM, max(0.002, 1 - step / STEPS))


def train(
    folder: Path,
    taught_by: Path | None = None,
    pause: Path | None = None,
    last: int = STEPS,
    of: str = "churches",
) -> Unet:
    """Train from the folder's state to step `last`; without a teacher's weights on drawn pictures alone."""
    world, drawn = WORLDS[of], pictures(folder, SEED, COUNT, of)
    lesson = teacher.lesson(folder, taught_by, TAUGHT) if taught_by else None
    torch.manual_seed(SEED)
    module, step, file = Unet(sum(world.classes)), 0, folder / "segmenter.pt"
    module = module.to(memory_format=torch.channels_last)
    adam = torch.optim.AdamW(module.parameters(), RATE, weight_decay=1e-3)
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
            group["lr"] = rate(step)
        adam.zero_grad(set_to_none=True)
        loss = loss_of(module, drawn, lesson, step, world)
        loss.backward()
        adam.step()
        step += 1
        if step % SAVE == 0 or step == last:
            print(step, f"{float(loss.detach()):.4f} {time.process_time():.0f} s", flush=True)
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
    parser.add_argument("--world", choices=WORLDS, default="churches")
    parser.add_argument("--teacher", type=Path, help="file of the teacher's weights (churches)")
    parser.add_argument("--pause", type=Path, help="wait while this file exists")
    choice = parser.parse_args()
    torch.set_num_threads(1)
    if choice.teacher is not None and choice.world != "churches":
        parser.error("there is a teacher of churches only")
    trained = train(choice.state, choice.teacher, choice.pause, of=choice.world)
    write(trained, choice.state / "segmenter.safetensors")


if __name__ == "__main__":
    main()
