"""Train the churches generator: `python -m analysis.training.churches --state FOLDER`.

The same seed gives the same training; stopped at any time it goes on from the folder's last state. Every
SNAPSHOT steps the averaged generator is written as safetensors with a sheet of samples.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from analysis.models.families.progan import LATENT
from analysis.shared.files import replacing
from analysis.training.pictures import pictures
from analysis.training.progressive import R1_EVERY, Game

SEED, COUNT = 1, 8000
SAVE, SNAPSHOT = 100, 500
REST = 1000  # the steps at the end over which the learning rate falls to a tenth


@dataclass(frozen=True)
class Phase:
    """A size of picture (4 * 2**stage): its steps, how many fade it in, pictures a step, R1's weight."""

    stage: int
    steps: int
    fade: int
    batch: int
    penalty: float
    rate: float = 1e-3


SCHEDULE = (
    Phase(1, 500, 0, 32, penalty=0.1),
    Phase(2, 2500, 400, 32, penalty=0.1),
    Phase(3, 3500, 600, 16, penalty=0.1),
    Phase(4, 5000, 800, 16, penalty=0.2),
)
STEPS = sum(phase.steps for phase in SCHEDULE)


def place(step: int) -> tuple[Phase, float]:
    """The phase of a step and how far its pictures have faded in."""
    for phase in SCHEDULE:
        if step < phase.steps:
            return phase, min(1.0, (step + 1) / phase.fade) if phase.fade else 1.0
        step -= phase.steps
    return SCHEDULE[-1], 1.0


def rate(step: int) -> float:
    return place(step)[0].rate * max(0.1, min(1.0, 0.1 + 0.9 * (STEPS - step) / REST))


def batch(images: NDArray[np.uint8], step: int, size: int) -> tuple[Tensor, Tensor]:
    """The step's drawn pictures (size, 3, 64, 64) in [-1, 1], half of them mirrored, and its latents."""
    rng = np.random.default_rng((SEED, step))
    chosen = images[rng.integers(len(images), size=size)]
    mirrored = rng.random(size) < 0.5
    chosen[mirrored] = chosen[mirrored, :, ::-1]
    real = torch.from_numpy(chosen).permute(0, 3, 1, 2).float() / 127.5 - 1
    return real, torch.from_numpy(rng.standard_normal((size, LATENT), dtype=np.float32))


def shrunk(real: Tensor, stage: int, alpha: float) -> Tensor:
    """Pictures of the stage's size, as blurred as the generator's while it fades in."""
    real = functional.avg_pool2d(real, real.shape[-1] // (4 * 2**stage)) if stage < 4 else real
    if alpha >= 1:
        return real
    coarse = functional.interpolate(functional.avg_pool2d(real, 2), scale_factor=2, mode="nearest")
    return torch.lerp(coarse, real, alpha)


def sheet(images: Tensor, columns: int = 8) -> Image.Image:
    """Images (N, 3, H, W) in [-1, 1] side by side, at twice their size."""
    pixels = ((images + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    rows = [np.concatenate(list(pixels[k : k + columns]), 1) for k in range(0, len(pixels), columns)]
    picture = Image.fromarray(np.concatenate(rows, 0))
    return picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.NEAREST)


def snapshot(game: Game, step: int, folder: Path) -> None:
    module = game.average.finished(place(step - 1)[0].stage)
    weights = {name: value.half().contiguous() for name, value in module.state_dict().items()}
    save_file(weights, folder / f"generator-{step:06d}.safetensors")
    with torch.no_grad():
        z = torch.randn(64, LATENT, generator=torch.Generator().manual_seed(0))
        sheet(module(z)).save(folder / f"generator-{step:06d}.png")


def save(game: Game, step: int, folder: Path) -> None:
    with replacing(folder / "state.pt") as aside:
        torch.save({"step": step, **game.state()}, aside)


def resume(game: Game, folder: Path) -> int:
    """Load the folder's last state into the game; the number of steps already done."""
    file = folder / "state.pt"
    if not file.exists():
        return 0
    state = torch.load(file, map_location="cpu", weights_only=True)
    step = int(state.pop("step"))
    game.restore(state)
    return step


def train(
    folder: Path,
    pause: Path | None = None,
    last: int = STEPS,
    until: float = float("inf"),
    count: int = COUNT,
    device: str = "cpu",
) -> int:
    """Train from the folder's state to step `last` or the time `until` (s since 1970); the step reached."""
    images, _ = pictures(folder, SEED, count)
    game = Game(SEED, device=device)
    step, began, done = (start := resume(game, folder)), time.time(), 0
    while step < last and time.time() < until:
        while pause and pause.exists():
            time.sleep(1)
        phase, alpha = place(step)
        stage = phase.stage
        real, z = (part.to(game.device) for part in batch(images, step, phase.batch))
        game.rate(rate(step))
        losses = game.step(
            shrunk(real, stage, alpha), z, stage, alpha, phase.penalty * (step % R1_EVERY == 0)
        )
        # A short memory at first, or the average would long remember its random start.
        game.follow(phase.batch, min(10_000, max(500, 0.05 * phase.batch * step)))
        step, done = step + 1, step + 1 - start
        if step % 100 == 0:
            print(f"{step} stage {stage} critic {losses[0]:.3f} generator {losses[1]:.3f} "
                  f"{(time.time() - began) / done:.3f} s/step", flush=True)  # fmt: skip
        if step % SAVE == 0:
            save(game, step, folder)
        if step % SNAPSHOT == 0:
            snapshot(game, step, folder)
    save(game, step, folder)
    snapshot(game, step, folder)
    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder of the training's state")
    parser.add_argument("--pause", type=Path, help="wait while this file exists")
    parser.add_argument(
        "--until", type=float, default=float("inf"), help="stop at this time, seconds since 1970"
    )
    parser.add_argument("--device", default="cpu", help="cpu, or cuda where there is one")
    choice = parser.parse_args()
    train(choice.state, choice.pause, until=choice.until, device=choice.device)


if __name__ == "__main__":
    main()
