"""A training's state small enough for the repository: half precision, and only what cannot be made again.

`python -m analysis.training.compact pack STATE_FOLDER FILE` and `... unpack FILE STATE_FOLDER`. A training
that goes on from it is not bit for bit the uninterrupted one: weights and squared gradients are rounded, and
the average starts from the generator's own weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from analysis.training.churches import SEED, resume, save
from analysis.training.progressive import Game

PLAYERS = ("generator", "critic")


def pack(folder: Path, file: Path) -> int:
    """Write the folder's state as one small file; the steps done."""
    game = Game(SEED)
    step = resume(game, folder)
    kept: dict[str, Tensor] = {"step": torch.tensor(step)}
    for player in PLAYERS:
        module, optimiser = getattr(game, player), getattr(game, f"{player}_adam")
        for name, weight in module.named_parameters():
            kept[f"{player}.{name}"] = weight.detach().half().contiguous()
            if weight in optimiser.state:
                squared = optimiser.state[weight]["exp_avg_sq"]
                kept[f"{player}_squared.{name}"] = squared.bfloat16().contiguous()  # too small for float16
    save_file(kept, file)
    return step


def unpack(file: Path, folder: Path) -> int:
    """Write the state of such a file into a folder, for the training to go on from; the steps done."""
    kept, game = load_file(file), Game(SEED)
    step = int(kept["step"])
    for player in PLAYERS:
        module, optimiser = getattr(game, player), getattr(game, f"{player}_adam")
        for name, weight in module.named_parameters():
            weight.data.copy_(kept[f"{player}.{name}"])
            squared = kept.get(f"{player}_squared.{name}")
            if squared is not None:
                optimiser.state[weight] = {
                    "step": torch.tensor(float(step)),
                    "exp_avg": torch.zeros_like(weight),
                    "exp_avg_sq": torch.empty_like(weight).copy_(squared),
                }
    game.average.load_state_dict(game.generator.state_dict())
    folder.mkdir(parents=True, exist_ok=True)
    save(game, step, folder)
    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["pack", "unpack"])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    choice = parser.parse_args()
    step = (
        pack(choice.source, choice.target)
        if choice.command == "pack"
        else unpack(choice.source, choice.target)
    )
    print(f"{choice.target}: {step} steps")


if __name__ == "__main__":
    main()
