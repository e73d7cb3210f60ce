"""What running only the tail saves: seconds of f(r) over seconds of the whole generator, for each layer.

python -m benchmarks.tails --generator churches
"""

from pathlib import Path
from typing import Annotated

import torch
import typer

from analysis.models import generators
from analysis.shared.latents import latents
from benchmarks.timing import interleaved, ratio, report


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
        seconds = interleaved({"whole": lambda: made.images(z), **runs}, repeats, "cpu")
    figures = {f"{name} tail over whole": ratio(seconds, name, "whole") for name in cuts}
    report(f"tails-{generator}", figures, write)


if __name__ == "__main__":
    typer.run(main)
