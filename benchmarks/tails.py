"""What running only the tail saves: seconds of f(r) over seconds of the whole generator, for each layer.

python -m benchmarks.tails --generator churches

Beside the module itself one is measured that is no plain chain (the module within another), whose tails are
replayed: chosen latents whose passes were kept, and what a new pass of those latents costs instead.
"""

from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import Tensor, nn

from analysis.models import generators
from analysis.models.generator import Generator, ImageTail
from analysis.shared.latents import latents
from benchmarks.timing import interleaved, ratio, report


class Wrapped(nn.Module):
    """A module within another."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *given: Tensor) -> Tensor:
        images: Tensor = self.inner(*given)
        return images


def wrapped(generator: Generator) -> Generator:
    """The same generator, which is now no chain."""
    paths = {layer.name: f"inner.{layer.path}" for layer in generator.layers}
    return Generator(Wrapped(generator.module), paths, generator.latent_shape, device=generator.device)


def edited(kept: ImageTail, rows: Tensor, r: Tensor) -> Tensor:
    """The images of chosen latents whose passes were kept."""
    return kept.rows(rows).tail(r)


def main(
    generator: Annotated[str, typer.Option()] = "churches",
    store: Annotated[Path, typer.Option()] = Path("store"),
    images: Annotated[int, typer.Option()] = 16,
    repeats: Annotated[int, typer.Option()] = 7,
    write: Annotated[bool, typer.Option(help="Make the figures the baseline.")] = False,
) -> None:
    """Times whole passes and tails in turn, in processor time at one thread."""
    torch.set_num_threads(1)
    made = generators.load(generator, store / "models")
    z = latents(1, 0, images, made.latent_shape)
    cuts = {layer.name: made.cut(z, layer.name) for layer in made.layers}
    with torch.no_grad():
        runs = {name: (lambda cut=cut: cut.tail(cut.r)) for name, cut in cuts.items()}
        other, rows = wrapped(made), torch.arange(images).flip(0)
        for name, cut in cuts.items():
            kept = other.cut(z, name).kept
            assert kept is not None
            r = cut.r[rows]
            runs[f"{name} kept"] = partial(edited, kept, rows, r)
            runs[f"{name} anew"] = partial(other.tail, z[rows], name, r)
        seconds = interleaved({"whole": lambda: made.images(z), **runs}, repeats, "cpu")
    figures = {f"{name} tail over whole": ratio(seconds, name, "whole") for name in cuts}
    figures |= {f"{name} kept tail over tail": ratio(seconds, f"{name} kept", name) for name in cuts}
    figures |= {
        f"{name} kept tail over a new pass": ratio(seconds, f"{name} kept", f"{name} anew") for name in cuts
    }
    report(f"tails-{generator}", figures, write)


if __name__ == "__main__":
    typer.run(main)
